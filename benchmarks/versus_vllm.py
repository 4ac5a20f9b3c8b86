"""Sampling only: Cohort's sampler against vLLM on the CPU, in tokens per second.

    python benchmarks/versus_vllm.py [--workloads S L] [--precisions float32 bfloat16] [--json] [--short]

Same saved weights, same prompts, same answers per prompt, temperature 1, the end token live. Every turn is
a process of its own; start-up and warm-up are not in the rates, start-up is reported. First every setting of
vLLM has a turn, then the fastest and Cohort go A B B A, and medians over all rounds are compared. Greedy
tokens of both must be the same in float32, or there is no ratio.

Where the two differ, vLLM has the easier work: it is not asked for log-probabilities or text, and Cohort
always makes both. Its prefix cache is emptied between rounds, as training does when the weights change.
vLLM lives in an environment of its own (--python); nothing of Cohort is imported there.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SETTINGS: dict[str, dict[str, Any]] = {
    "eager": {"enforce_eager": True},
    "compiled": {},
    "compiled, blocks of 32": {"block_size": 32},
    "compiled, engine apart": {"apart": True},
}
"""What vLLM is told besides. apart: its engine has a process of its own, as it does by default."""
HOW_TO_GET_IT = """\
this needs vLLM for the CPU, in an environment of its own: make .venv-vllm/.ready
or give another environment's interpreter with --python\
"""
MODEL, PROMPTS = "model", "prompts.json"
GREEDY_TOKENS, WARMUP, TAIL_LINES = 16, 3, 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a process is asked for: rounds of sampling, and greedy tokens. began: by the clock."""

    side: str
    folder: str
    precision: str
    setting: str
    rollouts_per_prompt: int
    max_new_tokens: int
    context: int
    end: int
    rounds: int
    threads: int
    began: float = 0.0


@dataclass(frozen=True, slots=True)
class Found:
    """What it measured. tokens, seconds: of each round. greedy: the tokens of each prompt."""

    tokens: list[int]
    seconds: list[float]
    startup_seconds: float
    greedy: list[list[int]]

    @property
    def rates(self) -> list[float]:
        """Tokens per second of each round."""
        return [n / s for n, s in zip(self.tokens, self.seconds, strict=True)]


class TurnError(Exception):
    """A turn whose process failed, with the end of what it printed."""


class UnequalError(Exception):
    """The two sides do not compute the same."""


def main() -> None:
    """Compare on every workload in every precision; print a table, or JSON."""
    given = _arguments()
    if given.turn:
        answer(given.turn)
        return
    if not _has_vllm(given.python):
        print(HOW_TO_GET_IT, file=sys.stderr)
        raise SystemExit(2)
    try:
        results = [row for name in given.workloads for row in compare_all(name, given)]
    except (TurnError, UnequalError) as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from error
    if given.json:
        print(json.dumps({"threads": given.threads, "results": results}))
    else:
        print_table(results)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workloads", nargs="+", default=["S", "L"])
    precisions = ("float32", "bfloat16")
    parser.add_argument("--precisions", nargs="+", choices=precisions, default=precisions)
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--rounds", type=int, default=5, help="in a turn; each side has two turns")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--python", type=Path, default=ROOT / ".venv-vllm" / "bin" / "python")
    parser.add_argument("--short", action="store_true", help="one round, eager: whether it runs")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--turn", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _has_vllm(python: Path) -> bool:
    if not python.exists():
        return False
    search = "import importlib.util as u, sys; sys.exit(u.find_spec('vllm') is None)"
    return subprocess.run([str(python), "-c", search]).returncode == 0


def compare_all(name: str, given: argparse.Namespace) -> list[dict[str, Any]]:
    """A workload in every precision, from one folder, so that vLLM compiles for each once."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for precision in given.precisions:
            print(f"{name} in {precision}", file=sys.stderr)
            turn = prepared(name, Path(folder), precision, given)
            rows.append({"workload": name, **compare(turn, given)})
    return rows


def prepared(name: str, folder: Path, precision: str, given: argparse.Namespace) -> Turn:
    """Cohort's turn on this workload, with its model and prompts in the folder."""
    from workloads import WORKLOADS, new_model, problems, tokenizer

    workload, pieces = WORKLOADS[name], tokenizer()
    model = new_model(workload.size)
    model.save_pretrained(folder / MODEL)
    prompts = [pieces(problem.prompt)["input_ids"] for problem in problems(workload)]
    (folder / PROMPTS).write_text(json.dumps(prompts))
    return Turn(
        side="cohort",
        folder=str(folder),
        precision=precision,
        setting="",
        rollouts_per_prompt=workload.rollouts_per_prompt,
        max_new_tokens=workload.max_new_tokens,
        context=model.config.max_position_embeddings,
        end=pieces.eos_token_id,
        rounds=1 if given.short else given.rounds,
        threads=given.threads,
    )


def compare(cohort: Turn, given: argparse.Namespace) -> dict[str, Any]:
    """The rates of both sides, and how many times vLLM's Cohort's is."""
    python = given.python
    vllm = replace(cohort, side="vllm", setting="eager")
    order: tuple[Turn, ...] = (cohort, vllm)
    rates: dict[str, float] = {}
    if not given.short:
        rates = try_settings(vllm, given)
        vllm = replace(vllm, setting=max(rates, key=lambda name: rates[name]))
        order = (cohort, vllm, vllm, cohort)
    found = [(turn.side, launch(turn, python)) for turn in order]
    same = [one.greedy == found[0][1].greedy for _, one in found]
    if cohort.precision == "float32" and not all(same):
        raise UnequalError("the greedy tokens of the two sides differ: a speed would mean nothing")
    medians, startups = {}, {}
    for side in ("cohort", "vllm"):
        own = [one for name, one in found if name == side]
        medians[side] = statistics.median(rate for one in own for rate in one.rates)
        startups[side] = [one.startup_seconds for one in own]
    return {
        "precision": cohort.precision,
        "cohort_tokens_per_second": medians["cohort"],
        "vllm_tokens_per_second": medians["vllm"],
        "ratio": medians["cohort"] / medians["vllm"],
        "vllm_setting": vllm.setting,
        "vllm_settings_tokens_per_second": rates,
        "startup_seconds": startups,
        "greedy_tokens_equal": all(same),
        "rates": [{"side": side, "tokens_per_second": one.rates} for side, one in found],
    }


def try_settings(vllm: Turn, given: argparse.Namespace) -> dict[str, float]:
    """vLLM's median rate with each of the settings, a turn for each."""
    found = {name: launch(replace(vllm, setting=name), given.python) for name in given.settings}
    return {name: statistics.median(one.rates) for name, one in found.items()}


def launch(turn: Turn, vllm_python: Path) -> Found:
    """What a turn measures, in a process of its own. Raises TurnError."""
    asked = Path(turn.folder) / "turn.json"
    asked.write_text(json.dumps(asdict(replace(turn, began=time.time()))))
    python = Path(sys.executable) if turn.side == "cohort" else vllm_python
    done = subprocess.run(
        [str(python), __file__, "--turn", str(asked)],
        env=os.environ | environment(turn, python),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-TAIL_LINES:])
        raise TurnError(f"{turn.side} {turn.setting} in {turn.precision}:\n{tail}")
    return Found(**json.loads(asked.with_suffix(".answer").read_text()))


def environment(turn: Turn, python: Path) -> dict[str, str]:
    """The variables that the libraries read when they are loaded."""
    limits = {"OMP_NUM_THREADS": str(turn.threads), "MKL_NUM_THREADS": str(turn.threads)}
    variables = limits | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    if turn.side == "cohort":
        return variables
    openmp = python.parents[1] / "lib" / "libiomp5.so"  # what vLLM's manual recommends
    if openmp.exists():
        variables["LD_PRELOAD"] = f"{openmp}:{os.environ.get('LD_PRELOAD', '')}".strip(":")
    apart = SETTINGS[turn.setting].get("apart", False)
    return variables | {
        "VLLM_CPU_OMP_THREADS_BIND": ",".join(str(cpu) for cpu in _cpus(turn.threads)),
        "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB: hundreds of answers of these models
        "VLLM_ENABLE_V1_MULTIPROCESSING": str(int(apart)),
        "VLLM_CACHE_ROOT": str(Path(turn.folder) / "cache"),
        "VLLM_HOST_IP": "127.0.0.1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
    }


def _cpus(threads: int) -> list[int]:
    """The CPUs that vLLM binds its threads to."""
    return sorted(os.sched_getaffinity(0))[:threads]


def answer(asked: Path) -> None:
    """In the turn's own process: sample, and write what was measured beside what was asked."""
    turn = Turn(**json.loads(asked.read_text()))
    prompts = json.loads((Path(turn.folder) / PROMPTS).read_text())
    side = {"cohort": _cohort, "vllm": _vllm}[turn.side]
    sampled, greedy = side(turn, prompts)
    startup = time.time() - turn.began
    tokens, seconds = [], []
    for number in range(WARMUP + turn.rounds):
        count, took = sampled(number)
        tokens.append(count)
        seconds.append(took)
    found = Found(tokens[WARMUP:], seconds[WARMUP:], startup, greedy())
    asked.with_suffix(".answer").write_text(json.dumps(asdict(found)))


Side = tuple[Callable[[int], tuple[int, float]], Callable[[], list[list[int]]]]
"""A round by its number: its tokens and seconds. The greedy tokens of every prompt."""


def _cohort(turn: Turn, prompts: list[list[int]]) -> Side:
    import numpy as np
    import torch
    from workloads import load_model, tokenizer

    from cohort.policy.load import take_over
    from cohort.rollout.request import Request, Sampling
    from cohort.rollout.sampler import sample

    torch.set_num_threads(turn.threads)
    model = load_model(Path(turn.folder) / MODEL, getattr(torch, turn.precision))
    policy = take_over(model, tokenizer())
    rows = [np.asarray(prompt, np.int32) for prompt in prompts]
    options = Sampling(
        rollouts_per_prompt=turn.rollouts_per_prompt, max_new_tokens=turn.max_new_tokens
    )

    def sampled(number: int) -> tuple[int, float]:
        requests = [Request(str(n), row, (number, n)) for n, row in enumerate(rows)]
        began = time.perf_counter()
        groups = sample(policy, requests, options)
        seconds = time.perf_counter() - began
        return sum(len(answer.tokens) for group in groups for answer in group), seconds

    def greedy() -> list[list[int]]:
        likeliest = Sampling(rollouts_per_prompt=1, max_new_tokens=GREEDY_TOKENS, greedy=True)
        requests = [Request(str(n), row, (n,)) for n, row in enumerate(rows)]
        return [group[0].tokens.tolist() for group in sample(policy, requests, likeliest)]

    return sampled, greedy


def _vllm(turn: Turn, prompts: list[list[int]]) -> Side:
    from vllm import LLM, SamplingParams

    told = {key: value for key, value in SETTINGS[turn.setting].items() if key != "apart"}
    engine = LLM(
        str(Path(turn.folder) / MODEL), dtype=turn.precision, max_model_len=turn.context,
        enable_prefix_caching=True, skip_tokenizer_init=True, disable_log_stats=True, **told,
    )  # fmt: skip
    asked = [{"prompt_token_ids": prompt} for prompt in prompts]
    options = SamplingParams(
        n=turn.rollouts_per_prompt, temperature=1.0, max_tokens=turn.max_new_tokens,
        stop_token_ids=[turn.end], detokenize=False,
    )  # fmt: skip
    likeliest = SamplingParams(
        temperature=0.0, max_tokens=GREEDY_TOKENS, stop_token_ids=[turn.end], detokenize=False
    )

    def sampled(_: int) -> tuple[int, float]:
        engine.reset_prefix_cache()
        began = time.perf_counter()
        groups = engine.generate(asked, options, use_tqdm=False)
        seconds = time.perf_counter() - began
        return sum(len(one.token_ids) for group in groups for one in group.outputs), seconds

    def greedy() -> list[list[int]]:
        groups = engine.generate(asked, likeliest, use_tqdm=False)
        return [list(group.outputs[0].token_ids) for group in groups]

    return sampled, greedy


def print_table(results: list[dict[str, Any]]) -> None:
    """A row for every workload and precision."""
    print(f"{'':14}{'cohort':>10}{'vLLM':>10}{'ratio':>8}   tokens/s   vLLM's fastest setting")
    for row in results:
        print(
            f"{row['workload']:3}{row['precision']:11}{row['cohort_tokens_per_second']:10.0f}"
            f"{row['vllm_tokens_per_second']:10.0f}{row['ratio']:7.2f}x{'':14}{row['vllm_setting']}"
        )
    for row in results:
        starts = {
            side: ", ".join(f"{s:.0f}" for s in seconds)
            for side, seconds in row["startup_seconds"].items()
        }
        print(
            f"{row['workload']} {row['precision']}: start-up of Cohort {starts['cohort']} s, of vLLM "
            f"{starts['vllm']} s; greedy tokens equal: {row['greedy_tokens_equal']}"
        )


if __name__ == "__main__":
    main()
