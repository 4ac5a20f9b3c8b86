"""The stage `reinforce`: sample groups, score them, learn from them, step after step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from cohort.config.stages import Reinforce
from cohort.data.records import Group
from cohort.errors import NotFiniteError
from cohort.objective.algorithms import Algorithm
from cohort.policy.policy import Policy
from cohort.report.metrics import describe_groups
from cohort.train.adapt import for_the_next, for_this_step
from cohort.train.batch import Batch, Cutting, no_grad_logprobs, prepare, whole_step
from cohort.train.clock import Clock
from cohort.train.collect import Collected, collect
from cohort.train.credit import Credit, Said, Shaping, counted_places, with_advantages
from cohort.train.critic_values import ask, describe_values, new_critic
from cohort.train.looks import Looks
from cohort.train.optim import Updater
from cohort.train.reference import follow, frozen_copy
from cohort.train.stage import StageContext
from cohort.train.state import CRITIC, Cost, StageState
from cohort.train.step import Beside, learn, learn_values
from cohort.train.teach import asks_first, teaching


def reinforce(
    options: Reinforce, algorithm: Algorithm, policy: Policy, context: StageContext
) -> Cost:
    """Run the stage; every step is in the store when the next one begins."""
    updates = options.updates_per_step * options.minibatches_per_step
    critic = new_critic(
        options.critic,
        policy,
        products=context.products,
        key=(context.seed, "critic", context.name),
        updates=options.steps * updates,
    )
    updater = Updater(
        policy,
        options.optimizer,
        updates=(options.steps - _waiting(options)) * updates,
        key=(context.seed, context.name),
    )
    state = StageState(
        updater,
        algorithm=algorithm,
        reference=frozen_copy(policy) if algorithm.beta or asks_first(options.teacher) else None,
        others={CRITIC: critic.learner} if critic else {},
    )
    context.begin(state)
    context = replace(
        context,
        teacher=teaching(
            options.teacher,
            policy,
            first=state.reference,
            max_new_tokens=options.max_new_tokens,
            journal=context.runner.journal,
        ),
    )
    clock = context.clock
    clock.lap()
    for step in range(state.step + 1, options.steps + 1):
        assert state.algorithm is not None
        collected = collect(options, state.algorithm, policy, context, step)
        beside = Beside(state.reference, critic, Looks())
        this = _Step(options, state.algorithm, policy, context, beside)
        credit, metrics = this.learn_from(collected, updater, step)
        state.algorithm = this.next_algorithm(collected, metrics, step)
        if state.reference is not None:
            follow(state.reference, policy, state.algorithm, step=step)
        state.cost.sampled_tokens += collected.sampled_tokens
        state.cost.trained_tokens += this.trained_tokens
        metrics = describe_groups(credit.groups) | collected.metrics | metrics
        metrics["num_tokens"] = float(state.cost.sampled_tokens)
        seconds, times = clock.lap()
        if context.profiler is not None:
            context.profiler.after(step, clock, seconds, times)
        assert beside.looks is not None
        groups = beside.looks.put_into(credit.groups)
        context.step(step, metrics | times, seconds=seconds, groups=groups)
        if step % options.show_every == 0 or step == 1:
            context.console.group(_most_telling(credit.groups))
    return state.cost


class _Step:
    """One step, from its scored groups on."""

    def __init__(
        self,
        options: Reinforce,
        algorithm: Algorithm,
        policy: Policy,
        context: StageContext,
        beside: Beside,
    ) -> None:
        self._options, self._algorithm, self._policy = options, algorithm, policy
        self._context, self._beside = context, beside
        self._cutting = Cutting(
            tokens_per_microbatch=policy.row_tokens(options.tokens_per_microbatch),
            budget_tokens=options.max_new_tokens,
            device=policy.device,
            minibatches=options.minibatches_per_step,
        )
        self.trained_tokens = 0

    def learn_from(
        self, collected: Collected, updater: Updater, step: int
    ) -> tuple[Credit, dict[str, float]]:
        """Advantages for the groups, then the updates; their metrics."""
        options = self._options
        places = counted_places(collected.groups, self._algorithm)
        penalty, metrics = self._penalty(collected.groups, places)
        credit = with_advantages(
            collected.groups,
            self._algorithm,
            weights={reward.name: reward.weight for reward in self._context.rewards},
            penalty=penalty,
            shaping=Shaping(scale=options.reward_scale, bounds=_pair(options.reward_bounds)),
            token_at=self._policy.token_at,
            said=self._said(collected.groups, places),
        )
        metrics |= describe_values(credit)
        batches = prepare(credit, self._algorithm, self._cutting)
        applied = for_this_step(self._algorithm, entropy=collected.entropy)
        metrics |= self._updated(batches, applied, updater, step)
        self.trained_tokens = sum(batch.tokens for batch in batches) * options.updates_per_step
        if self._algorithm.beta:
            metrics["beta"] = self._algorithm.beta
        if "entropy_coefficient" in applied.values:
            metrics["entropy_coef"] = float(applied.values["entropy_coefficient"])
        return credit, metrics

    def _updated(
        self, batches: Sequence[Batch], applied: Algorithm, updater: Updater, step: int
    ) -> dict[str, float]:
        """The step's updates; where a number is not finite, the rest of them are left out."""
        options, context, critic = self._options, self._context, self._beside.critic
        updates = len(batches) * options.updates_per_step
        learners = [critic.learner.updater] if critic else []
        learners += [] if step <= _waiting(options) else [updater]
        planned = [one.made + updates for one in learners]
        try:
            metrics = self._learned(batches, applied, updater, step)
        except NotFiniteError as error:
            left_out = planned[-1] - learners[-1].made
            for one, number in zip(learners, planned, strict=True):
                one.skip_to(number)
            context.keeper.left_out(error, step)
            return {"updates_left_out": float(left_out)}
        context.keeper.health.made(metrics)
        return metrics

    def _learned(
        self, batches: Sequence[Batch], applied: Algorithm, updater: Updater, step: int
    ) -> dict[str, float]:
        options, context, critic = self._options, self._context, self._beside.critic
        passes = options.updates_per_step
        if step <= _waiting(options):
            assert critic is not None, "the policy waits for nobody"
            return learn_values(critic, batches, passes=passes, clock=context.clock)
        return learn(
            self._policy,
            batches,
            applied,
            updater=updater,
            passes=passes,
            beside=self._beside,
            key=(context.seed, "entropy", context.name, step),
            clock=context.clock,
        )

    def next_algorithm(
        self, collected: Collected, metrics: dict[str, float], step: int
    ) -> Algorithm:
        """The algorithm of the next step: its coefficients follow what was measured."""
        if step <= _waiting(self._options):  # it says nothing of how the policy will move
            return self._algorithm
        return for_the_next(
            self._algorithm,
            kl=metrics.get("kl"),
            entropy=collected.entropy,
            rollouts=sum(len(group.rollouts) for group in collected.groups),
        )

    def _said(self, groups: Sequence[Group], places: Sequence[tuple[int, int]]) -> Said | None:
        """What the critic says of the counted rollouts, where there is one."""
        if self._beside.critic is None:
            return None
        with self._context.clock.phase("values"):
            return ask(self._beside.critic, groups, places, self._cutting)

    def _penalty(
        self, groups: Sequence[Group], places: Sequence[tuple[int, int]]
    ) -> tuple[Tensor | None, dict[str, float]]:
        """What each counted token pays in the reward, beta log(pi / pi_ref), and its mean."""
        if not self._algorithm.penalizes_reward:
            return None, {}
        reference = self._beside.reference
        assert reference is not None, "a penalty without a reference"
        batch = whole_step(groups, places, self._cutting)
        gap = log_ratio(self._policy, reference, batch, self._context.clock)
        kl = {"kl": float(gap.mean())} if batch.tokens else {}
        return self._algorithm.beta * gap, kl


def _waiting(options: Reinforce) -> int:
    """The first steps of the stage, in which the critic alone learns."""
    return options.critic.pretraining_steps if options.critic else 0


def log_ratio(policy: Policy, reference: Policy, batch: Batch, clock: Clock) -> Tensor:
    """k1 = log(pi / pi_ref) of every token, float64 [T], no gradient."""
    with clock.phase("old_logprobs"):
        ours, _ = no_grad_logprobs(policy, batch)
    with clock.phase("reference_logprobs"):
        theirs, _ = no_grad_logprobs(reference, batch)
    return (ours - theirs).cpu().to(torch.float64)


def _pair(bounds: Sequence[float]) -> tuple[float, float]:
    low, high = bounds
    return low, high


def _most_telling(groups: Sequence[Group]) -> Group:
    """The group that shows the most: the widest spread of rewards, the first of equals."""

    def spread(group: Group) -> float:
        known = [reward for reward in group.rewards if reward is not None]
        return max(known) - min(known) if known else -1.0

    return max(groups, key=spread)
