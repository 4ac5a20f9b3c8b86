"""Cohort's side: steps of GRPO as the stage `reinforce` makes them, and its gradient on TRL's rollouts.

TRL divides by the sample deviation and has no reference; so does GRPO here. Nothing else differs
from a recipe that gives only its sizes.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from turns import ROLLOUTS_FILE, Step, Turn, gradients_of, now, peak_bytes
from workloads import (
    ALL,
    Workload,
    even_share,
    load_model,
    problems,
    tokenizer,
)

from cohort.config.stages import Optimizer
from cohort.data.records import Group, Problem, Rollout, Score
from cohort.objective.grpo import GRPO
from cohort.policy.load import take_over
from cohort.policy.policy import Policy
from cohort.rewards.functions import RewardFunction
from cohort.rewards.score import score_groups
from cohort.rollout.request import Request, Sampling
from cohort.rollout.sampler import sample
from cohort.train.batch import Cutting, prepare
from cohort.train.credit import select, with_advantages
from cohort.train.optim import Updater
from cohort.train.step import learn

ALGORITHM = GRPO.but(beta=0.0, deviation="sample")
REWARDS = [RewardFunction("even_share", 1.0, even_share)]
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def measure(turn: Turn) -> dict[str, Any]:
    """The measured steps of a turn, and the memory they took."""
    workload, policy = ALL[turn.workload], _policy(turn)
    total = turn.warmup_steps + turn.steps
    updater = Updater(policy, Optimizer(learning_rate=workload.learning_rate), updates=total)
    asked = problems(workload)
    rest = peak_bytes(turn.device)
    steps = []
    for number in range(total):
        began = now(turn.device)
        groups = _sampled(policy, workload, asked, (turn.seed, number))
        sampled = now(turn.device)
        scored_groups = score_groups(groups, REWARDS)
        scored = now(turn.device)
        _update(policy, workload, scored_groups, updater)
        step = Step(
            step_seconds=now(turn.device) - began,
            sampling_seconds=sampled - began,
            reward_seconds=scored - sampled,
            tokens=sum(len(r.tokens) for group in groups for r in group.rollouts),
        )
        steps.append(asdict(step))
    return {
        "steps": steps[turn.warmup_steps :],
        "first_step_seconds": steps[0]["step_seconds"],
        "rest_bytes": rest,
        "peak_bytes": peak_bytes(turn.device),
        "used": {"weights": str(policy.model.dtype), "optimizer": "AdamW"},
    }


def gradient(turn: Turn) -> dict[str, float]:
    """How far Cohort's gradient on TRL's rollouts, from the same weights, is from TRL's."""
    theirs = torch.load(Path(turn.folder) / ROLLOUTS_FILE)
    workload, policy = ALL[turn.workload], _policy(turn)
    options = Optimizer(learning_rate=workload.learning_rate, max_gradient_norm=1e9)  # nothing is clipped
    updater = Updater(policy, options, updates=1)
    with gradients_of(policy.model) as ours:
        _update(policy, workload, _given(theirs, workload.rollouts_per_prompt), updater)
    assert ours.keys() == theirs["gradient"].keys(), "the sides have other parameters"
    return _distance(_flat(ours), _flat(theirs["gradient"]))


def _policy(turn: Turn) -> Policy:
    model = load_model(Path(turn.folder), DTYPES[turn.precision], turn.device)
    return take_over(model, tokenizer(ALL[turn.workload].size.vocabulary))


def _sampled(
    policy: Policy, workload: Workload, asked: list[Problem], key: tuple[int, int]
) -> list[Group]:
    requests = [Request(p.id, policy.prompt_tokens(p), (*key, p.id)) for p in asked]
    options = Sampling(
        rollouts_per_prompt=workload.rollouts_per_prompt, max_new_tokens=workload.max_new_tokens
    )
    return [
        Group(problem, request.prompt, tuple(rollouts))
        for problem, request, rollouts in zip(
            asked, requests, sample(policy, requests, options), strict=True
        )
    ]


def _update(policy: Policy, workload: Workload, groups: list[Group], updater: Updater) -> None:
    """From scored groups to the end of the optimizer step."""
    cutting = Cutting(
        tokens_per_microbatch=policy.row_tokens(0),  # a recipe's default
        budget_tokens=workload.max_new_tokens,
        device=policy.device,
    )
    credit = with_advantages(select(groups, ALGORITHM), ALGORITHM)
    learn(policy, prepare(credit, ALGORITHM, cutting), ALGORITHM, updater=updater)


def _given(theirs: dict[str, Any], members: int) -> list[Group]:
    """TRL's rollouts as groups; the answers to one prompt follow one another."""
    answers = [
        Rollout(np.asarray(ids, np.int32), np.zeros(len(ids), np.float32), "end", "")
        for ids in theirs["completion_ids"]
    ]
    scores = [Score(reward, {"even_share": reward}) for reward in theirs["rewards"]]
    return [
        Group(
            Problem(f"p{start}", ""),
            np.asarray(theirs["prompt_ids"][start], np.int32),
            tuple(answers[start : start + members]),
            tuple(scores[start : start + members]),
        )
        for start in range(0, len(answers), members)
    ]


def _flat(gradients: dict[str, Tensor]) -> Tensor:
    return torch.cat([gradients[name].double().flatten() for name in sorted(gradients)])


def _distance(ours: Tensor, theirs: Tensor) -> dict[str, float]:
    return {
        "cosine": float(ours @ theirs / (ours.norm() * theirs.norm())),
        "relative_error": float((ours - theirs).norm() / theirs.norm()),
    }
