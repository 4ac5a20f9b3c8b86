"""How the cost of sampling and of the update grows with the group, the lengths, the model, and dead groups.

    python benchmarks/scaling.py [--json] [--plot FILE] [--short] [--rounds 5] [--threads 2]

One thing at a time is changed from a base point, and every cost is a ratio to that of the base. The
points of a sweep take turns, up and down again, and medians are compared. All answers have the same
length, so that no point is lucky; the end token is not heeded and the update's tokens are drawn anew.
Beside the ratios stands how two counts grow: parameters times the tokens of a padded batch, G (P + R) a
prompt, which is what a program pays that repeats the prompt and trains on dead groups; and parameters
times the tokens that Cohort computes in an update, P + G (R - 1) a prompt that teaches something.

Then the memory of an update beyond the weights, every point in a process of its own: with 80 and with
32,000 tokens in the vocabulary, for 8 and 32 answers a prompt. What it grows by with G at the large
vocabulary, less what it grows by at the small one, is compared with the float32 logits of those answers.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import Qwen3ForCausalLM
from turns import peak_bytes
from workloads import LEARNING_RATE, MEDIUM, SMALL, VOCABULARY, Size, new_model, tokenizer

from cohort.config.stages import Optimizer, Reinforce
from cohort.data.records import Group, Problem, Rollout, Score
from cohort.objective.grpo import GRPO
from cohort.policy.load import take_over
from cohort.policy.policy import Policy
from cohort.rollout.request import Request, Sampling
from cohort.rollout.sampler import sample
from cohort.train.batch import Cutting, prepare
from cohort.train.credit import select, with_advantages
from cohort.train.optim import Updater
from cohort.train.step import learn

ALGORITHM = GRPO.but(beta=0.0)
TOKENS_PER_MICROBATCH = int(Reinforce.model_fields["tokens_per_microbatch"].default)
CONTEXT = 1024
BETWEEN = Size(hidden=256, feed_forward=816, layers=4, heads=4, key_value_heads=2)
"""3.3 million parameters."""
MEMORY_VOCABULARIES, MEMORY_ROLLOUTS = (VOCABULARY, 32_000), (8, 32)
MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The work of a step. dead_prompts: so many groups have equal rewards."""

    label: str
    size: Size = SMALL
    prompts: int = 4
    rollouts_per_prompt: int = 8
    prompt_tokens: int = 64
    answer_tokens: int = 64
    dead_prompts: int = 0

    @property
    def padded_tokens(self) -> int:
        """What a batch of one row per answer holds."""
        return self.prompts * self.rollouts_per_prompt * (self.prompt_tokens + self.answer_tokens)

    @property
    def packed_tokens(self) -> int:
        """What is left of them: each prompt once, no dead group, and no answer's last token."""
        answers = self.rollouts_per_prompt * (self.answer_tokens - 1)
        return (self.prompts - self.dead_prompts) * (self.prompt_tokens + answers)


MEMORY_POINT = Point(label="", prompts=4)
"""Large enough that an update has several rows for the fewest answers too."""


def sweeps() -> dict[str, list[Point]]:
    """What is changed, and the points; the first is the base."""
    sizes = {"0.86 M": SMALL, "3.3 M": BETWEEN, "10.7 M": MEDIUM}
    long = Point(label="", rollouts_per_prompt=16)
    many = Point(label="", prompts=8)
    return {
        "answers per prompt": [Point(label=f"{g}", rollouts_per_prompt=g) for g in (4, 8, 16, 32)],
        "prompt tokens, G 16": [
            replace(long, label=f"{n}", prompt_tokens=n) for n in (64, 128, 256, 512)
        ],
        "answer tokens": [Point(label=f"{n}", answer_tokens=n) for n in (32, 64, 128, 256)],
        "dead groups of 8": [replace(many, label=f"{n}", dead_prompts=n) for n in (0, 2, 4, 6)],
        "parameters": [Point(label=name, size=size) for name, size in sizes.items()],
    }


def main() -> None:
    """Measure all sweeps and the memory; print a table, or JSON, and draw a figure if asked."""
    given = _arguments()
    torch.set_num_threads(given.threads)
    if given.memory:
        print(memory_of_an_update(*given.memory))
        return
    if given.plot and importlib.util.find_spec("matplotlib") is None:
        print("--plot needs matplotlib: pip install matplotlib", file=sys.stderr)
        raise SystemExit(2)
    rounds = 1 if given.short else given.rounds
    rows = {
        name: sweep(points[:2] if given.short else points, rounds)
        for name, points in sweeps().items()
    }
    memory = measure_memory(given.threads)
    if given.json:
        found = {"threads": given.threads, "rounds": rounds, "sweeps": rows, "memory": memory}
        print(json.dumps(found))
    else:
        print_tables(rows, memory)
    if given.plot:
        plot(rows, given.plot)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the ratios (matplotlib)")
    parser.add_argument("--short", action="store_true", help="two points a sweep, one round")
    parser.add_argument("--rounds", type=int, default=5, help="each is up and down once")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--memory", nargs=2, type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def sweep(points: Sequence[Point], rounds: int) -> list[dict[str, Any]]:
    """The costs of all points, and their ratios to those of the first."""
    policies = {point.size: _policy(new_model(point.size, context=CONTEXT)) for point in points}
    steps = [Step(policies[point.size], point) for point in points]
    sampling = in_turns([step.sample for step in steps], rounds)
    update = in_turns([step.update for step in steps], rounds)
    parameters = [policies[point.size].model.num_parameters() for point in points]
    padded, packed = (
        [number * getattr(point, kind) for number, point in zip(parameters, points, strict=True)]
        for kind in ("padded_tokens", "packed_tokens")
    )
    return [
        {
            "point": point.label,
            "padded_ratio": padded[number] / padded[0],
            "packed_ratio": packed[number] / packed[0],
            "sampling_ratio": sampling[number] / sampling[0],
            "update_ratio": update[number] / update[0],
            "sampling_seconds": sampling[number],
            "update_seconds": update[number],
        }
        for number, point in enumerate(points)
    ]


def in_turns(actions: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Median seconds of each after a warm-up, in order and back, so that drift hits all alike."""
    seconds: list[list[float]] = [[] for _ in actions]
    for action in actions:
        action()
    order = [*range(len(actions)), *reversed(range(len(actions)))]
    for number in order * rounds:
        began = time.perf_counter()
        actions[number]()
        seconds[number].append(time.perf_counter() - began)
    return [statistics.median(own) for own in seconds]


def _policy(model: Qwen3ForCausalLM) -> Policy:
    policy = take_over(model, tokenizer())
    policy.ends = frozenset()  # every answer goes on to its limit
    return policy


class Step:
    """The two halves of a step at a point. The update is given random answers, the same each time."""

    def __init__(self, policy: Policy, point: Point) -> None:
        self._policy = policy
        draw = np.random.default_rng(0)
        shape = (point.prompts, point.prompt_tokens)
        prompts = draw.integers(3, VOCABULARY, shape).astype(np.int32)
        self._requests = [Request(str(n), tokens, (n,)) for n, tokens in enumerate(prompts)]
        self._sampling = Sampling(
            rollouts_per_prompt=point.rollouts_per_prompt, max_new_tokens=point.answer_tokens
        )
        self._groups = [
            _group(request, point, draw, dead=number < point.dead_prompts)
            for number, request in enumerate(self._requests)
        ]
        self._cutting = Cutting(
            tokens_per_microbatch=policy.row_tokens(TOKENS_PER_MICROBATCH),
            budget_tokens=point.answer_tokens,
            device=policy.device,
        )
        self._updater = Updater(policy, Optimizer(learning_rate=LEARNING_RATE), updates=1)

    def sample(self) -> None:
        """All answers to all prompts."""
        sample(self._policy, self._requests, self._sampling)

    def update(self) -> None:
        """From scored groups to the end of the optimizer step."""
        credit = with_advantages(select(self._groups, ALGORITHM), ALGORITHM)
        batches = prepare(credit, ALGORITHM, self._cutting)
        learn(self._policy, batches, ALGORITHM, updater=self._updater)


def _group(request: Request, point: Point, draw: np.random.Generator, *, dead: bool) -> Group:
    members, length = point.rollouts_per_prompt, point.answer_tokens
    answers = draw.integers(3, VOCABULARY, (members, length)).astype(np.int32)
    logprobs = np.full(length, -np.log(VOCABULARY), dtype=np.float32)
    return Group(
        Problem(request.name, ""),
        request.prompt,
        tuple(Rollout(tokens, logprobs, "length", "") for tokens in answers),
        tuple(Score(float(not dead and n % 2 == 0), {}) for n in range(members)),
    )


def measure_memory(threads: int) -> dict[str, Any]:
    """The bytes of all points, and the share of the logits that the growth with G amounts to."""
    few, many = MEMORY_ROLLOUTS
    found = {
        (vocabulary, rollouts): _in_a_process(vocabulary, rollouts, threads)
        for vocabulary in MEMORY_VOCABULARIES
        for rollouts in MEMORY_ROLLOUTS
    }
    small, large = (found[v, many]["beyond"] - found[v, few]["beyond"] for v in MEMORY_VOCABULARIES)
    tokens = MEMORY_POINT.prompts * (many - few) * MEMORY_POINT.answer_tokens
    logits = 4 * tokens * (MEMORY_VOCABULARIES[1] - MEMORY_VOCABULARIES[0])
    rows = [{"vocabulary": v, "rollouts_per_prompt": g, **row} for (v, g), row in found.items()]
    return {
        "points": rows,
        "logits_growth_bytes": logits,
        "seen_growth_bytes": large - small,
        "seen_share_of_logits": (large - small) / logits,
    }


def _in_a_process(vocabulary: int, rollouts: int, threads: int) -> dict[str, int]:
    command = [sys.executable, str(Path(__file__)), "--memory", str(vocabulary), str(rollouts)]
    command += ["--threads", str(threads)]
    returned = {"MALLOC_MMAP_THRESHOLD_": "65536"}  # glibc then gives freed tensors back at once
    done = subprocess.run(
        command, check=True, env=os.environ | returned, stdout=subprocess.PIPE, text=True
    )
    found: dict[str, int] = json.loads(done.stdout)
    return found


def memory_of_an_update(vocabulary: int, rollouts: int) -> str:
    """As JSON, the most bytes of an update beyond the weights, and those of gradients and AdamW."""
    config = new_model(SMALL, context=CONTEXT).config
    config.vocab_size = vocabulary
    policy = _policy(Qwen3ForCausalLM(config).eval())
    step = Step(policy, replace(MEMORY_POINT, rollouts_per_prompt=rollouts))
    before = peak_bytes(str(policy.device))
    step.update()
    beyond = peak_bytes(str(policy.device)) - before
    weights = sum(p.numel() * p.element_size() for p in policy.model.parameters())
    return json.dumps({"beyond": beyond, "of_it_gradients_and_moments": 3 * weights})


def print_tables(rows: dict[str, list[dict[str, Any]]], memory: dict[str, Any]) -> None:
    """The ratios, and the memory."""
    print(
        f"{'':22}{'':>10}{'padded':>9}{'packed':>9}{'sampling':>10}{'update':>9}   (ratios to the first)"
    )
    for name, points in rows.items():
        for row in points:
            print(
                f"{name:22}{row['point']:>10}{row['padded_ratio']:9.2f}"
                f"{row['packed_ratio']:9.2f}"
                f"{row['sampling_ratio']:10.2f}{row['update_ratio']:9.2f}"
            )
    print(
        f"\n{'vocabulary':>10}{'answers':>9}{'MiB beyond the weights':>25}{'gradients, AdamW':>19}"
    )
    for row in memory["points"]:
        print(
            f"{row['vocabulary']:>10}{row['rollouts_per_prompt']:>9}{row['beyond'] / MIB:25.1f}"
            f"{row['of_it_gradients_and_moments'] / MIB:19.1f}"
        )
    print(
        f"with more answers the logits would grow by {memory['logits_growth_bytes'] / MIB:.0f} MiB; "
        f"seen: {memory['seen_growth_bytes'] / MIB:.0f} MiB, {memory['seen_share_of_logits']:.1%}"
    )


def plot(rows: dict[str, list[dict[str, Any]]], file: Path) -> None:
    """A panel for every sweep: the two ratios, and the padded batch's."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(rows), figsize=(3.2 * len(rows), 3.2))
    lines = {
        "padded_ratio": "--",
        "packed_ratio": ":",
        "sampling_ratio": "o-",
        "update_ratio": "s-",
    }
    for panel, (name, points) in zip(panels, rows.items(), strict=True):
        for key, style in lines.items():
            own = [point[key] for point in points]
            panel.plot(
                [point["point"] for point in points], own, style, label=key[: -len("_ratio")]
            )
        panel.set_xlabel(name)
        panel.set_ylim(bottom=0)
    panels[0].set_ylabel("cost, as a ratio to the first point")
    panels[0].legend(frameon=False)
    figure.tight_layout()
    figure.savefig(file)


if __name__ == "__main__":
    main()
