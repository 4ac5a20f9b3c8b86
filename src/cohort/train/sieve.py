"""Which of the answers that a stage `select` sampled are kept: its filters, one after the other.

Some of them look back (an answer that was there before, a problem that has enough), so a sieve has a
memory: what went through it. It is the same whenever the same groups go through in the same order.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cohort.config.references import called
from cohort.config.selection import Select
from cohort.data.records import Problem

REASONS = (
    "unscored",
    "total",
    "rewards",
    "cut",
    "empty",
    "tokens",
    "characters",
    "duplicate",
    "best",
    "problem",
)
"""Why an answer is not kept, in the order in which it is asked. unscored: it has no sum of rewards;
total, rewards: too little of it, or of one of them; best: others of its group are better; problem:
its problem has enough."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is asked about one answer: its text, how many tokens it has, why it stopped, its rewards."""

    text: str
    tokens: int
    stop: str
    total: float | None
    parts: Mapping[str, float | None]


class Sieve:
    """The filters of a stage, with what went through them."""

    def __init__(self, options: Select) -> None:
        self._options = options
        self._least = {called(name): value for name, value in options.keep.items()}
        self._seen: set[bytes] = set()
        self._of_problem: Counter[bytes] = Counter()

    @property
    def reasons(self) -> list[str]:
        """Why this sieve can stop an answer."""
        options = self._options
        asked = {
            "total": options.least_total > Select.model_fields["least_total"].default,
            "rewards": bool(options.keep),
            "cut": options.cut == "drop",
            "tokens": options.least_tokens + options.most_tokens > 0,
            "characters": options.least_characters + options.most_characters > 0,
            "duplicate": options.distinct,
            "best": options.best_of > 0,
            "problem": options.per_problem > 0,
        }
        return [why for why in REASONS if asked.get(why, True)]

    def sift(self, problem: Problem, answers: Sequence[Candidate]) -> list[str]:
        """For each answer why it is not kept; empty where it is."""
        said = [self._of_itself(answer) for answer in answers]
        keys = [_digest(problem.prompt, " ".join(answer.text.split())) for answer in answers]
        own = _digest(problem.prompt, dict(problem.columns))
        order = sorted(range(len(answers)), key=lambda n: (-(answers[n].total or 0.0), n))
        taken = 0
        for number in order:
            if said[number]:
                continue
            said[number] = self._beside_others(keys[number], own, taken)
            if not said[number]:
                taken += 1
                self._seen.add(keys[number])
                self._of_problem[own] += 1
        return said

    def _of_itself(self, answer: Candidate) -> str:
        """Why an answer is not kept, whatever else there is."""
        options = self._options
        if answer.total is None:
            return "unscored"
        if answer.total < options.least_total:
            return "total"
        if any(_below(answer.parts.get(name), least) for name, least in self._least.items()):
            return "rewards"
        if answer.stop == "length" and options.cut == "drop":
            return "cut"
        if not answer.text.strip():
            return "empty"
        if not _within(answer.tokens, options.least_tokens, options.most_tokens):
            return "tokens"
        if not _within(len(answer.text), options.least_characters, options.most_characters):
            return "characters"
        return ""

    def _beside_others(self, key: bytes, problem: bytes, taken: int) -> str:
        """Why an answer that passes by itself is not kept, after so many others of its group."""
        options = self._options
        if options.distinct and key in self._seen:
            return "duplicate"
        if options.best_of and taken >= options.best_of:
            return "best"
        if options.per_problem and self._of_problem[problem] >= options.per_problem:
            return "problem"
        return ""


def _below(value: float | None, least: float) -> bool:
    return value is None or value < least


def _within(number: int, least: int, most: int) -> bool:
    return least <= number and (not most or number <= most)


def _digest(*parts: object) -> bytes:
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
