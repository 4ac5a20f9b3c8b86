"""Compute as Teacher (arXiv:2509.14234): a step's groups are given references, made of their own answers.

    s ~ pi_0( . | p_syn, o_1 ... o_G )        one call for each group, the question not in it

Between sampling and scoring; rewards read the reference as a column, and nothing else that a problem
knows (`data.sealed`). It is journalled and shown with its group. A group without a reference has
no reward. Nothing here is trained: the anchor is the policy's first version, frozen, unless another is asked.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from cohort.config.check_teacher import is_service
from cohort.config.recipe import Model
from cohort.config.teacher import FIRST, MOVING, Teacher
from cohort.data import keyed
from cohort.data.records import Group
from cohort.data.sealed import adding
from cohort.policy.load import load_policy
from cohort.policy.policy import Policy
from cohort.rewards.asked import Journal
from cohort.rewards.judge.prompt import as_text
from cohort.rewards.outcome import Failed, Unscorable
from cohort.rewards.teacher.agreement import answer_classes, majority
from cohort.rewards.teacher.criteria import criteria_in
from cohort.rewards.teacher.prompts import CANDIDATE, RUBRIC, Wording, filled
from cohort.rewards.teacher.reference import COLUMN, Reference
from cohort.train.anchors import Anchor, Asked, ModelAnchor, Said, ServiceAnchor

NO_ROOM = Unscorable("the answers do not fit into the anchor's prompt, or there is nothing in them")
NO_MAJORITY = Unscorable("no answer of the group has a final answer")
LONG = Unscorable("the reference leaves no room in the anchor's context for criteria")
ATTEMPTS_TO_FIT = 6
"""How often a prompt is made shorter until it fits with its template and frames."""


@dataclass(slots=True)
class Cost:
    """What references took: tokens that were sampled, and seconds by the clock."""

    tokens: int = 0
    seconds: float = 0.0


class Teaching:
    """A stage's teacher."""

    def __init__(self, options: Teacher, anchor: Anchor | None, max_new_tokens: int) -> None:
        """anchor: None where no one is asked. max_new_tokens: of a reference."""
        self._options, self._anchor = options, anchor
        self._cost = Cost()
        self._tokens = options.max_new_tokens or max_new_tokens
        self.wording = Wording(
            template=options.template,
            candidate=options.candidate or CANDIDATE,
            include_question=options.include_question,
            shown=options.shown,
        )

    @property
    def columns(self) -> Sequence[str]:
        """Columns of the problems that are no labels."""
        return self._options.columns

    def account(self) -> Cost:
        """What references took since this was asked last."""
        taken, self._cost = self._cost, Cost()
        return taken

    def taught(self, groups: Sequence[Group], key: tuple[keyed.Part, ...]) -> list[Group]:
        """The groups, each with its reference in the problem's column `reference`."""
        key, began = (*key, "teacher"), time.perf_counter()
        references = self.references(groups, key)
        if self._options.criteria:
            references = self._with_criteria(groups, references, key)
        self._cost.seconds += time.perf_counter() - began
        return [
            replace(group, problem=adding(group.problem, {COLUMN: own.as_column()}))
            for group, own in zip(groups, references, strict=True)
        ]

    def references(self, groups: Sequence[Group], key: tuple[keyed.Part, ...]) -> list[Reference]:
        """What stands for a label, of each group."""
        if self._options.reference == "synthesis":
            return self._synthesized(groups, key)
        return [self._one_of(group, key) for group in groups]

    def _one_of(self, group: Group, key: tuple[keyed.Part, ...]) -> Reference:
        """One of the group's own answers: the majority's, or a random one."""
        answers = group.texts
        place: int | None = keyed.digest(*key, "random", group.problem.id) % len(answers)
        if self._options.reference == "majority":
            place = majority(answers, self._options.equality)
        return self._made(NO_MAJORITY if place is None else answers[place])

    def _synthesized(self, groups: Sequence[Group], key: tuple[keyed.Part, ...]) -> list[Reference]:
        asked = [self.question(group) for group in groups]
        said = iter(self._written([one for one in asked if one is not None], self._tokens, key))
        return [self._made(NO_ROOM if one is None else next(said)) for one in asked]

    def question(self, group: Group) -> Asked | None:
        """What the anchor is asked about a group; None where its answers do not fit."""
        assert self._anchor is not None, "nobody to ask"
        problem, pieces = group.problem, self._anchor.pieces
        shown = self.wording.bare(group.texts)
        budget: int | None = self._options.prompt_budget or None
        everything: int | None = None
        for _ in range(ATTEMPTS_TO_FIT):
            text = self.wording.synthesis(shown, as_text(problem.prompt), pieces, budget)
            if text is None:
                return None
            asked = Asked(problem.id, text, not isinstance(problem.prompt, str))
            room = self._anchor.room(asked, self._tokens)
            if room >= 0:
                return asked
            if everything is None:  # counting costs more than asking, and is seldom needed
                everything = sum(pieces.count(own) for own in shown)
            budget = min(everything if budget is None else budget, everything) + room
        return None

    def _with_criteria(
        self, groups: Sequence[Group], references: Sequence[Reference], key: tuple[keyed.Part, ...]
    ) -> list[Reference]:
        """The references, each with criteria that the anchor derives from it alone."""
        both = zip(groups, references, strict=True)
        asked = [self._criteria_of(group, own) for group, own in both]
        tokens = self._options.rubric_tokens
        said = iter(
            self._written([one for one in asked if one is not None], tokens, (*key, "rubric"))
        )
        return [
            own
            if own.missing
            else _judged_by(own, next(said) if one else LONG, self._options.criteria)
            for own, one in zip(references, asked, strict=True)
        ]

    def _criteria_of(self, group: Group, reference: Reference) -> Asked | None:
        """The question for criteria; None without a reference, and where it leaves no room for them."""
        assert self._anchor is not None, "nobody to ask"
        if reference.missing:
            return None
        text = filled(RUBRIC, criteria=str(self._options.criteria), reference=reference.text)
        asked = Asked(group.problem.id, text, not isinstance(group.problem.prompt, str))
        return asked if self._anchor.room(asked, self._options.rubric_tokens) >= 0 else None

    def _written(
        self, asked: Sequence[Asked], tokens: int, key: tuple[keyed.Part, ...]
    ) -> list[Said]:
        assert self._anchor is not None, "nobody to ask"
        if not asked:
            return []
        said, sampled = self._anchor.write(asked, tokens, key)
        self._cost.tokens += sampled
        return said

    def _made(self, said: Said) -> Reference:
        equality = self._options.equality
        if isinstance(said, str):
            return Reference(said, equality)
        return Reference(equality=equality, missing=said)


def _judged_by(reference: Reference, said: Said, fewest: int) -> Reference:
    found = criteria_in(said, fewest) if isinstance(said, str) else said
    if isinstance(found, Unscorable | Failed):
        return replace(reference, without_criteria=found)
    return replace(reference, criteria=found)


def teaching_metrics(groups: Sequence[Group], cost: Cost) -> dict[str, float]:
    """What the answers of a step's groups say by themselves, and what became of their references.

    Of groups with a final answer: the share of the most frequent one, and of groups in which all
    are the same; how often the reference is another than the most frequent one.
    """
    shares, alike, differs, criteria = [], [], [], []
    references = [(group, _reference(group)) for group in groups]
    for group, own in references:
        answers = group.texts
        *classes, reference = answer_classes([*answers, own.text], own.equality)
        known = [one for one in classes if one is not None]
        if not known:
            continue
        most, count = Counter(known).most_common(1)[0]
        shares.append(count / len(classes))
        alike.append(float(count == len(classes)))
        if reference is not None:
            differs.append(float(reference != most))
        criteria.append(float(len(own.criteria)))
    found: dict[str, Any] = {
        "teacher/majority_share": shares,
        "teacher/alike": alike,
        "teacher/differs": differs,
        "teacher/criteria": criteria if any(criteria) else [],
    }
    metrics = {name: fmean(values) for name, values in found.items() if values}
    missing = [own.missing for _, own in references if own.missing is not None]
    metrics["teacher/abstained"] = float(sum(isinstance(w, Unscorable) for w in missing))
    metrics["teacher/failed"] = float(sum(isinstance(w, Failed) for w in missing))
    return metrics | {"teacher/tokens": float(cost.tokens), "teacher/seconds": cost.seconds}


def _reference(group: Group) -> Reference:
    column = group.problem.columns[COLUMN]
    assert isinstance(column, dict), column
    return Reference.of(column)


def teaching(
    options: Teacher | None,
    policy: Policy,
    *,
    first: Policy | None,
    max_new_tokens: int,
    journal: Journal,
) -> Teaching | None:
    """A stage's teacher; None where it has none. first: the policy's first version, where it is asked.

    Raises ModelError for an anchor that cannot be loaded, RewardError for a service that cannot be asked.
    """
    if options is None:
        return None
    anchor = _anchor(options, policy, first, journal) if asks_anchor(options) else None
    return Teaching(options, anchor, max_new_tokens)


def asks_anchor(options: Teacher) -> bool:
    """Whether anything is written by an anchor."""
    return options.reference == "synthesis" or options.criteria > 0


def asks_first(options: Teacher | None) -> bool:
    """Whether the anchor is the policy's first version."""
    return options is not None and asks_anchor(options) and options.anchor == FIRST


def _anchor(options: Teacher, policy: Policy, first: Policy | None, journal: Journal) -> Anchor:
    if is_service(options.anchor):
        return ServiceAnchor(options, journal)
    if options.anchor == FIRST:
        assert first is not None, "the first version was not kept"
        return ModelAnchor(first, options.temperature)
    if options.anchor == MOVING:
        return ModelAnchor(policy, options.temperature)
    other = load_policy(Model(path=options.anchor), vocabulary=[], seed=0)
    return ModelAnchor(other, options.temperature)
