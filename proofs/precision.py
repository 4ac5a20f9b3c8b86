"""Two hundred small steps in bfloat16, beside the same in float32: where do the weights go?

A small Llama samples 8 groups of 8 answers once. From the same weights, rounded to bfloat16 beforehand, 200
updates of GRPO at a learning rate of 1e-6 follow on these groups, two at a time, in each way. With m the
move of all weights together and f that of float32:

    cosine = m . f / (|m| |f|)        share = m . f / |f|^2

Held, as fixed beforehand: with masters a cosine over 0.99; rounded to the nearest a share under 0.2, and the
plan says so; by chance a share within 0.1 of 1 with each of five seeds (its cosine is less, as chance adds
moves that go nowhere).
"""

from __future__ import annotations

import copy
import json
import statistics
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cohort.config.load import read_recipe
from cohort.config.recipe import Model, NewModel
from cohort.config.stages import Optimizer
from cohort.data.records import Group, Problem, Score
from cohort.objective.grpo import GRPO
from cohort.policy.load import load_policy
from cohort.policy.policy import Policy
from cohort.rollout.request import Request, Sampling
from cohort.rollout.sampler import sample
from cohort.train.batch import Batch, Cutting, prepare
from cohort.train.credit import select, with_advantages
from cohort.train.fit import plan_recipe
from cohort.train.machine import Machine
from cohort.train.optim import MASTER, Updater
from cohort.train.step import learn

RATE, STEPS, GROUPS, MEMBERS, AT_A_TIME = 1e-6, 200, 8, 8, 2
CHANCES = 5
NEW = NewModel(hidden=64, layers=2, heads=4, key_value_heads=2, feed_forward=172, context=128)
PIECES = [str(n) for n in range(60)]
ALGORITHM = GRPO.but(beta=0.0)
T_95 = 2.776
"""Student's t for the 95 % interval of five."""


def main(short: bool, seed: int) -> dict[str, Any]:
    """Every way; `short` makes 20 steps and two draws, which hold nothing but that it runs."""
    steps, chances = (20, 2) if short else (STEPS, CHANCES)
    torch.set_num_threads(1)
    told = _said("nearest") and not _said("stochastic")
    start = _start(seed)
    batches = _batches(start, seed)
    wide, _ = _moved(start, batches, "float32", "masters", steps)
    masters, rounded = _moved(start, batches, "bfloat16", "masters", steps)
    nearest, _ = _moved(start, batches, "bfloat16", "nearest", steps)
    drawn = [
        _moved(start, batches, "bfloat16", "stochastic", steps, chance=number)[0]
        for number in range(chances)
    ]
    shares = [_share(move, wide) for move in drawn]
    held = {
        "masters": _cosine(masters, wide) > 0.99,
        "nearest": _share(nearest, wide) < 0.2,
        "the plan says so": told,
        "by chance": all(abs(share - 1.0) < 0.1 for share in shares),
    }
    return {
        "name": "precision",
        "asked": len(held),
        "held": sum(held.values()),
        "masters: cosine": round(_cosine(masters, wide), 5),
        "the weights rounded from them: cosine": round(_cosine(rounded, wide), 5),
        "nearest: cosine": round(_cosine(nearest, wide), 5),
        "nearest: share": round(_share(nearest, wide), 5),
        "nearest: weights that moved at all": round(float((nearest != 0).float().mean()), 5),
        "float32: weights that moved at all": round(float((wide != 0).float().mean()), 5),
        "by chance: shares": [round(share, 4) for share in shares],
        "by chance: mean share and its 95 % interval": _interval(shares),
        "by chance: cosines": [round(_cosine(move, wide), 4) for move in drawn],
        "failures": [name for name, good in held.items() if not good],
    }


def _start(seed: int) -> Policy:
    """A policy in float32 whose weights bfloat16 can say."""
    policy = load_policy(Model(new=NEW), vocabulary=PIECES, seed=seed)
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter.copy_(parameter.bfloat16())
    return policy


def _batches(policy: Policy, seed: int) -> list[Batch]:
    """Groups that are sampled once, and the updates that they are shared out to."""
    problems = [Problem(f"p{n}", f"{n}{(7 * n) % 60}") for n in range(GROUPS)]
    requests = [Request(p.id, policy.prompt_tokens(p), (seed, "precision", p.id)) for p in problems]
    answers = sample(policy, requests, Sampling(rollouts_per_prompt=MEMBERS, max_new_tokens=16))
    groups = [
        Group(problem, request.prompt, tuple(rollouts), tuple(_scores(rollouts)))
        for problem, request, rollouts in zip(problems, requests, answers, strict=True)
    ]
    credit = with_advantages(select(groups, ALGORITHM), ALGORITHM)
    cutting = Cutting(
        tokens_per_microbatch=2048,
        budget_tokens=16,
        device=policy.device,
        minibatches=GROUPS // AT_A_TIME,
    )
    return prepare(credit, ALGORITHM, cutting)


def _scores(rollouts: Any) -> list[Score]:
    """The share of even tokens of an answer."""
    rewards = [float((rollout.tokens % 2 == 0).mean()) for rollout in rollouts]
    return [Score(reward, {"sum": reward}) for reward in rewards]


def _moved(
    start: Policy, batches: list[Batch], dtype: str, rounding: str, steps: int, chance: int = 0
) -> tuple[Tensor, Tensor]:
    """How far the weights go: of the masters where there are some, and of the weights themselves."""
    model = copy.deepcopy(start.model).to(getattr(torch, dtype))
    policy = Policy(model, start.tokenizer)
    options = Optimizer(learning_rate=RATE, rounding=rounding)
    updater = Updater(policy, options, updates=steps, key=(chance, "precision"))
    for number in range(steps):
        learn(policy, [batches[number % len(batches)]], ALGORITHM, updater=updater)
    before = dict(start.model.named_parameters())
    own = updater.tensors()
    weights = {name: p.detach().float() for name, p in policy.model.named_parameters()}
    masters = {name: own.get(f"{name}/{MASTER}", weight) for name, weight in weights.items()}
    return _flat(masters, before), _flat(weights, before)


def _flat(after: dict[str, Tensor], before: dict[str, Any]) -> Tensor:
    moves = [(after[name].double() - before[name].detach().double()).flatten() for name in after]
    return torch.cat(moves)


def _cosine(move: Tensor, wide: Tensor) -> float:
    return float(move @ wide / (move.norm() * wide.norm()).clamp(min=1e-30))


def _share(move: Tensor, wide: Tensor) -> float:
    return float(move @ wide / (wide @ wide))


def _interval(found: list[float]) -> str:
    half = T_95 * statistics.stdev(found) / len(found) ** 0.5
    return f"{statistics.mean(found):.4f} +- {half:.4f}"


def _said(rounding: str) -> bool:
    """Whether the plan of such a recipe says that updates are lost."""
    stage = {
        "kind": "reinforce",
        "problems": "chain",
        "steps": 1,
        "max_new_tokens": 16,
        "rewards": {"correct": 1.0},
        "optimizer": {"learning_rate": RATE, "rounding": rounding},
    }
    model = {"new": NEW.model_dump(), "dtype": "bfloat16"}
    recipe = read_recipe({"model": model, "stage": [stage]}, source="a recipe")
    machine = Machine("a CPU", "cpu", 1 << 34, 1e11, 1e10, 1)
    planned = plan_recipe(recipe, base=Path(), machine=machine)
    return any("lost" in note for note in planned.notes)


if __name__ == "__main__":
    result = main("--short" in sys.argv, seed=1)
    print(json.dumps(result, indent=1))
    raise SystemExit(0 if result["held"] == result["asked"] else 1)
