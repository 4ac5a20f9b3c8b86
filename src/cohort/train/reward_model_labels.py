"""Which steps of sampled answers are right: by a rule that rewards steps, or by going on from each.

Math-Shepherd (Wang et al. 2023, arXiv:2312.08935), section 3.3: a step is as good as what can still
be made of it. From the prompt and the steps so far the policy samples completions; a step is right if
any of them comes to a right answer (hard), or as right as their share that does (soft).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cohort.config.preferences import RewardModel
from cohort.data.keyed import Part
from cohort.data.records import Group, Rollout, Score
from cohort.errors import RewardError
from cohort.policy.policy import Policy
from cohort.rewards.score import score_groups
from cohort.rewards.step_ends import step_ends
from cohort.rollout.request import Request, Sampling
from cohort.rollout.sampler import sample
from cohort.train.failures import check_failures
from cohort.train.reward_model_examples import Labels
from cohort.train.stage import StageContext

Answer = tuple[int, int]
"""A group and a rollout of it, by their numbers."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """The labelled steps of every answer of every group, and the tokens that it took."""

    steps: list[list[Labels]]
    sampled_tokens: int = 0


def labelled(
    groups: Sequence[Group], options: RewardModel, policy: Policy, context: StageContext, *key: Part
) -> Labelled:
    """The labelled steps of scored groups; `key` is that of what is drawn.

    Steps of which nobody can say anything are left out. Raises RewardError for labels outside 0..1.
    """
    if options.labels == "rewards":
        return Labelled([[_told(g, r, policy) for r in range(len(g.rollouts))] for g in groups])
    return _Completing(groups, options, policy, context).labelled(key)


def _told(group: Group, number: int, policy: Policy) -> Labels:
    """The steps that reward functions told of; those that end with one token have one label."""
    score, tokens = group.scores[number], group.rollouts[number].tokens
    found: dict[int, float] = {}
    for end, value in [] if score.total is None else score.steps:
        if not 0.0 <= value <= 1.0:
            raise RewardError(
                f"a step of rollout {number} of problem {group.problem.id!r} has the reward {value:g}",
                "labels of steps are from 0 to 1: give such rewards weight 1",
            )
        found[policy.token_at(tokens, end)] = value
    return tuple(sorted(found.items()))


class _Completing:
    """Labels of the steps of some groups, by completions."""

    def __init__(
        self,
        groups: Sequence[Group],
        options: RewardModel,
        policy: Policy,
        context: StageContext,
    ) -> None:
        self._groups, self._options = groups, options
        self._policy, self._context = policy, context

    def labelled(self, key: tuple[Part, ...]) -> Labelled:
        found: dict[Answer, dict[int, float]] = {}
        asked: list[tuple[Answer, int]] = []
        for g, group in enumerate(self._groups):
            for r, rollout in enumerate(group.rollouts):
                found[g, r] = {}
                for place in self._places(rollout, group.scores[r]):
                    if place + 1 >= _written(rollout):
                        found[g, r] |= self._own(place, group.scores[r])
                    elif len(group.prompt_tokens) + place + 1 < self._policy.context:
                        asked.append(((g, r), place))
        completed = self._completed(asked, key)
        for ((g, r), place), own in zip(asked, completed, strict=True):
            found[g, r] |= self._of(place, own.scores)
        steps = [
            [tuple(sorted(found[g, r].items())) for r in range(len(group.rollouts))]
            for g, group in enumerate(self._groups)
        ]
        before = [place + 1 for _, place in asked]
        sampled = sum(
            len(rollout.tokens) - already
            for own, already in zip(completed, before, strict=True)
            for rollout in own.rollouts
        )
        return Labelled(steps, sampled)

    def _places(self, rollout: Rollout, score: Score) -> list[int]:
        """The places of the tokens that the steps of an answer end with."""
        ends: Sequence[int] = [end for end, _ in score.steps]
        if self._options.separators:
            ends = step_ends(rollout.text, self._options.separators)
        return sorted({self._policy.token_at(rollout.tokens, end) for end in ends})

    def _own(self, place: int, score: Score) -> dict[int, float]:
        """The label of a step with which the answer is complete."""
        return self._of(place, [score])

    def _of(self, place: int, scores: Sequence[Score]) -> dict[int, float]:
        options = self._options
        right = [score.total >= options.right_at for score in scores if score.total is not None]
        if not right:
            return {}
        return {place: sum(right) / len(right) if options.soft_labels else float(any(right))}

    def _completed(self, asked: Sequence[tuple[Answer, int]], key: tuple[Part, ...]) -> list[Group]:
        """For every step that was asked about, the answers that the policy made of it, scored."""
        policy, options, context = self._policy, self._options, self._context
        begun = [self._groups[g].rollouts[r].tokens[: place + 1] for (g, r), place in asked]
        requests = [
            Request(
                self._groups[g].problem.id,
                np.concatenate((self._groups[g].prompt_tokens, before)),
                (*key, "completion", self._groups[g].problem.id, r, place),
            )
            for ((g, r), place), before in zip(asked, begun, strict=True)
        ]
        sampling = Sampling(
            rollouts_per_prompt=options.completions_per_step,
            max_new_tokens=options.max_new_tokens,
            temperatures=options.temperature.of_step(1, 1),
            slots=options.slots,
            compiled=options.compile_decoding,
            stop=tuple(options.stop),
        )
        with context.clock.phase("sampling"):
            sampled = sample(policy, requests, sampling)
        groups = [
            replace(
                self._groups[g],
                rollouts=tuple(_whole(before, rest, policy) for rest in rests),
                scores=(),
            )
            for ((g, _), _), before, rests in zip(asked, begun, sampled, strict=True)
        ]
        with context.clock.phase("rewards"):
            scored = score_groups(groups, context.rewards, context.runner, strict=False)
        check_failures(scored, options.failures_allowed, context.runner)
        return scored


def _whole(before: np.ndarray, rest: Rollout, policy: Policy) -> Rollout:
    """A completion with what it was begun with."""
    tokens = np.concatenate((before, rest.tokens))
    return replace(rest, tokens=tokens, text=policy.text(tokens))


def _written(rollout: Rollout) -> int:
    """The tokens of an answer without the one that ends it."""
    return len(rollout.tokens) - (rollout.stop == "end")
