"""The stage `supervised`: imitate demonstrations, token by token."""

from __future__ import annotations

import time

import numpy as np
from torch import Tensor

from cohort.config.stages import Supervised
from cohort.data.packing import Family, Member, Row, pack_plain
from cohort.data.records import Demonstration
from cohort.errors import DataError, NotFiniteError
from cohort.objective.surrogates import negative_log_likelihood
from cohort.policy.policy import Policy
from cohort.train.optim import Updater
from cohort.train.rows import even_cut
from cohort.train.stage import StageContext
from cohort.train.state import Cost, StageState


def supervised(options: Supervised, policy: Policy, context: StageContext) -> Cost:
    """Run the stage: one update per step on the mean negative log-likelihood of its tokens."""
    key = context.seed, context.name
    updater = Updater(policy, options.optimizer, updates=options.steps, key=key)
    state = StageState(updater)
    context.begin(state)
    for step in range(state.step + 1, options.steps + 1):
        began = time.perf_counter()
        rows = context.source.demonstrations(
            seed=context.seed, step=step, count=options.rows_per_step
        )
        families = _families(rows, policy)
        metrics = _imitated(options, policy, families, updater, context, step)
        state.cost.trained_tokens += sum(len(f.members[0].tokens) for f in families)
        metrics["num_tokens"] = float(state.cost.trained_tokens)
        context.step(step, metrics, seconds=time.perf_counter() - began)
    return state.cost


def _imitated(
    options: Supervised,
    policy: Policy,
    families: list[Family],
    updater: Updater,
    context: StageContext,
    step: int,
) -> dict[str, float]:
    """The step's update, or what is said of it when it has to be left out."""
    try:
        metrics = imitate(
            policy,
            families,
            updater,
            tokens_per_microbatch=policy.row_tokens(options.tokens_per_microbatch),
        )
    except NotFiniteError as error:
        updater.skip_to(step)
        context.keeper.left_out(error, step)
        return {"updates_left_out": 1.0}
    context.keeper.health.made(metrics)
    return metrics


def imitate(
    policy: Policy, families: list[Family], updater: Updater, *, tokens_per_microbatch: int
) -> dict[str, float]:
    """One update: every answer token of the step weighs the same, however the step is cut."""
    tokens = sum(len(f.members[0].places) for f in families)
    updater.clear()
    pieces = even_cut(families, tokens_per_row=tokens_per_microbatch, device=policy.device)

    def share(row: Row) -> tuple[Tensor, float]:
        logprobs, _ = policy.logprobs(row)
        part = negative_log_likelihood(logprobs).sum() / tokens
        return part, float(part.detach())

    loss = sum(updater.add_gradient([pack_plain(piece) for piece in pieces], share))
    metrics = {"loss": loss} | updater.update()
    updater.clear()
    return metrics


def _families(rows: list[Demonstration], policy: Policy) -> list[Family]:
    families = []
    for row in rows:
        prompt = policy.prompt_tokens(row.problem)
        answer = demonstrated(row, policy)
        if len(prompt) + len(answer.tokens) > policy.context:
            raise DataError(
                f"problem {row.problem.id!r} with its answer has {len(prompt) + len(answer.tokens)} "
                f"tokens and the model's context is {policy.context}",
                "leave it out, or use a model with a longer context",
            )
        families.append(Family(prompt, (answer,)))
    return families


def demonstrated(row: Demonstration, policy: Policy) -> Member:
    """A demonstration's turns as tokens; those that were shown are not imitated."""
    if not row.earlier:
        return Member(policy.completion_tokens(row.completion, row.problem), 0)
    parts = [
        part
        for said, seen in row.earlier
        for part in (policy.completion_tokens(said), policy.seen_tokens(seen))
    ]
    parts.append(policy.completion_tokens(row.completion))
    sampled = np.repeat(np.arange(len(parts)) % 2 == 0, [len(part) for part in parts])
    return Member(np.concatenate(parts), 0, sampled)
