"""The verifiable regime: an answer is worth 1 where it is the reference's, and the vote that needs no anchor.

    r_i = 1[ extract(o_i) = extract(s) ]        Compute as Teacher (arXiv:2509.14234), section 3
    r_i = 1[ extract(o_i) = mode_j extract(o_j) ]        TTRL (arXiv:2504.16084), with s the majority's

The paper matches the last boxed expressions as strings; here they are the same as mathematics, unless
the teacher's `equality` is "text". Where the reference has no final answer nobody has a reward.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from cohort.errors import RewardError
from cohort.rewards.math.reward import final
from cohort.rewards.outcome import Failed, Outcome, Unscorable
from cohort.rewards.reading import Text, texts
from cohort.rewards.teacher.reference import Reference, compared, spelled

NO_ANSWER = "the reference has no final answer"


def agrees(
    *,
    completions: Sequence[Text],
    reference: Sequence[Mapping[str, Any] | None] | None = None,
    prompts: Sequence[Text] | None = None,
    **_: object,
) -> list[Outcome]:
    """1.0 where a completion's final answer is that of its group's reference, else 0.0.

    Without a reference, or with one that has no final answer, there is no reward: the reason why.
    Raises RewardError in a stage without a teacher.
    """
    references = checked(reference, "agrees")
    return [
        _agreement(text, Reference.of(own))
        for text, own in zip(texts(prompts, completions), references, strict=True)
    ]


def checked(
    reference: Sequence[Mapping[str, Any] | None] | None, name: str
) -> list[Mapping[str, Any]]:
    """The references of a call. Raises RewardError where there are none."""
    known = [own for own in reference or [] if own is not None]
    if reference is None or len(known) < len(reference):
        raise RewardError(
            f'reward "{name}" compares with a reference, and the stage has no teacher',
            'add teacher = "synthesis", or "majority"',
        )
    return known


def _agreement(text: str, reference: Reference) -> Outcome:
    if reference.missing is not None:
        return reference.missing
    gold = final(reference.text)
    return Unscorable(NO_ANSWER) if not gold else compared(text, gold, reference.equality)


def answer_classes(answers: Sequence[str], equality: str) -> list[int | None]:
    """Which answers are the same: a number for each text, from 0 as they come; None without an answer.

    What mathematics cannot decide counts as different.
    """
    firsts: list[str] = []
    known: dict[str, int] = {}
    found: list[int | None] = []
    for text in answers:
        own = spelled(final(text))
        if own and own not in known:
            known[own] = _place(own, firsts, equality)
            if known[own] == len(firsts):
                firsts.append(own)
        found.append(known[own] if own else None)
    return found


def majority(answers: Sequence[str], equality: str) -> int | None:
    """The place of the first text with the most frequent answer, of equals the one that came first;
    None where no text has an answer."""
    classes = answer_classes(answers, equality)
    counted = Counter(own for own in classes if own is not None)
    return classes.index(counted.most_common(1)[0][0]) if counted else None


def _place(answer: str, firsts: Sequence[str], equality: str) -> int:
    for number, first in enumerate(firsts):
        said = compared(answer, first, equality)
        if not isinstance(said, Unscorable | Failed) and said.value == 1.0:
            return number
    return len(firsts)
