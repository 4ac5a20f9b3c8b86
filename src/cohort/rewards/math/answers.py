"""Two texts in, one verdict out: how an answer is read, and what is said where it cannot be.

Texts that are the same are equal, whatever they say. Prose is compared as text alone. An answer over
the bounds is different from any gold that is within them: nobody has to pay for reading it. What is
left undecided is unknown, and only mathematics that the grammar does not know, or a comparison that
it cannot settle, is worth a second opinion.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from cohort.rewards.math.bounds import LONGEST_ANSWER, Budget, CostError, Fault, UnreadError
from cohort.rewards.math.compare import same
from cohort.rewards.math.cursor import LONGEST_PRODUCT
from cohort.rewards.math.grammar import tree_of
from cohort.rewards.math.tokens import Token, tokens_of
from cohort.rewards.math.tree import Node, Number
from cohort.rewards.math.values import Terms, Verdict

UNITS = (
    ("mm", "millimeter"), ("cm", "centimeter"), ("m", "meter"), ("km", "kilometer"), ("g", "gram"),
    ("kg", "kilogram"), ("mg", "milligram"), ("s", "sec", "second"), ("min", "minute"),
    ("h", "hr", "hour"), ("day",), ("week",), ("month",), ("year",), ("ml", "mL", "milliliter"),
    ("L", "l", "liter"), ("inch",), ("ft", "foot", "feet"), ("mile",), ("cent",), ("dollar",),
    ("N",), ("J",), ("W",), ("V",), ("A",), ("K",), ("C",), ("F",),
)  # fmt: skip
"""Units that are told apart, each with its names; every other word after a number is dropped."""

_ZERO = Number(Fraction(0))
_UNIT = {name: names[0] for names in UNITS for name in names}


@dataclass(frozen=True, slots=True)
class Judged:
    """What is said of two answers; `ask` where a second opinion may say more."""

    verdict: Verdict
    reason: str = ""
    ask: bool = False


@dataclass(frozen=True, slots=True)
class _Read:
    """A text as trees, each with the unit that was dropped; none and the fault where it is not read.

    word: the text is one word, whose letters may be symbols.
    """

    text: str
    trees: tuple[tuple[Node, str], ...] = ()
    fault: Fault | None = None
    reason: str = ""
    word: bool = False


def judge(gold: str, answer: str, places: int) -> Judged:
    """Whether an answer is the gold one. Nothing is raised, whatever the texts are."""
    if len(gold) <= LONGEST_ANSWER and _collapsed(gold) == _collapsed(answer[: 2 * LONGEST_ANSWER]):
        return Judged("equal", "the same text")
    first, second = _read(gold), _read(answer)
    if first.fault == "cost":
        return Judged("unknown", f"the gold answer is over the bounds: {first.reason}")
    if second.fault == "cost":
        return Judged("different", f"over the bounds: {second.reason}")
    if "words" in (first.fault, second.fault) or (first.word and second.word):
        return _judge_words(first, second)
    for read in (first, second):
        if read.fault:
            return Judged("unknown", f"{_short(read.text)} is not read: {read.reason}", ask=True)
    return _judge_trees(first, second, places)


def _judge_words(gold: _Read, answer: _Read) -> Judged:
    """Prose is compared as text; two words of the same letters might be the same product."""
    if gold.text.casefold() == answer.text.casefold():
        return Judged("equal", "the same words")
    products = (
        gold.word and answer.word and max(len(gold.text), len(answer.text)) <= LONGEST_PRODUCT
    )
    if products and sorted(gold.text) == sorted(answer.text):
        return Judged("unknown", "words, or products of the same letters", ask=True)
    return Judged("different", "other words")


def _judge_trees(gold: _Read, answer: _Read, places: int) -> Judged:
    terms = Terms(f"{len(gold.text)}:{gold.text}:{answer.text}", places, Budget())
    said: set[Verdict] = set()
    try:
        for first, unit in gold.trees:
            for second, other in answer.trees:
                known = (_UNIT.get(unit), _UNIT.get(other))
                if None not in known and known[0] != known[1]:
                    said.add("different")
                else:
                    said.add(same(first, second, terms))
                if "equal" in said:
                    return Judged("equal")
    except CostError as error:
        return _over(gold, answer, error, places)
    return Judged("unknown", "not decided", ask=True) if "unknown" in said else Judged("different")


def _over(gold: _Read, answer: _Read, error: CostError, places: int) -> Judged:
    """Over the bounds while comparing: the gold alone, or else the answer is to blame."""
    if gold.text != answer.text:
        alone = Terms(gold.text, places, Budget())
        try:
            for tree, _ in gold.trees:
                same(tree, _ZERO, alone)
        except CostError:
            return Judged("unknown", f"the gold answer is over the bounds: {error}")
    return Judged("different", f"over the bounds: {error}")


def _read(text: str) -> _Read:
    shown = _collapsed(text[: 2 * LONGEST_ANSWER])
    refusals: list[UnreadError] = []
    try:
        tokens = tokens_of(text)
        if tokens and tokens[-1].text == ".":
            tokens = tokens[:-1]
    except UnreadError as refusal:
        return _Read(shown, fault=refusal.fault, reason=refusal.reason)
    if len(tokens) == 1 and tokens[0].kind == "text":
        return _read(tokens[0].text)
    trees = []
    for candidate, unit in _candidates(tokens):
        try:
            trees.append((tree_of(candidate), unit))
        except UnreadError as refusal:
            refusals.append(refusal)
    word = len(tokens) == 1 and tokens[0].kind in ("word", "letter")
    if trees:
        return _Read(shown, tuple(trees), word=word)
    worst = next((r for r in refusals if r.fault == "cost"), refusals[-1])
    fault = "words" if worst.fault == "form" and "\\" not in text else worst.fault
    return _Read(shown, fault=fault, reason=worst.reason, word=word)


def _candidates(tokens: Sequence[Token]) -> Iterator[tuple[Sequence[Token], str]]:
    """The tokens as they are; without words before `=`, `:` or `is`; without a unit at the end."""
    tokens = _without_lead(tokens)
    yield tokens, ""
    place = _unit_place(tokens)
    if 0 < place < len(tokens):
        yield tokens[:place], _unit(tokens[place:])


def _without_lead(tokens: Sequence[Token]) -> Sequence[Token]:
    """What stands after words such as `The area is` or `Area =`."""
    end = 0
    while end < len(tokens) and tokens[end].kind in ("word", "text", "letter"):
        end += 1
    words = [token for token in tokens[:end] if token.kind != "letter"]
    if not words or end == len(tokens):
        return tokens
    ends = tokens[end].text in ("=", ":")
    longer = any(token.kind == "text" or len(token.text) > LONGEST_PRODUCT for token in words)
    if ends and longer:
        return tokens[end + 1 :]
    return tokens[end:] if words[-1].text.lower().endswith("is") and not ends else tokens


def _unit_place(tokens: Sequence[Token]) -> int:
    """Where a unit at the end begins: words, with the powers and the bars that belong to them."""
    place, first = len(tokens), len(tokens)
    while place > 0:
        token = tokens[place - 1]
        known = token.kind == "letter" and token.text in _UNIT and (token.spaced or place > 1)
        if token.kind in ("word", "text") or known:
            first = place - 1
        elif not _belongs_to_unit(tokens, place - 1):
            break
        place -= 1
    letters = any(token.kind in ("letter", "word") for token in tokens[:first])
    bare = first < len(tokens) and tokens[first].kind != "text"
    return len(tokens) if bare and letters else first


def _belongs_to_unit(tokens: Sequence[Token], at: int) -> bool:
    token = tokens[at]
    if token.text in ("^", ".") or (
        token.text == "/" and at > 0 and tokens[at - 1].kind != "number"
    ):
        return True
    before = tokens[at - 1].text if at else ""
    exponent = token.kind == "number" and token.text in ("2", "3")
    return token.text in ("{", "}") or (exponent and before in ("^", "{"))


def _unit(tokens: Sequence[Token]) -> str:
    """A unit in the singular."""
    name = "".join(token.text for token in tokens)
    return name.removesuffix("s") if len(name) > 2 and name not in _UNIT else name


def _collapsed(text: str) -> str:
    """A text with single spaces, without the `$` around it and a period at its end."""
    bare = " ".join(text.split()).removesuffix(".")
    return bare.strip("$ ")


def _short(text: str) -> str:
    shown = text if len(text) <= 40 else f"{text[:37]}..."
    return ascii(shown)
