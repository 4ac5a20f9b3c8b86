"""Whole training steps of Cohort and of TRL's GRPOTrainer, as ratios measured in one run.

    .venv-parity/bin/python benchmarks/versus_trl.py [--workload S,L,M,D] [--precisions fp32,bf16]
        [--steps N] [--without-default] [--short] [--device cpu|cuda] [--threads N] [--json] [--plot FILE]

Same weights, prompts, reward, learning rate, threads and torch; one update per step, GRPO's loss with
beta 0, at most 128 new tokens at temperature 1; TRL samples with transformers' `generate`. Beside TRL
as it comes (on a CPU it has to be told so, `use_cpu`), six configurations of it are tried for two
steps: checkpointing or not, in float32, with bfloat16 autocast, with bfloat16 weights. The fastest at
float32 and the fastest at bfloat16 are measured beside Cohort in the order TRL, Cohort, Cohort, TRL,
every turn in a process of its own. Cohort's bfloat16 is a model cast to it before it is taken over.

A step is sampling (from the text of the prompts to the text of the answers), reward, and update (all
the rest); neither side logs or saves. Answers are of random length and the sides draw other ones, by
which the tokens of one step differ by about 8 %: ratios are of seconds per completion token, and of
medians over the steps of both turns. The tokens and the seconds of every step are in the JSON. Memory
is the peak of the process, libraries included; before the first step it was `rest_bytes`.

First the gradient of one float32 step of TRL is compared with Cohort's on the same rollouts. Unless
they agree on every workload, nothing is measured. Exit code 1: they do not, or a turn failed. 2:
something is missing, or an option is wrong.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from turns import Runner, Turn, TurnError, answer
from versus_table import draw, table, workload_lines
from workloads import WORKLOADS, Workload, save_model

LEAST_COSINE, MOST_RELATIVE_ERROR = 0.99999, 1e-3
PARTS = ("step", "sampling", "update")
RATIOS = (*(f"{part}_ratio" for part in PARTS), "memory_ratio")
CONFIGURATIONS = [(p, c) for p in ("fp32", "autocast", "bf16") for c in (False, True)]
"""What is tried of TRL: a precision, and whether activations are checkpointed."""
AT = {"fp32": ("fp32",), "bf16": ("autocast", "bf16")}
"""TRL's precisions that stand beside each of Cohort's."""
TURNS_PER_WORKLOAD = 2 + len(CONFIGURATIONS) + 2 + 2 * 4
NO_TRL = """TRL is not installed here. `make parity` builds an environment that has it; then:
    .venv-parity/bin/python benchmarks/versus_trl.py"""


def main() -> int:
    """Compare, measure, and print a table or JSON; the exit code."""
    options = parse()
    if options.turn:
        answer(options.turn)
        return 0
    missing = _missing(options)
    if missing:
        print(missing, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        try:
            results = compare(options, Path(folder))
        except TurnError as error:
            print(f"a turn failed: {error}", file=sys.stderr)
            return 1
    if results is None:
        return 1
    print(json.dumps(results | {"versions": versions(options)}) if options.json else table(results))
    if options.plot:
        draw(results, options.plot)
    return 0


def parse() -> argparse.Namespace:
    """The options; a wrong one ends the program with code 2."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workload", type=_names, default=list(WORKLOADS), help="S,L,M,D")
    parser.add_argument("--precisions", type=_precisions, default=list(AT), help="fp32,bf16")
    parser.add_argument("--steps", type=_positive, help="measured steps per turn: 5, or 2")
    parser.add_argument(
        "--without-default",
        action="store_true",
        help="not TRL as it comes, which takes minutes a step where bfloat16 is not multiplied",
    )
    parser.add_argument("--short", action="store_true", help="fewer steps everywhere: a trial")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=_positive, default=_cores(), help="all cores")
    parser.add_argument("--json", action="store_true", help="one object instead of the table")
    parser.add_argument("--plot", type=_picture, help="draw a .png or .svg (needs matplotlib)")
    parser.add_argument("--turn", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.steps = options.steps or (2 if options.short else 5)
    options.warmup_steps = options.tried_steps = 1 if options.short else 2
    return options


def compare(options: argparse.Namespace, folder: Path) -> dict[str, Any] | None:
    """Everything by workload; None, said on stderr, where two gradients differ."""
    share = len(options.precisions) / len(AT)
    total = round(TURNS_PER_WORKLOAD * share) * len(options.workload)
    runner = Runner(folder, turns=total, device=options.device, threads=options.threads)
    chosen = [WORKLOADS[name] for name in options.workload]
    about = {}
    for workload in chosen:
        parameters = save_model(workload.size, folder / workload.name)
        about[workload.name] = _about(workload, parameters) | {"gradient": _gap(runner, workload)}
    wrong = [name for name, found in about.items() if not _agree(found["gradient"])]
    for name in wrong:
        print(f"{name}: the gradients differ: {about[name]['gradient']}", file=sys.stderr)
    if wrong:
        return None
    results = {}
    for workload in chosen:
        found = about[workload.name] | measure(runner, workload, options)
        results[workload.name] = found
        print("\n".join(workload_lines(workload.name, found)), file=sys.stderr, flush=True)
    return results


def measure(runner: Runner, workload: Workload, options: argparse.Namespace) -> dict[str, Any]:
    """TRL as it comes, and both precisions; the ratios beside TRL's faster precision come first."""
    lengths = {"steps": options.steps, "warmup_steps": options.warmup_steps}
    tried = _try(runner, workload, options.tried_steps, options.precisions)
    default = runner.turn("trl", workload.name, "default", **lengths)
    as_it_comes = [] if options.without_default else [runner.run(default)]
    by_precision = {}
    for precision in options.precisions:
        theirs = AT[precision]
        fastest = min((t for t in tried if t["precision"] in theirs), key=lambda t: t["seconds"])
        best = runner.turn(
            "trl",
            workload.name,
            fastest["precision"],
            checkpointing=fastest["checkpointing"],
            **lengths,
        )
        ours = runner.turn("cohort", workload.name, precision, **lengths)
        by_precision[precision] = _beside(runner, best, ours)
    as_it_comes += [runner.run(replace(default, seed=1)) for _ in as_it_comes]
    faster = min(by_precision, key=lambda p: by_precision[p]["trl"]["step_seconds_per_token"])
    return {
        **{ratio: by_precision[faster][ratio] for ratio in RATIOS},
        "trl_faster_at": faster,
        **by_precision,
        **({"trl_default": summary(default, as_it_comes)} if as_it_comes else {}),
        "trl_tried": tried,
    }


def _beside(runner: Runner, theirs: Turn, ours: Turn) -> dict[str, Any]:
    """Both sides in the order A B B A; how many times faster Cohort is, and its share of the memory."""
    found: dict[str, list[dict[str, Any]]] = {"trl": [], "cohort": []}
    for number, turn in enumerate((theirs, ours, ours, theirs)):
        found[turn.side].append(runner.run(replace(turn, seed=number // 2)))
    trl, cohort = summary(theirs, found["trl"]), summary(ours, found["cohort"])
    ratios = {
        f"{part}_ratio": trl[f"{part}_seconds_per_token"] / cohort[f"{part}_seconds_per_token"]
        for part in PARTS
    }
    memory = cohort["peak_bytes"] / trl["peak_bytes"]
    return {**ratios, "memory_ratio": memory, "trl": trl, "cohort": cohort}


def summary(turn: Turn, found: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians over the steps of all turns, and the largest peak."""
    steps = [step for one in found for step in one["steps"]]
    for step in steps:
        rest = step["sampling_seconds"] + step["reward_seconds"]
        step["update_seconds"] = step["step_seconds"] - rest
    medians = {}
    for name in (f"{part}_seconds" for part in PARTS):
        medians[name] = statistics.median(step[name] for step in steps)
        each = statistics.median(step[name] / step["tokens"] for step in steps)
        medians[f"{name}_per_token"] = each
    return {
        "configuration": turn.configuration,
        "used": found[0]["used"],
        **medians,
        "first_step_seconds": found[0]["first_step_seconds"],
        "tokens": statistics.median(step["tokens"] for step in steps),
        "peak_bytes": max(one["peak_bytes"] for one in found),
        "rest_bytes": max(one["rest_bytes"] for one in found),
        "steps": steps,
    }


def _try(
    runner: Runner, workload: Workload, steps: int, precisions: list[str]
) -> list[dict[str, Any]]:
    """A few steps of every configuration of TRL: its seconds hardly depend on what it draws."""
    tried = []
    asked = [theirs for ours in precisions for theirs in AT[ours]]
    for precision, checkpointing in CONFIGURATIONS:
        if precision not in asked:
            continue
        turn = runner.turn(
            "trl",
            workload.name,
            precision,
            checkpointing=checkpointing,
            steps=steps,
            warmup_steps=1,
        )
        seconds = statistics.median(s["step_seconds"] for s in runner.run(turn)["steps"])
        entry = {"precision": precision, "checkpointing": checkpointing, "seconds": seconds}
        tried.append(entry)
    return tried


def _gap(runner: Runner, workload: Workload) -> dict[str, float]:
    runner.run(runner.turn("trl", workload.name, "fp32"))
    return runner.run(runner.turn("cohort", workload.name, "fp32"))


def _agree(gap: dict[str, float]) -> bool:
    return gap["cosine"] > LEAST_COSINE and gap["relative_error"] < MOST_RELATIVE_ERROR


def _about(workload: Workload, parameters: int) -> dict[str, Any]:
    return {
        "parameters": parameters,
        "prompts": workload.prompts,
        "prompt_tokens": workload.prompt_tokens,
        "rollouts_per_prompt": workload.rollouts_per_prompt,
        "silent_every": workload.silent_every,
    }


def versions(options: argparse.Namespace) -> dict[str, Any]:
    """What was measured, and on what."""
    names = ("cohort-rl", "trl", "transformers", "torch", "accelerate")
    found = {name: importlib.metadata.version(name) for name in names}
    machine = {"machine": platform.machine(), "threads": options.threads, "device": options.device}
    return {**found, "python": platform.python_version(), **machine}


def _missing(options: argparse.Namespace) -> str:
    if importlib.util.find_spec("trl") is None:
        return NO_TRL
    if options.plot and importlib.util.find_spec("matplotlib") is None:
        return (
            "--plot needs matplotlib, which is not installed here: install it, or leave --plot out"
        )
    return ""


def _names(text: str) -> list[str]:
    names = list(dict.fromkeys(text.split(",")))
    unknown = [name for name in names if name not in WORKLOADS]
    if unknown:
        known = ", ".join(WORKLOADS)
        raise argparse.ArgumentTypeError(f"there is no workload {unknown[0]!r}; known: {known}")
    return names


def _precisions(text: str) -> list[str]:
    names = text.split(",")
    if not set(names) <= set(AT):
        raise argparse.ArgumentTypeError(f"{text!r}: precisions are {', '.join(AT)}")
    return names


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(text)


def _picture(text: str) -> Path:
    file = Path(text)
    if file.suffix not in (".png", ".svg") or not file.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is no .png or .svg in a folder that exists")
    return file


def _cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


if __name__ == "__main__":
    sys.exit(main())
