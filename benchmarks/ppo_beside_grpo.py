"""PPO with a critic of its own beside GRPO on the same work: memory by item, and seconds per step.

    python benchmarks/ppo_beside_grpo.py [--sizes 10.7M,30M] [--sides grpo,ppo,ppo-alone,ppo-head]
        [--only seconds|memory] [--steps N] [--threads N] [--json]

Same random weights, prompts, reward, learning rate and number of answers; one update a step. `grpo` is
the recipe's GRPO with beta 0, so without a reference; `ppo` the algorithm as its papers have it, with a
reference and a critic as large as the policy; `ppo-alone` the same without the reference, `ppo-head`
with a head in the place of the critic. Each side is a process of its own, in the order A B C .. C B A.

Seconds are medians of the steps of both turns. Memory is measured in turns of their own, in which what
is freed goes back at once (glibc is told so by its variables; it costs time). It is what the process holds
above what it held after a step with a model of 0.86 million parameters, so without the libraries; a
step's phases have peaks of their own (the kernel's mark is set back between them). It is measured with rows
as long as suit a CPU's cache and with short ones, because a row's activations are the same for both
methods. Items are counted from their tensors. What is left of a peak is activations, what the sampler
keeps, and a sum of gradients for each further thread. Linux only.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from cohort_side import REWARDS
from torch import Tensor
from workloads import MEDIUM, SMALL, WORKLOADS, Size, load_model, problems, save_model, tokenizer

from cohort.config.critic import Critic as CriticOptions
from cohort.config.stages import Optimizer
from cohort.data.records import Group
from cohort.objective.presets import ALGORITHMS
from cohort.policy.load import take_over
from cohort.policy.policy import Policy
from cohort.policy.valued import valued_from
from cohort.rewards.score import score_groups
from cohort.rollout.request import Request, Sampling
from cohort.rollout.sampler import sample
from cohort.train.batch import Cutting, prepare, whole_step
from cohort.train.clock import Clock
from cohort.train.credit import counted_places, select, with_advantages
from cohort.train.critic import Critic, Head, HeadCritic, OwnCritic
from cohort.train.critic_values import ask
from cohort.train.optim import MASTER, Updater
from cohort.train.reference import frozen_copy
from cohort.train.reinforce import log_ratio
from cohort.train.step import Beside, learn

THIRTY = Size(hidden=640, feed_forward=2080, layers=6, heads=10, key_value_heads=2)
"""30.0 million parameters."""
SIZES = {"0.86M": SMALL, "10.7M": MEDIUM, "30M": THIRTY}
SIDES = {
    "grpo": ALGORITHMS["grpo"].but(beta=0.0),
    "ppo": ALGORITHMS["ppo"],
    "ppo-alone": ALGORITHMS["ppo"].but(beta=0.0),
    "ppo-head": ALGORITHMS["ppo"],
}
ROWS = {"rows of 2,048": 0, "rows of 128": 128}
WIDTH = 26
PHASES = ("sampling", "before the update", "policy update", "critic update")
FREES = {
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "65536",
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64",
}
"""With these, large blocks are pages of their own, given back when they are freed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a process is asked for; `row_tokens` where it measures memory, else None."""

    side: str
    size: str
    folder: str
    steps: int
    warmup_steps: int
    threads: int
    seed: int = 0
    row_tokens: int | None = None


def main() -> int:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=_names, default=["10.7M", "30M"])
    parser.add_argument("--sides", type=_names, default=["grpo", "ppo", "ppo-alone"])
    parser.add_argument("--only", choices=("seconds", "memory"), help="not the other one")
    parser.add_argument("--steps", type=int, default=3, help="measured steps per turn")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--json", action="store_true", help="one object instead of the table")
    parser.add_argument("--turn", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.turn:
        _answer(options.turn)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        found = {name: _compare(name, options, Path(folder)) for name in options.sizes}
    print(json.dumps(found) if options.json else "\n\n".join(map(_table, found.values())))
    return 0


def _names(text: str) -> list[str]:
    return text.split(",")


def _compare(size: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Seconds of every side in the order A B C C B A, then the memory of each."""
    parameters = save_model(SIZES[size], folder / size)
    common = {"size": size, "folder": str(folder / size), "threads": options.threads}
    found: dict[str, Any] = {"size": size, "parameters": parameters, "threads": options.threads}
    if options.only != "memory":
        found["seconds"] = _seconds(options, common)
    if options.only != "seconds":
        memory = {"steps": 1, "warmup_steps": 1, **common}
        found["memory"] = {
            rows: {
                side: _launch(Turn(side=side, row_tokens=tokens, **memory))
                for side in options.sides
            }
            for rows, tokens in ROWS.items()
        }
    return found


def _seconds(options: argparse.Namespace, common: dict[str, Any]) -> dict[str, dict[str, float]]:
    """The medians of each side, measured in the order A B C .. C B A."""
    steps: dict[str, list[dict[str, float]]] = {side: [] for side in options.sides}
    for number, side in enumerate([*options.sides, *reversed(options.sides)]):
        seed = number // len(options.sides)
        turn = Turn(side=side, steps=options.steps, warmup_steps=1, seed=seed, **common)
        steps[side] += _launch(turn)["steps"]
    return {side: _medians(own) for side, own in steps.items()}


def _medians(steps: list[dict[str, float]]) -> dict[str, float]:
    found = {key: statistics.median(step[key] for step in steps) for key in steps[0]}
    return found | {
        "microseconds_per_token": 1e6 * statistics.median(s["step"] / s["tokens"] for s in steps)
    }


def _launch(turn: Turn) -> dict[str, Any]:
    """What a turn measures, in a process of its own."""
    print(f"{turn.size}: {turn.side}, {_kind(turn)}", file=sys.stderr, flush=True)
    limits = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(turn.threads))
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder) / "turn.json"
        asked.write_text(json.dumps(asdict(turn)))
        subprocess.run(
            [sys.executable, __file__, "--turn", str(asked)],
            env=os.environ | limits | (FREES if turn.row_tokens is not None else {}),
            check=True,
        )
        found: dict[str, Any] = json.loads(asked.with_suffix(".answer").read_text())
    return found


def _kind(turn: Turn) -> str:
    return "seconds" if turn.row_tokens is None else f"memory, rows of {turn.row_tokens or 'all'}"


def _answer(asked: Path) -> None:
    """In the turn's own process: do what the file asks, and write what was measured beside it."""
    turn = Turn(**json.loads(asked.read_text()))
    torch.set_num_threads(turn.threads)
    asked.with_suffix(".answer").write_text(json.dumps(_Side(turn).measured()))


def _rest(turn: Turn) -> int:
    """What the process holds without a model, all code that a step needs loaded: bytes."""
    if turn.row_tokens is None:
        return 0
    with tempfile.TemporaryDirectory() as folder:
        save_model(SMALL, Path(folder))
        small = replace(turn, folder=folder, size="0.86M", row_tokens=None, steps=1, warmup_steps=1)
        _Side(small).measured()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return _status("VmRSS")


class _Side:
    """One side, and its steps."""

    def __init__(self, turn: Turn) -> None:
        self._turn, self._algorithm = turn, SIDES[turn.side]
        self._rest = _rest(turn)
        self._workload = replace(WORKLOADS["M"], size=SIZES[turn.size])
        model = load_model(Path(turn.folder), torch.float32)
        self._policy = take_over(model, tokenizer())
        total = turn.warmup_steps + turn.steps
        rate = self._workload.learning_rate
        self._updater = Updater(self._policy, Optimizer(learning_rate=rate), updates=total)
        reference = frozen_copy(self._policy) if self._algorithm.beta else None
        self._beside = Beside(reference, _critic(turn.side, self._policy, total))
        self._cutting = Cutting(
            tokens_per_microbatch=self._policy.row_tokens(turn.row_tokens or 0),
            budget_tokens=self._workload.max_new_tokens,
            device=self._policy.device,
        )
        self._peaks = dict.fromkeys(PHASES, 0)

    def measured(self) -> dict[str, Any]:
        """The steps after the first ones, or the memory that they took."""
        steps = []
        critic = self._beside.critic
        if critic is not None and self._turn.row_tokens is not None:
            self._watch(critic)
        for number in range(self._turn.warmup_steps + self._turn.steps):
            steps.append(self._step(number))
        if self._turn.row_tokens is None:
            return {"steps": steps[self._turn.warmup_steps :]}
        peaks = {name: bytes_ - self._rest for name, bytes_ in self._peaks.items() if bytes_}
        return {"items": self._items(), "peaks": peaks}

    def _step(self, number: int) -> dict[str, float]:
        began = time.perf_counter()
        _reset_peak()
        groups = select(score_groups(self._sampled(number), REWARDS), self._algorithm)
        self._mark("sampling")
        sampled = time.perf_counter()
        places = counted_places(groups, self._algorithm)
        credit = with_advantages(
            groups, self._algorithm, penalty=self._penalty(groups), said=self._said(groups, places)
        )
        self._mark("before the update")
        judged = time.perf_counter()
        batches = prepare(credit, self._algorithm, self._cutting)
        learn(self._policy, batches, self._algorithm, updater=self._updater, beside=self._beside)
        self._mark("critic update" if self._beside.critic else "policy update")
        ended = time.perf_counter()
        tokens = sum(len(r.tokens) for group in groups for r in group.rollouts)
        return {
            "step": ended - began,
            "sampling": sampled - began,
            "before": judged - sampled,
            "update": ended - judged,
            "tokens": tokens,
        }

    def _sampled(self, number: int) -> list[Group]:
        policy, asked = self._policy, problems(self._workload)
        key = (self._turn.seed, number)
        requests = [Request(p.id, policy.prompt_tokens(p), (*key, p.id)) for p in asked]
        options = Sampling(
            rollouts_per_prompt=self._workload.rollouts_per_prompt,
            max_new_tokens=self._workload.max_new_tokens,
        )
        answers = sample(policy, requests, options)
        return [
            Group(problem, request.prompt, tuple(rollouts))
            for problem, request, rollouts in zip(asked, requests, answers, strict=True)
        ]

    def _penalty(self, groups: list[Group]) -> Tensor | None:
        if self._beside.reference is None:
            return None
        batch = whole_step(groups, counted_places(groups, self._algorithm), self._cutting)
        gap = log_ratio(self._policy, self._beside.reference, batch, Clock())
        return self._algorithm.beta * gap

    def _said(self, groups: list[Group], places: list[tuple[int, int]]) -> Any:
        critic = self._beside.critic
        return None if critic is None else ask(critic, groups, places, self._cutting)

    def _watch(self, critic: Critic) -> None:
        """The policy's update ends where the critic's begins."""
        plain = critic.learn

        def learn_marked(batch: Any) -> dict[str, float]:
            self._mark("policy update")
            return plain(batch)

        critic.learn = learn_marked  # type: ignore[method-assign]

    def _mark(self, phase: str) -> None:
        """What was held at most since the last mark belongs to this phase."""
        if self._turn.row_tokens is not None:
            self._peaks[phase] = max(self._peaks[phase], _status("VmHWM"))
            _reset_peak()

    def _items(self) -> dict[str, int]:
        """Bytes of everything that stays, and of the gradients, which come and go one model at a time."""
        policy, critic = self._policy, self._beside.critic
        items = {"policy: weights": _bytes(policy.model.parameters())}
        items |= _of_optimizer("policy", self._updater, items["policy: weights"])
        if self._beside.reference is not None:
            items["reference"] = _bytes(self._beside.reference.model.parameters())
        if critic is not None:
            items["critic: weights"] = _bytes(critic.learner.trained.model.parameters())
            items |= _of_optimizer("critic", critic.learner.updater, items["critic: weights"])
        return items


def _critic(side: str, policy: Policy, updates: int) -> Critic | None:
    if not SIDES[side].asks_critic:
        return None
    if side == "ppo-head":
        weight = torch.full((policy.head[0].shape[1],), 1e-3)
        return HeadCritic(Head(weight), policy, CriticOptions(kind="head"), updates=updates)
    return OwnCritic(valued_from(policy, "token"), CriticOptions(), updates=updates)


def _of_optimizer(name: str, updater: Updater, weights: int) -> dict[str, int]:
    tensors = updater.tensors()
    masters = _bytes(t for key, t in tensors.items() if key.endswith(f"/{MASTER}"))
    moments = _bytes(t for key, t in tensors.items() if "/exp_avg" in key)
    found = {f"{name}: gradients": masters or weights, f"{name}: moments": moments}
    return found | ({f"{name}: masters": masters} if masters else {})


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _status(name: str) -> int:
    """A line of /proc/self/status in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1]) * 1024


def _reset_peak() -> None:
    """From here on the kernel looks for the largest resident size anew."""
    Path("/proc/self/clear_refs").write_text("5")


def _table(found: dict[str, Any]) -> str:
    """Seconds, then memory by item, for both lengths of rows; ratios are of the first side to each."""
    lines = [f"{found['size']}: {found['parameters']:,} parameters, {found['threads']} threads"]
    if "seconds" in found:
        lines += _second_lines(found["seconds"])
    for rows, memory in found.get("memory", {}).items():
        lines += ["", _head(f"MB, {rows}", memory), *_memory_lines(memory)]
    return "\n".join(lines)


def _head(text: str, sides: Iterable[str]) -> str:
    return f"{text:{WIDTH}}" + "".join(f"{side:>14}" for side in sides)


def _second_lines(seconds: dict[str, dict[str, float]]) -> list[str]:
    lines = ["", _head("medians over steps", seconds)]
    for key in ("step", "sampling", "before", "update", "tokens", "microseconds_per_token"):
        lines.append(f"{key:{WIDTH}}" + "".join(f"{own[key]:14.3f}" for own in seconds.values()))
    each = {side: own["microseconds_per_token"] for side, own in seconds.items()}
    return [*lines, _ratios("grpo / side, per token", each)]


def _memory_lines(memory: dict[str, Any]) -> list[str]:
    names = dict.fromkeys(name for own in memory.values() for name in own["items"])
    lines = []
    for name in names:
        cells = "".join(_megabytes(own["items"].get(name)) for own in memory.values())
        lines.append(f"{name:{WIDTH}}{cells}")
    for name in PHASES:
        cells = "".join(_megabytes(own["peaks"].get(name)) for own in memory.values())
        lines.append(f"{'peak, ' + name:{WIDTH}}{cells}")
    peaks = {side: max(own["peaks"].values()) for side, own in memory.items()}
    cells = "".join(_megabytes(peak) for peak in peaks.values())
    return [*lines, f"{'peak':{WIDTH}}{cells}", _ratios("grpo / side", peaks)]


def _megabytes(value: int | None) -> str:
    return f"{'-':>14}" if value is None else f"{value / 1e6:14.1f}"


def _ratios(name: str, values: dict[str, float]) -> str:
    first = next(iter(values.values()))
    return f"{name:{WIDTH}}" + "".join(f"{first / value:14.3f}" for value in values.values())


if __name__ == "__main__":
    sys.exit(main())
