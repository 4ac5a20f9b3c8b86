"""Iterative GRPO against a reward model that stays as it is: the true reward of both, seed by seed.

The task has a true reward, that an answer has four equals signs, and nobody but a reward model may
look at it. A policy that has learned nothing writes one or none, so its answers say that more are
better, and no more. One arm trains the reward model once, on as many labelled answers as the other has
in all; the other arm trains it again before every iteration, on what the policy writes by then, with 10 %
replay.
Both make the same updates and sample the same number of answers (DeepSeekMath, arXiv:2402.03300,
algorithm 1). Held: of every seed the retrained arm ends with the higher true reward, and the fixed one
falls from its best while its reward model goes on praising it.
"""

from __future__ import annotations

import json
import sqlite3
import statistics
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from cohort.config.load import read_recipe
from cohort.config.recipe import Recipe
from cohort.train.run import train_recipe

SEEDS, SHORT_SEEDS = (1, 2, 3, 4, 5), (1,)
ITERATIONS = 6
ARMS = ("fixed", "retrained")
TRUE = f"{Path(__file__).with_name('iterative_reward.py')}:signs"
TOKENS = 24
"""The most of an answer: as many equals signs as there can be."""
T_95 = {4: 2.776, 0: float("nan")}
"""Student's t for 95 % on both sides, by degrees of freedom."""


def recipe(arm: str, seed: int) -> Recipe:
    """The whole run of an arm."""
    again = ITERATIONS if arm == "fixed" else 1
    judge = {
        "kind": "reward-model",
        "name": "judge",
        "problems": {"source": "chain", "held_out_problems": 40},
        "rewards": {TRUE: 1.0},
        "steps": 30 * again,
        "sampled_steps": 4 * again,
        "examples_per_step": 8,
        "rollouts_per_prompt": 8,
        "max_new_tokens": TOKENS,
        "replay": 0.0 if arm == "fixed" else 0.1,
        "optimizer": {"learning_rate": 1e-3, "warmup_steps": 5},
    }
    policy = {
        "kind": "reinforce",
        "name": "policy",
        "algorithm": {"name": "grpo", "beta": 0.01},
        "problems": {"source": "chain", "held_out_problems": 100},
        "rewards": {"stage:judge": 1.0, TRUE: 0.0},
        "steps": 8,
        "prompts_per_step": 8,
        "rollouts_per_prompt": 8,
        "max_new_tokens": TOKENS,
        "optimizer": {"learning_rate": 1e-3, "warmup_steps": 2, "beta2": 0.99},
    }
    end = {
        "kind": "evaluate",
        "name": "end",
        "problems": {"source": "chain", "held_out_problems": 100},
        "rewards": {TRUE: 1.0},
        "success": "signs",
        "success_at": -1.0,
        "samples_per_problem": 4,
        "max_new_tokens": TOKENS,
    }
    new = {"hidden": 64, "layers": 2, "heads": 4, "key_value_heads": 4, "feed_forward": 172}
    repeated = ["policy"] if arm == "fixed" else ["judge", "policy"]
    return read_recipe(
        {
            "seed": seed,
            "threads": 1,
            "model": {"new": new},
            "stage": [judge, policy, end],
            "repeat": [{"stages": repeated, "times": ITERATIONS}],
        },
        source=f"the {arm} arm",
    )


def measured(run: Path) -> dict[str, Any]:
    """The mean true and learned reward of each policy step, the end's true reward, and the cost."""
    with closing(sqlite3.connect(run / "run.db")) as db:
        found = db.execute(
            "SELECT m.stage, m.step, m.name, m.value FROM metrics m JOIN stages s ON s.stage = m.stage "
            "WHERE s.kind = 'reinforce' ORDER BY m.stage, m.step"
        ).fetchall()
        (summary,) = db.execute("SELECT summary FROM evaluations").fetchone()
        (tokens,) = db.execute("SELECT SUM(sampled_tokens) FROM stages").fetchone()
        held_out = db.execute(
            "SELECT value FROM metrics WHERE name = 'held_out/accuracy' ORDER BY stage"
        ).fetchall()
    true = [value for *_, name, value in found if name == "rewards/signs/mean"]
    learned = [
        value
        for *_, name, value in found
        if name.startswith("rewards/judge") and name.endswith("/mean")
    ]
    return {
        "true": [round(value, 3) for value in true],
        "learned": [round(value, 3) for value in learned],
        "end": json.loads(summary)["mean_reward"],
        "sampled_tokens": tokens,
        "held_out_accuracy": [round(value, 3) for (value,) in held_out],
    }


def arms(seed: int) -> dict[str, dict[str, Any]]:
    """Both arms of a seed."""
    found = {}
    with tempfile.TemporaryDirectory() as name:
        for arm in ARMS:
            began = time.perf_counter()
            run = train_recipe(
                recipe(arm, seed), run=Path(name) / arm, base=Path.cwd(), name=arm, quiet=True
            )
            found[arm] = measured(run) | {"seconds": round(time.perf_counter() - began, 1)}
    return found


def broken(found: dict[str, dict[str, Any]]) -> list[str]:
    """What of the promise does not hold for a seed."""
    fixed, retrained = found["fixed"], found["retrained"]
    lines = []
    if not retrained["end"] > fixed["end"]:
        lines.append(f"retrained ends with {retrained['end']:.2f}, fixed with {fixed['end']:.2f}")
    best = max(range(len(fixed["true"])), key=fixed["true"].__getitem__)
    falls = fixed["true"][best] - fixed["true"][-1]
    rises = fixed["learned"][-1] - fixed["learned"][best]
    if not (falls > 0.0 and rises > 0.0):
        lines.append(
            f"fixed: the true reward fell by {falls:.2f}, the learned one rose by {rises:.2f}"
        )
    return lines


def interval(values: list[float]) -> str:
    """A mean and its 95 % interval."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return f"{mean:.2f}"
    half = T_95[len(values) - 1] * statistics.stdev(values) / len(values) ** 0.5
    return f"{mean:.2f} [{mean - half:.2f}, {mean + half:.2f}]"


def prove(short: bool) -> dict[str, Any]:
    """Every seed; 1 of them in the short form."""
    seeds = SHORT_SEEDS if short else SEEDS
    found = {}
    for seed in seeds:
        found[seed] = arms(seed)
        print(f"seed {seed}: {json.dumps(found[seed])}", file=sys.stderr, flush=True)
    failures = [f"seed {seed}: {line}" for seed in seeds for line in broken(found[seed])]
    ends = {arm: [found[seed][arm]["end"] for seed in seeds] for arm in ARMS}
    return {
        "name": "iterative GRPO",
        "asked": 2 * len(seeds),
        "held": 2 * len(seeds) - len(failures),
        "failures": failures,
        "true_reward_at_the_end": {arm: interval(own) for arm, own in ends.items()},
        "difference": interval(
            [b - a for a, b in zip(ends["fixed"], ends["retrained"], strict=True)]
        ),
        "seeds": {seed: {arm: round(found[seed][arm]["end"], 2) for arm in ARMS} for seed in seeds},
    }


if __name__ == "__main__":
    from proofs.command import main

    raise SystemExit(main(prove("--short" in sys.argv)))
