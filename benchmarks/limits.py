"""How near sampling and the update come to what this machine can do, phase by phase.

    python benchmarks/limits.py [--workloads M X] [--precisions float32 bfloat16] [--rounds 5]
        [--threads 2] [--json]

The machine's limits are measured in the same run: the best rate of a square matrix product, in float32
and in bfloat16, and of a copy of as many bytes as a phase touches (so that what fits into the caches is
not excused with the speed of memory). A phase needs at the least

    max(operations / best rate, bytes / best copy)        seconds, summed over the steps of decoding,

and its share of the limit is that over the seconds it took. What is counted, one product and sum as two
operations (P parameters of the linear layers without the head, T tokens of the packed rows, each prompt
once, S sampled tokens, V x d the head, L layers, H query heads of D dimensions, C pairs of a token and
one that it sees):

    update:    6 P T + 6 V d S + 12 L H D C      bytes: weights read twice, gradients written once
    optimizer: none                              bytes: 28 P', of all parameters: the gradient read, weight
                                                        and two moments read and written, in float32
                                                        (bfloat16: gradient and rounded weight take two)
    prompts:   2 P T + 2 V d S + 4 L H D C       bytes: weights read once
    decoding:  the same for every step           bytes: weights, and the keys and values that are seen,
                                                        a prompt's once for all of its answers

Needed work counts once: that the head is projected anew for its gradient is not counted, nor are norms,
softmax, rotary embeddings, padding inside of attention, and the draws. So a share can only be too small.
`prompts` ends with the first token of every answer; `decoding` is the rest of `sampling`.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from workloads import (
    LEARNING_RATE,
    WORKLOADS,
    Size,
    Workload,
    even_share,
    new_model,
    problems,
    tokenizer,
)

from cohort.config.stages import Optimizer, Reinforce
from cohort.data.packing import Row
from cohort.data.records import Group, Rollout, Score
from cohort.objective.grpo import GRPO
from cohort.policy.load import take_over
from cohort.policy.policy import Policy
from cohort.policy.products import product
from cohort.rollout.request import Request, Sampling
from cohort.rollout.sampler import sample
from cohort.train.batch import Batch, Cutting, prepare
from cohort.train.credit import select, with_advantages
from cohort.train.optim import Updater
from cohort.train.step import learn

LARGE = Size(hidden=512, feed_forward=2048, layers=8, heads=8, key_value_heads=4)
"""31.5 million parameters."""
KNOWN = WORKLOADS | {"X": replace(WORKLOADS["M"], name="X", size=LARGE)}
SQUARES, REPETITIONS = (1024, 1536, 2048, 3072), 8
MIB = 2**20
LARGEST_COPY_BYTES = 512 * MIB
OPTIMIZER_BYTES = 28
"""For each parameter: with float32 weights 4 + 6 * 4, with bfloat16 weights and a master 2 + 6 * 4 + 2."""
ALGORITHM = GRPO.but(beta=0.0)
TOKENS_PER_MICROBATCH = int(Reinforce.model_fields["tokens_per_microbatch"].default)


@dataclass(frozen=True, slots=True)
class Work:
    """The least that something needs: floating-point operations, and bytes read or written."""

    operations: float
    bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A part of a step: its work, the seconds it took, and those it would take at the limit."""

    gigaoperations: float
    megabytes: float
    seconds: float
    limit_seconds: float
    of_the_peak: float
    of_the_limit: float


def main() -> None:
    """Measure the machine, the cases, and the machine again; print a table, or JSON."""
    given = _arguments()
    torch.set_num_threads(given.threads)
    squares = (512,) if given.short else SQUARES
    rounds = 1 if given.short else given.rounds
    dtypes = [getattr(torch, name) for name in given.precisions]
    peaks = {dtype: product_peak(dtype, squares) for dtype in dtypes}
    cases = [Case(KNOWN[name], dtype) for name in given.workloads for dtype in dtypes]
    for case in cases:
        case.measure(rounds)
    peaks = {dtype: max(peaks[dtype], product_peak(dtype, squares)) for dtype in dtypes}
    machine = {f"{_name(d)}_gflops": peaks[d] / 1e9 for d in dtypes}
    machine["copy_gigabytes_per_second"] = copy_rate(LARGEST_COPY_BYTES) / 1e9
    results = {case.name: case.results(peaks[case.dtype]) for case in cases}
    if given.json:
        found = {"threads": given.threads, "rounds": rounds, "machine": machine, "cases": results}
        print(json.dumps(found))
        return
    print_table(machine, results)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workloads", nargs="+", choices=KNOWN, default=["M", "X"])
    parser.add_argument(
        "--precisions",
        nargs="+",
        choices=("float32", "bfloat16"),
        default=["float32", *(["bfloat16"] if multiplies_bfloat16() else [])],
        help="bfloat16 only where the processor multiplies it, unless asked for",
    )
    parser.add_argument("--rounds", type=int, default=5, help="of each phase; the median counts")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--short", action="store_true", help="one round: whether it runs at all")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def multiplies_bfloat16() -> bool:
    """Whether the processor has instructions for it; without them oneDNN takes minutes for a product."""
    told = Path("/proc/cpuinfo")
    return told.is_file() and "avx512_bf16" in told.read_text(encoding="utf-8")


def product_peak(dtype: torch.dtype, squares: Sequence[int]) -> float:
    """The best rate of a square matrix product, in operations a second, by the better library."""
    best = 0.0
    for size in squares:
        left, right, out = (torch.ones(size, size, dtype=dtype) for _ in range(3))
        ways = (
            functools.partial(torch.mm, left, right, out=out),
            functools.partial(product, left, right),
        )
        seconds = min(_seconds(multiply) for multiply in ways for _ in range(REPETITIONS))
        best = max(best, 2 * size**3 / seconds)
    return best


def copy_rate(touched: float) -> float:
    """The best rate of a copy that reads and writes about so many bytes together, in bytes a second.

    Rounded down to a power of two, so that the caches are rather too large than too small.
    """
    power = 2 ** (int(touched).bit_length() - 1)
    return _copy_rate(min(max(power, MIB), LARGEST_COPY_BYTES))


@functools.cache
def _copy_rate(touched: int) -> float:
    source = torch.ones(touched // 8)  # of float32, half of it to read and half to write
    target = torch.zeros_like(source)
    copy = functools.partial(target.copy_, source)
    return touched / min(_seconds(copy) for _ in range(4 * REPETITIONS))


def _seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


class Case:
    """A workload with weights of one type: its phases, timed, and the work that they were."""

    def __init__(self, workload: Workload, dtype: torch.dtype) -> None:
        self.workload, self.dtype = workload, dtype
        self.name = f"{workload.name} {_name(dtype)}"
        self._seconds: dict[str, float] = {}
        self._work: dict[str, list[Work]] = {}
        self._facts: dict[str, float] = {}

    def measure(self, rounds: int) -> None:
        """Run every phase once to warm up, and then `rounds` times."""
        policy = take_over(new_model(self.workload.size).to(self.dtype), tokenizer())
        count = Count(policy.model, self.workload.size)
        groups = self._sample(policy, count, rounds)
        self._update(policy, count, groups, rounds)

    def _sample(self, policy: Policy, count: Count, rounds: int) -> list[Group]:
        asked = problems(self.workload)
        requests = [Request(p.id, policy.prompt_tokens(p), (p.id,)) for p in asked]
        whole = Sampling(
            rollouts_per_prompt=self.workload.rollouts_per_prompt,
            max_new_tokens=self.workload.max_new_tokens,
        )
        answers = sample(policy, requests, whole)
        first = replace(whole, max_new_tokens=1)
        sampling = _median(lambda: sample(policy, requests, whole), rounds)
        prompts = _median(lambda: sample(policy, requests, first), rounds)
        self._seconds |= {"prompts": prompts, "decoding": sampling - prompts}
        self._work["prompts"] = [count.prompts([len(r.prompt) for r in requests], answers)]
        self._work["decoding"] = count.decoding([len(r.prompt) for r in requests], answers)
        tokens = sum(len(answer.tokens) for group in answers for answer in group)
        self._facts |= {
            "parameters": count.parameters,
            "sampled_tokens": tokens,
            "sampled_tokens_per_second": tokens / sampling,
            "decode_steps": len(self._work["decoding"]),
        }
        return [
            Group(problem, request.prompt, tuple(own), tuple(_scores(own)))
            for problem, request, own in zip(asked, requests, answers, strict=True)
        ]

    def _update(self, policy: Policy, count: Count, groups: list[Group], rounds: int) -> None:
        batches = _batches(policy, self.workload, groups)
        updater = Timed(policy, Optimizer(learning_rate=LEARNING_RATE), updates=rounds + 1)
        whole, optimizer = [], []
        for _ in range(rounds + 1):
            whole.append(_seconds(lambda: learn(policy, batches, ALGORITHM, updater=updater)))
            optimizer.append(updater.seconds)
        passes = [all_ - own for all_, own in zip(whole[1:], optimizer[1:], strict=True)]
        self._seconds["forward, backward"] = statistics.median(passes)
        self._seconds["optimizer"] = statistics.median(optimizer[1:])
        rows = [row for batch in batches for row in batch.rows]
        self._work["forward, backward"] = [count.update(row) for row in rows]
        self._work["optimizer"] = [Work(0.0, OPTIMIZER_BYTES * count.parameters)]
        self._facts["computed_tokens"] = sum(len(row.tokens) for row in rows)

    def results(self, peak: float) -> dict[str, Any]:
        """Every phase, and their sums, against the limits."""
        parts = {
            "sampling": ("prompts", "decoding"),
            "update": ("forward, backward", "optimizer"),
        }
        phases: dict[str, Phase] = {}
        for whole, names in parts.items():
            phases |= {name: self._phase((name,), peak) for name in names}
            phases[whole] = self._phase(names, peak)
        return self._facts | {"phases": {name: asdict(phase) for name, phase in phases.items()}}

    def _phase(self, names: Sequence[str], peak: float) -> Phase:
        seconds = sum(self._seconds[name] for name in names)
        steps = [work for name in names for work in self._work[name]]
        operations = sum(work.operations for work in steps)
        limit = sum(self._limit(name, peak) for name in names)
        return Phase(
            gigaoperations=operations / 1e9,
            megabytes=sum(work.bytes for work in steps) / 1e6,
            seconds=seconds,
            limit_seconds=limit,
            of_the_peak=operations / peak / seconds,
            of_the_limit=limit / seconds,
        )

    def _limit(self, name: str, peak: float) -> float:
        steps = self._work[name]
        if not steps:
            return 0.0
        rate = copy_rate(statistics.mean(work.bytes for work in steps))
        return sum(max(work.operations / peak, work.bytes / rate) for work in steps)


class Timed(Updater):
    """An updater that knows how long its latest update took."""

    seconds = 0.0

    def update(self) -> dict[str, float]:
        """See Updater."""
        began = time.perf_counter()
        metrics = super().update()
        self.seconds = time.perf_counter() - began
        return metrics


class Count:
    """The operations and bytes of a model's phases, by the formulas above."""

    def __init__(self, model: nn.Module, size: Size) -> None:
        layers = {n: m for n, m in model.named_modules() if isinstance(m, nn.Linear)}
        head: Tensor = layers.pop("lm_head").weight
        self.parameters = sum(p.numel() for p in model.parameters())
        self.weight_bytes = self.parameters * head.element_size()
        self._linear = sum(layer.weight.numel() for layer in layers.values())
        self._head = head.numel()
        self._pair = size.layers * size.hidden  # layers, heads and dimensions, multiplied
        width = size.key_value_heads * (size.hidden // size.heads)
        self._cached = 2 * size.layers * width * head.element_size()

    def update(self, row: Row) -> Work:
        """Forward and backward of a packed row."""
        prompt = row.prefix_lengths[row.suffix_parent]
        pairs = _triangle(row.prefix_lengths) + _triangle(row.suffix_lengths)
        pairs += int((prompt * row.suffix_lengths).sum())
        forward = self._forward(len(row.tokens), len(row.sampled), pairs)
        return Work(3 * forward, 3 * self.weight_bytes)

    def prompts(self, lengths: Sequence[int], answers: Sequence[Sequence[Rollout]]) -> Work:
        """The prompts, each once, and the first token of every answer."""
        sampled = sum(len(own) for own in answers)
        operations = self._forward(sum(lengths), sampled, _triangle(np.array(lengths)))
        return Work(operations, self.weight_bytes)

    def decoding(self, lengths: Sequence[int], answers: Sequence[Sequence[Rollout]]) -> list[Work]:
        """Every step after the first token, of the answers that go on at it."""
        longest = max(len(answer.tokens) for own in answers for answer in own)
        return [self._step(step, lengths, answers) for step in range(1, longest)]

    def _step(
        self, step: int, lengths: Sequence[int], answers: Sequence[Sequence[Rollout]]
    ) -> Work:
        """One step, in which every answer with more than `step` tokens is given its latest one."""
        live = [sum(len(answer.tokens) > step for answer in own) for own in answers]
        seen = [(prompt, alive) for prompt, alive in zip(lengths, live, strict=True) if alive]
        pairs = sum((prompt + step) * alive for prompt, alive in seen)
        cached = sum(prompt + step * alive for prompt, alive in seen)
        operations = self._forward(sum(live), sum(live), pairs)
        return Work(operations, self.weight_bytes + cached * self._cached)

    def _forward(self, tokens: int, sampled: int, pairs: int) -> float:
        return 2.0 * self._linear * tokens + 2.0 * self._head * sampled + 4.0 * self._pair * pairs


def _triangle(lengths: np.ndarray) -> int:
    """The pairs of causal attention within sequences of these lengths."""
    return int((lengths * (lengths + 1) // 2).sum())


def _scores(answers: Sequence[Rollout]) -> list[Score]:
    rewards = even_share([answer.tokens.tolist() for answer in answers], [False] * len(answers))
    return [Score(reward, {"even_share": reward}) for reward in rewards]


def _batches(policy: Policy, workload: Workload, groups: list[Group]) -> list[Batch]:
    cutting = Cutting(
        tokens_per_microbatch=policy.row_tokens(TOKENS_PER_MICROBATCH),
        budget_tokens=workload.max_new_tokens,
        device=policy.device,
    )
    return prepare(with_advantages(select(groups, ALGORITHM), ALGORITHM), ALGORITHM, cutting)


def _median(action: Callable[[], object], rounds: int) -> float:
    action()
    return statistics.median(_seconds(action) for _ in range(rounds))


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def print_table(machine: dict[str, float], results: dict[str, dict[str, Any]]) -> None:
    """The machine in a line; a row for every phase of every case."""
    print(", ".join(f"{name} {value:.1f}" for name, value in machine.items()))
    print(
        f"{'case':13}{'phase':19}{'GFLOP':>9}{'MB':>10}{'seconds':>10}{'at limit':>10}"
        f"{'of peak':>9}{'of limit':>9}"
    )
    for name, case in results.items():
        for phase, row in case["phases"].items():
            print(
                f"{name:13}{phase:19}{row['gigaoperations']:9.2f}{row['megabytes']:10.1f}"
                f"{row['seconds']:10.4f}{row['limit_seconds']:10.4f}"
                f"{row['of_the_peak']:9.1%}{row['of_the_limit']:9.1%}"
            )
    for name, case in results.items():
        print(_per_step(name, case))


def _per_step(name: str, case: dict[str, Any]) -> str:
    decoding, steps = case["phases"]["decoding"], case["decode_steps"]
    return (
        f"{name}: {case['parameters'] / 1e6:.2f} million parameters, "
        f"{case['sampled_tokens_per_second']:.0f} tokens/s sampled; a step of decoding is "
        f"{decoding['gigaoperations'] / steps * 1e3:.1f} MFLOP, "
        f"{decoding['megabytes'] / steps:.2f} MB and {decoding['seconds'] / steps * 1e3:.2f} ms"
    )


if __name__ == "__main__":
    main()
