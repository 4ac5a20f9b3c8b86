"""`cohort synthesize`: one answer out of several, beside the rules that pick one of them. Nothing is trained.

All rules see the same answers to the same held-out problems, and none of them a label; the labels
judge what they took. Where a rule takes nothing (no final answer, a choice that cannot be read, a
synthesis that was cut) it is counted as abstained and as wrong: an answer was asked for. A problem about
which an anchor's service did not answer is not judged, and where it answered about none that is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cohort.config.check_teacher import NEEDS_TEACHER
from cohort.config.recipe import Recipe
from cohort.config.selection import Select
from cohort.config.stages import Reward
from cohort.data import keyed
from cohort.data.packing import Family, Member, pack
from cohort.data.records import Group, Problem, Rollout
from cohort.data.sealed import sealed
from cohort.errors import DataError, RecipeError, RewardError, RewardsFailedError, legible
from cohort.policy.load import load_policy
from cohort.policy.policy import Policy
from cohort.report.synthesis import Taken, summarize_synthesis
from cohort.rewards.functions import load_rewards
from cohort.rewards.isolation.runner import Runner
from cohort.rewards.outcome import Failed
from cohort.rewards.score import check_columns, score_groups
from cohort.rewards.teacher.agreement import answer_classes, majority
from cohort.rewards.teacher.prompts import CHOICE, filled, shared_out
from cohort.rewards.teacher.reference import Reference
from cohort.rewards.teacher.selectors import chosen, least_perplexity
from cohort.rollout.request import Sampling
from cohort.train.anchors import Asked, ModelAnchor
from cohort.train.located import located
from cohort.train.plan import Given, StagePlan, check_prompts, make_plan
from cohort.train.run import set_threads
from cohort.train.talk import answered
from cohort.train.teach import Teaching, teaching

CHOICE_TOKENS = 16
"""The most tokens of a choice."""


def synthesize_model(recipe: Recipe, *, base: Path, reward: str) -> dict[str, Any]:
    """What becomes of the recipe's only stage, a `select` with a teacher; see report.synthesis.

    reward: says what is right, at 1 or above. Raises RecipeError for a teacher that makes no synthesis,
    RewardError for a reward that knows no label, DataError where nothing is held out.
    """
    recipe = located(recipe, base)
    (plan,) = make_plan(recipe, base, Given())
    _check(plan, reward)
    problems = plan.source.held_out()
    if not problems:
        raise DataError(
            f"nothing is held out of {legible(plan.source.name)}, so there is nothing to answer",
            "give five problems or more, or all of them: --set stage.0.problems.held_out=FILE",
        )
    set_threads(recipe.threads)
    policy = load_policy(recipe.model, vocabulary=[], seed=recipe.seed)
    check_prompts(plan, policy)
    specs = {reward: Reward()}
    judges = load_rewards(specs, task_rewards=plan.source.rewards, base=base)
    check_columns(judges, problems)
    with Runner() as runner:
        rewards = runner.house(judges)
        taken = Comparison(plan, policy, recipe.seed, runner).taken(problems)
        scored = score_groups([one.group for one in taken], rewards, runner)
    (name,) = [one.name for one in judges]
    judged = [_judged(one, group, name) for one, group in zip(taken, scored, strict=True)]
    return summarize_synthesis(judged)


def _check(plan: StagePlan, reward: str) -> None:
    assert isinstance(plan.options, Select), plan.options.kind
    assert plan.options.teacher is not None, "no teacher"
    if plan.options.teacher.reference != "synthesis":
        raise RecipeError(
            f"teacher.reference is {plan.options.teacher.reference}, and this compares a synthesis with "
            "the other rules",
            "leave it out: the majority is one of them",
        )
    if reward in NEEDS_TEACHER:
        raise RewardError(
            f'the reward "{reward}" compares with a reference, and here a label says what is right',
            "use math, or a reward of the task",
        )


@dataclass(frozen=True, slots=True)
class Picked:
    """A problem with its answers, the synthesis behind them where there is one, and what each rule took."""

    group: Group
    classes: list[int | None]
    picks: dict[str, int | None]
    failed: bool


class Comparison:
    """The rules, asked about the same answers."""

    def __init__(self, plan: StagePlan, policy: Policy, seed: int, runner: Runner) -> None:
        assert isinstance(plan.options, Select), plan.options.kind
        assert plan.options.teacher is not None, "no teacher"
        self._options, self._teacher = plan.options, plan.options.teacher
        self._policy, self._seed = policy, seed
        self._own = ModelAnchor(policy, 0.0)
        made = teaching(
            self._teacher,
            policy,
            first=policy,
            max_new_tokens=self._options.max_new_tokens,
            journal=runner.journal,
        )
        assert made is not None
        self._teaching: Teaching = made

    def taken(self, problems: Sequence[Problem]) -> list[Picked]:
        """What each rule takes, of the answers to each problem; labels are sealed meanwhile."""
        options, key = self._options, (self._seed, "synthesize")
        sampling = Sampling(
            rollouts_per_prompt=options.rollouts_per_prompt,
            max_new_tokens=options.max_new_tokens,
            temperatures=options.temperature.of_step(1, 1),
            slots=options.slots,
        )
        hidden = [sealed(problem) for problem in problems]
        groups = answered(self._policy, hidden, sampling, key=key)
        references = self._teaching.references(groups, (*key, "teacher"))
        choices = self._choices(groups)
        failed = [own.missing.reason for own in references if isinstance(own.missing, Failed)]
        if len(failed) == len(problems):
            raise RewardsFailedError(f"the anchor answered about no problem: {failed[0]}")
        both = zip(problems, groups, references, choices, strict=True)
        return [
            self._picked(replace(group, problem=problem), own, choice)
            for problem, group, own, choice in both
        ]

    def _picked(self, group: Group, reference: Reference, choice: int | None) -> Picked:
        synthesis = "" if reference.missing else reference.text
        answers = group.texts
        picks = {
            "majority": majority(answers, self._teacher.equality),
            "self-chosen": choice,
            "least perplexity": least_perplexity([r.logprobs.tolist() for r in group.rollouts]),
            "mutual predictability": least_perplexity(self._given_the_others(group)),
            "synthesis": len(answers) if synthesis else None,
        }
        if synthesis:
            tokens = self._policy.completion_tokens(synthesis)
            one = Rollout(tokens, np.zeros(len(tokens), dtype=np.float32), "end", synthesis)
            group = replace(group, rollouts=(*group.rollouts, one))
        classes = answer_classes(group.texts, self._teacher.equality)
        return Picked(group, classes, picks, isinstance(reference.missing, Failed))

    def _choices(self, groups: Sequence[Group]) -> list[int | None]:
        """Which answer of each group the model itself names as the best."""
        asked: list[Asked] = []
        for group in groups:
            shown = [text for _, text in self._shown(group, CHOICE)]
            text = filled(CHOICE, candidates=self._teaching.wording.listed(shown))
            one = Asked(group.problem.id, text, not isinstance(group.problem.prompt, str))
            asked.append(one)
        fits = [self._own.room(one, CHOICE_TOKENS) >= 0 for one in asked]
        fitting = [one for one, fit in zip(asked, fits, strict=True) if fit]
        said, _ = self._own.write(fitting, CHOICE_TOKENS, (self._seed, "choose"), whole=False)
        replies = iter(said)
        return [
            self._place(group, next(replies)) if fit else None
            for group, fit in zip(groups, fits, strict=True)
        ]

    def _place(self, group: Group, reply: object) -> int | None:
        shown = self._shown(group, CHOICE)
        place = chosen(reply, len(shown)) if isinstance(reply, str) else None
        return None if place is None else shown[place][0]

    def _shown(self, group: Group, question: str) -> list[tuple[int, str]]:
        """The answers of which there is something to show, with their places, cut to fit the context
        beside a question."""
        wording, pieces = self._teaching.wording, self._own.pieces
        bare = [(n, own) for n, text in enumerate(group.texts) for own in wording.bare([text])]
        frames = pieces.count(question) + pieces.count(wording.listed([""] * len(bare)))
        budget = max(0, self._policy.context - CHOICE_TOKENS - frames - 2 * len(bare))
        texts = shared_out([text for _, text in bare], pieces, budget)
        return [(n, text) for (n, _), text in zip(bare, texts, strict=False)]

    @torch.no_grad()
    def _given_the_others(self, group: Group) -> list[list[float] | None]:
        """The log-probabilities of each answer behind the others, which stand in random order."""
        shown = self._shown(group, "")
        found: list[list[float] | None] = [None] * len(group.rollouts)
        for place, text in shown:
            others = [own for other, own in shown if other != place]
            names = [str(other) for other, _ in shown if other != place]
            key = (self._seed, "predict", group.problem.id, place)
            mixed = keyed.shuffled(others, names, *key)
            before = self._teaching.wording.before(mixed)
            prompt = self._policy.seen_tokens(before)
            if not len(prompt):
                continue
            member = Member(self._policy.seen_tokens(text), 0)
            logprobs, _ = self._policy.logprobs(pack([Family(prompt, (member,))]))
            found[place] = logprobs.tolist()
        return found


def _judged(picked: Picked, group: Group, reward: str) -> Taken:
    values = [score.parts.get(reward) for score in group.scores]
    right = [None if value is None or picked.failed else value >= 1.0 for value in values]
    count = len(right) - (picked.picks["synthesis"] is not None)
    return Taken(right[:count], right, picked.classes, picked.picks)
