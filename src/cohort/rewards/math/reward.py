"""The built-in reward `math`: whether the final answer is, as mathematics, the gold one.

Our own checker decides first; what it leaves open goes to math-verify where the extra `math` is
installed. What nobody can decide is unscorable, with the reason: it is never a 0.0.
"""

from __future__ import annotations

from collections.abc import Sequence

from cohort.errors import MissingExtraError
from cohort.rewards.math.answers import Judged, judge
from cohort.rewards.math.bounds import LONGEST_TEXT
from cohort.rewards.math.second import Opinion, Pair, opinions
from cohort.rewards.outcome import Unscorable
from cohort.rewards.reading import CLOSE_ANSWER, CLOSE_THINK, Text, found_answer, texts

LONGEST_SECONDS = 20.0
"""After so long in one call no further second opinion is asked."""

BOX = "\\boxed{"
MARKS = (CLOSE_ANSWER, BOX, "####")
"""What shows where an answer is; in a text without any of them it is searched for."""


def equal_mathematics(
    *,
    completions: Sequence[Text],
    answer: Sequence[object],
    prompts: Sequence[Text] | None = None,
    places: int = 6,
    second_opinion: bool = True,
    **_: object,
) -> list[float | Unscorable]:
    """1.0 where the completion's answer is mathematically the column `answer`, else 0.0.

    How the answer is found: `final`. The gold may hold a whole solution with a marked answer.
    places: a decimal equals the number that it is rounded from if it has at least so many decimals;
    0 asks for exact equality. second_opinion: ask math-verify where our own checker cannot decide.
    """
    pairs = [
        (None if gold is None else _gold(str(gold)), final(text))
        for text, gold in zip(texts(prompts, completions), answer, strict=True)
    ]
    judged = [_judged(gold, found, places) for gold, found in pairs]
    if second_opinion:
        judged = _with_second_opinions(pairs, judged)
    scores = {"equal": 1.0, "different": 0.0}
    return [scores.get(said.verdict, Unscorable(said.reason)) for said in judged]


def final(text: str) -> str | None:
    """The answer in a text; None where there is none, or where the text is too long to be read.

    What `reading.found_answer` finds, and of that what is boxed. Where nothing marks the answer, it
    is the last formula between `$` or `\\(` and `\\)`, unless a number comes after it.
    """
    if len(text) > LONGEST_TEXT:
        return None
    found = found_answer(text)
    if found is None or any(mark in text for mark in MARKS):
        return found_answer(found) if found is not None and BOX in found else found
    formula, rest = _last_formula(text.rpartition(CLOSE_THINK)[2])
    return formula if formula and not any(c.isdigit() for c in rest) else found


def _last_formula(text: str) -> tuple[str, str]:
    """The last formula in a text, and what comes after it."""
    before, opened, after = text.rpartition("\\)")
    if opened and "$" not in after:
        return before.rpartition("\\(")[2].strip(), after
    before, opened, after = text.rpartition("$")
    return (before.rpartition("$")[2].strip(" $") if opened and "$" in before else ""), after


def _gold(column: str) -> str:
    """The gold answer of a column: what is marked in it, else all of it."""
    marked = len(column) <= LONGEST_TEXT and any(mark in column for mark in MARKS)
    return (final(column) if marked else None) or column


def _judged(gold: str | None, found: str | None, places: int) -> Judged:
    if gold is None:
        return Judged("unknown", "the problem has no gold answer")
    return Judged("different", "no answer") if not found else judge(gold, found, places)


def _with_second_opinions(
    pairs: Sequence[tuple[str | None, str | None]], judged: Sequence[Judged]
) -> list[Judged]:
    """What was judged, with what math-verify says where it is to be asked."""
    asked: list[Pair] = [
        (gold, found)
        for (gold, found), said in zip(pairs, judged, strict=True)
        if said.ask and gold is not None and found is not None
    ]
    if not asked:
        return list(judged)
    try:
        said = iter(opinions(asked, LONGEST_SECONDS))
    except MissingExtraError as error:
        missing = f"{error.message}; {error.hint}"
        return [Judged("unknown", f"{j.reason}; {missing}") if j.ask else j for j in judged]
    return [_settled(j, next(said)) if j.ask else j for j in judged]


def _settled(judged: Judged, opinion: Opinion) -> Judged:
    """The verdict after a second opinion.

    An answer that neither can read is different from a gold that one of them can read.
    """
    if opinion in ("equal", "different"):
        return Judged("equal" if opinion == "equal" else "different")
    if opinion == "answer unread":
        return Judged("different", "nobody can read the answer")
    silent = (
        "no second opinion" if opinion == "none" else "the second opinion does not read the gold"
    )
    return Judged("unknown", f"{judged.reason}; {silent}")
