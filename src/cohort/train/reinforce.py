"""The stage `reinforce`: sample groups, score them, learn from them, step after step."""

from __future__ import annotations

import time
from collections.abc import Sequence

from cohort.config.stages import Reinforce
from cohort.data.records import Group
from cohort.objective.algorithms import Algorithm
from cohort.policy.policy import Policy
from cohort.report.metrics import describe_groups
from cohort.rewards.score import score_groups
from cohort.rollout.sampler import Request, Sampling, sample
from cohort.train.optim import Updater
from cohort.train.reference import frozen_copy
from cohort.train.stage import Cost, StageContext
from cohort.train.step import learn, prepare, with_advantages


def reinforce(
    options: Reinforce, algorithm: Algorithm, policy: Policy, context: StageContext
) -> Cost:
    """Run the stage; every step is in the store when the next one begins."""
    cost = Cost()
    updater = Updater(policy, options.optimizer, updates=options.steps * options.updates_per_step)
    reference = frozen_copy(policy) if algorithm.beta else None
    for step in range(1, options.steps + 1):
        began = time.perf_counter()
        groups = _score(_sample(options, policy, context, step), algorithm, context)
        batch = prepare(
            groups,
            algorithm,
            tokens_per_microbatch=options.tokens_per_microbatch,
            device=policy.device,
        )
        metrics = learn(
            policy,
            batch,
            algorithm,
            updater=updater,
            updates=options.updates_per_step,
            temperature=options.temperature,
            reference=reference,
        )
        cost.sampled_tokens += sum(len(r.tokens) for g in groups for r in g.rollouts)
        cost.trained_tokens += batch.tokens * options.updates_per_step
        metrics = describe_groups(groups) | metrics | {"num_tokens": float(cost.sampled_tokens)}
        context.step(step, metrics, seconds=time.perf_counter() - began, groups=groups)
        if step % options.show_every == 0 or step == 1:
            context.console.group(_most_telling(groups))
    return cost


def _sample(options: Reinforce, policy: Policy, context: StageContext, step: int) -> list[Group]:
    problems = context.source.batch(
        seed=context.seed, purpose=context.name, step=step, count=options.prompts_per_step
    )
    requests = [
        Request(
            problem.id,
            policy.prompt_tokens(problem),
            (context.seed, "rollout", context.name, step, problem.id),
        )
        for problem in problems
    ]
    sampling = Sampling(
        rollouts_per_prompt=options.rollouts_per_prompt,
        max_new_tokens=options.max_new_tokens,
        temperature=options.temperature,
        slots=options.slots,
    )
    answers = sample(policy, requests, sampling)
    return [
        Group(problem, request.prompt, tuple(rollouts))
        for problem, request, rollouts in zip(problems, requests, answers, strict=True)
    ]


def _score(groups: list[Group], algorithm: Algorithm, context: StageContext) -> list[Group]:
    return with_advantages(score_groups(groups, context.rewards), algorithm)


def _most_telling(groups: Sequence[Group]) -> Group:
    """The group that shows the most: the widest spread of rewards, the first of equals."""

    def spread(group: Group) -> float:
        known = [reward for reward in group.rewards if reward is not None]
        return max(known) - min(known) if known else -1.0

    return max(groups, key=spread)
