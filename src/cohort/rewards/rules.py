"""The built-in rewards: rules that read an answer's text. No model judges, nothing is executed.

Every function has TRL's signature: keyword arguments only, `completions` and what else it reads as
lists of equal length, any other column swallowed; one float per completion comes back, or None for
"cannot say". Parameters with a default are arguments that a recipe may set; parameters without one
are columns that the problems must have.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from cohort.rewards.reading import Text, found_answer, text_of, texts

LONGEST_NUMBER = 60
"""Characters from which on a text is no longer read as a number."""

_THOUSANDS = re.compile(r"(?<![0-9,.])[0-9]{1,3}(?:,[0-9]{3})+(?![0-9,])")
_PLAIN_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:/[0-9]+)?")
_WHOLE_FORM = re.compile(r"\s*<think>(.*?)</think>\s*<answer>(.*?)</answer>\s*", re.DOTALL)


def correct(
    *,
    completions: Sequence[Text],
    answer: Sequence[object],
    prompts: Sequence[Text] | None = None,
    **_: object,
) -> list[float | None]:
    """1.0 where the completion's answer equals the column `answer`, else 0.0; None without a gold.

    How the answer is found: `reading.found_answer`. The gold may hold a whole solution that ends
    in `#### 18`. The two are compared as text (case, spaces, a final period and a surrounding `$`
    do not count), or else as exact numbers, without thousands separators, `$` and `%`.
    """
    golds = [None if gold is None else _gold(str(gold)) for gold in answer]
    return [
        None if gold is None else float(_same(found_answer(text), gold))
        for text, gold in zip(texts(prompts, completions), golds, strict=True)
    ]


def has_format(
    *, completions: Sequence[Text], prompts: Sequence[Text] | None = None, **_: object
) -> list[float]:
    """1.0 where the completion is `<think>…</think><answer>…</answer>` and nothing else, else 0.0.

    Each tag once, whitespace allowed around and between the two sections. A prompt that ends with
    `<think>` has opened the section already.
    """
    return [float(_has_whole_form(text)) for text in texts(prompts, completions)]


def length(*, completions: Sequence[Text], words: int = 20, **_: object) -> list[float]:
    """-|words - number of words|, words being what whitespace separates."""
    return [-float(abs(words - len(text_of(completion).split()))) for completion in completions]


def mentions(*, completions: Sequence[Text], word: str = "happy", **_: object) -> list[float]:
    """1.0 where the word (or phrase) occurs as a whole, upper or lower case, else 0.0."""
    pattern = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)
    return [float(pattern.search(text_of(completion)) is not None) for completion in completions]


def number_in(text: str) -> Fraction | None:
    """The exact number that a text is, or None: `1,234.5`, `$18`, `-3/4`, `50%` (read as 50)."""
    bare = text.strip().replace("$", "").removesuffix("%").strip()
    if len(bare) > LONGEST_NUMBER:
        return None
    bare = _THOUSANDS.sub(lambda match: match.group().replace(",", ""), bare)
    if not _PLAIN_NUMBER.fullmatch(bare):
        return None
    above, _, below = bare.partition("/")
    if below and not int(below):
        return None
    return Fraction(above) / int(below or "1")


def _gold(column: str) -> str:
    """The gold answer of a column: what follows the last `####` or is boxed, else all of it."""
    marked = "####" in column or "\\boxed{" in column
    return (found_answer(column) if marked else None) or column


def _same(given: str | None, gold: str) -> bool:
    if given is None:
        return False
    if _normal(given) == _normal(gold):
        return True
    number = number_in(given)
    return number is not None and number == number_in(gold)


def _normal(text: str) -> str:
    bare = " ".join(text.split()).casefold().removesuffix(".")
    return bare[1:-1].strip() if len(bare) > 2 and bare[0] == bare[-1] == "$" else bare


def _has_whole_form(text: str) -> bool:
    tags = ("<think>", "</think>", "<answer>", "</answer>")
    once = all(text.count(tag) == 1 for tag in tags)  # or the pattern takes quadratic time
    return once and _WHOLE_FORM.fullmatch(text) is not None
