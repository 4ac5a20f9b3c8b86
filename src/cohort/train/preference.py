"""The stage `preference`: direct preference optimisation on pairs that rows have, or that it samples.

Sampled pairs make it online (Guo et al. 2024, arXiv:2402.04792): a step's groups are scored as
`reinforce` does it, and of each group the best answers are paired with the worst. The advantage of an
answer in a group that is shown is how often it was chosen, less how often it was rejected.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cohort.config.preferences import Preference
from cohort.data.pairs import pair_of
from cohort.data.records import Group, Problem
from cohort.errors import NotFiniteError
from cohort.objective.presets import ALGORITHMS
from cohort.policy.policy import Policy
from cohort.report.metrics import describe_groups
from cohort.train.collect import collect
from cohort.train.optim import Updater
from cohort.train.pair_rows import Pairs, PairTokens, in_rows, learn_pairs, measure_pairs
from cohort.train.reference import frozen_copy
from cohort.train.stage import StageContext
from cohort.train.state import Cost, StageState

ANSWERS = ALGORITHMS["online-rft"]
"""What decides which answers are asked for: all of them, each by itself."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """The pairs of a step, and where they were sampled the groups and their metrics."""

    pairs: list[PairTokens]
    groups: list[Group] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    sampled_tokens: int = 0


def preference(options: Preference, policy: Policy, context: StageContext) -> Cost:
    """Run the stage; every step is in the store when the next one begins."""
    key = context.seed, context.name
    updater = Updater(policy, options.optimizer, updates=options.steps, key=key)
    reference = frozen_copy(policy)
    state = StageState(updater, reference=reference)
    context.begin(state)
    this = _Stage(options, policy, reference, context)
    context.clock.lap()
    for step in range(state.step + 1, options.steps + 1):
        drawn = this.sampled(step) if options.rewards else this.given(step)
        metrics = drawn.metrics | this.updated(drawn.pairs, updater, step)
        if not options.rewards and (step % options.evaluate_every == 0 or step == options.steps):
            metrics |= this.held_out()
        state.cost.sampled_tokens += drawn.sampled_tokens
        state.cost.trained_tokens += sum(len(p.chosen) + len(p.rejected) for p in drawn.pairs)
        metrics["num_tokens"] = float(state.cost.trained_tokens)
        seconds, times = context.clock.lap()
        context.step(step, metrics | times, seconds=seconds, groups=drawn.groups)
    return state.cost


class _Stage:
    """Draws pairs and learns from them."""

    def __init__(
        self, options: Preference, policy: Policy, reference: Policy, context: StageContext
    ) -> None:
        self._options, self._policy = options, policy
        self._reference, self._context = reference, context

    def given(self, step: int) -> _Drawn:
        """The rows of a step."""
        problems = self._context.source.batch(
            seed=self._context.seed,
            purpose="pairs",
            step=step,
            count=self._options.pairs_per_step,
        )
        return _Drawn([self._as_tokens(problem) for problem in problems])

    def sampled(self, step: int) -> _Drawn:
        """The groups of a step, and the pairs that are made of them."""
        options = self._options
        sampler = self._policy if options.sampled_from == "policy" else self._reference
        collected = collect(options, ANSWERS, sampler, self._context, step)
        pairs, groups = [], []
        for group in collected.groups:
            places = paired(group.rewards, most=options.pairs_per_prompt)
            pairs += [_of_group(group, *place) for place in places]
            groups.append(_shown(group, places))
        metrics = describe_groups(groups) | dict(collected.cost) | {"pairs": float(len(pairs))}
        return _Drawn(pairs, groups, metrics, collected.sampled_tokens)

    def updated(self, pairs: Sequence[PairTokens], updater: Updater, step: int) -> dict[str, float]:
        """The step's update, or what is said of it when it has to be left out."""
        with self._context.clock.phase("update"):
            try:
                metrics = learn_pairs(
                    self._policy, self._reference, self._rows(pairs), self._options, updater
                )
            except NotFiniteError as error:
                updater.skip_to(step)
                self._context.keeper.left_out(error, step)
                return {"updates_left_out": 1.0}
        self._context.keeper.health.made(metrics)
        return metrics

    def held_out(self) -> dict[str, float]:
        """The metrics of the held-out pairs, under TRL's names for them; none where there are none."""
        pairs = [self._as_tokens(problem) for problem in self._context.source.held_out()]
        found = measure_pairs(self._policy, self._reference, self._rows(pairs), self._options)
        return {f"eval_{name}": value for name, value in found.items()}

    def _rows(self, pairs: Sequence[PairTokens]) -> Pairs:
        tokens = self._policy.row_tokens(self._options.tokens_per_microbatch)
        return in_rows(pairs, self._policy, tokens_per_row=tokens)

    def _as_tokens(self, problem: Problem) -> PairTokens:
        pair = pair_of(problem)
        return PairTokens(
            problem.id,
            self._policy.prompt_tokens(problem),
            self._policy.completion_tokens(pair.chosen, problem),
            self._policy.completion_tokens(pair.rejected, problem),
        )


def paired(rewards: Sequence[float | None], *, most: int) -> list[tuple[int, int]]:
    """Which answers of a group are paired, the better one first: at most so many pairs.

    By rank: the first with the last, the second with the last but one and so on; then those of other
    ranks, the ones that are furthest apart first. Answers without a reward, and pairs of equal rewards,
    are left out; equal answers rank in their order.
    """
    known = {number: reward for number, reward in enumerate(rewards) if reward is not None}
    ranked = sorted(known, key=lambda number: (-known[number], number))
    last = len(ranked) - 1
    pairs = itertools.combinations(range(len(ranked)), 2)
    ordered = sorted(pairs, key=lambda p: (p[0] + p[1] != last, p[0] - p[1], p))
    places = [(ranked[high], ranked[low]) for high, low in ordered]
    return [(one, other) for one, other in places if known[one] > known[other]][:most]


def _of_group(group: Group, chosen: int, rejected: int) -> PairTokens:
    answers = group.rollouts
    return PairTokens(
        group.problem.id, group.prompt_tokens, answers[chosen].tokens, answers[rejected].tokens
    )


def _shown(group: Group, places: Sequence[tuple[int, int]]) -> Group:
    counts: Counter[int] = Counter()
    for chosen, rejected in places:
        counts[chosen] += 1
        counts[rejected] -= 1
    advantages = tuple(float(counts[number]) for number in range(len(group.rollouts)))
    return replace(
        group, advantages=advantages, discarded="" if places else group.discarded or "flat"
    )
