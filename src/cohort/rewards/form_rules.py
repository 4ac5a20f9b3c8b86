"""Rewards for the form of an answer: its tags, JSON of a schema, a pattern, one of several choices.

A form is easily earned by a text that says nothing: give these a small weight beside a reward for
being right, or weight 0 to measure. Signature and arguments are as in `rules`. Every pattern of
Cohort here takes time in proportion to the text; a pattern of the user need not (see `matches`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from cohort.errors import RewardError, legible
from cohort.rewards.json_schema import NotJson, check_schema, is_valid, read_json
from cohort.rewards.reading import (
    CLOSE_ANSWER,
    CLOSE_THINK,
    OPEN_ANSWER,
    OPEN_THINK,
    Text,
    texts,
)

LONGEST_TEXT = 100_000
"""Characters; a longer text matches no pattern of the user and is no JSON."""

TAGS = (OPEN_THINK, CLOSE_THINK, OPEN_ANSWER, CLOSE_ANSWER)

_NAMED_CHOICE = re.compile(
    r"(?<!\w)[Aa]nswer(?: is)?[ :]{0,4}[*(]{0,3}([A-Za-z])(?=[*)]{0,3} {0,3}(?:[.,;:\n]|\Z))"
)


def soft_format(
    *, completions: Sequence[Text], prompts: Sequence[Text] | None = None, **_: object
) -> list[float]:
    """A quarter for each of the four tags of `<think>…</think><answer>…</answer>` at its place.

        1/4 sum over tags [occurs exactly once, and after the tag before it]

    The soft form of `format`, so that a model which writes some of the tags can learn the others;
    counting tags goes back to open replications of DeepSeek-R1 (arXiv:2501.12948, section 2.2.2,
    has the strict form alone). What stands between and around the tags does not count, so the four
    tags alone are worth 1.0. A prompt that ends with `<think>` has opened the section already.
    """
    return [_tags_at_their_place(text) / len(TAGS) for text in texts(prompts, completions)]


def json_form(
    *,
    completions: Sequence[Text],
    prompts: Sequence[Text] | None = None,
    schema: Mapping[str, Any] = MappingProxyType({}),
    **_: object,
) -> list[float]:
    """1.0 where the answer is one JSON document that satisfies the schema, else 0.0.

    The document is what the text is after its thinking, inside `<answer>` or a code fence where
    there is one, and nothing beside it. The keywords of a schema are those of JSON Schema 2020-12
    that `json_schema` names; another one is refused, for it would be ignored in silence. Without a
    schema any JSON is worth 1.0. NaN and names that occur twice are no JSON here.
    """
    check_schema(schema)
    return [float(_satisfies(document_in(text), schema)) for text in texts(prompts, completions)]


def matches(
    *,
    completions: Sequence[Text],
    prompts: Sequence[Text] | None = None,
    pattern: str = "",
    whole: bool = False,
    **_: object,
) -> list[float]:
    """1.0 where the pattern of the recipe is found in the text, else 0.0.

    The syntax is that of Python's `re`; a dot matches line breaks too. `whole`: all of the text
    must match. A text of more than 100,000 characters matches nothing. A pattern with nested
    repetition such as `(a+)+b` can take for ever on some text: nothing here prevents that. Reward
    functions run in workers with a deadline, which ends it and counts it as a failure.
    """
    if not pattern:
        raise RewardError(
            'reward "matches" has no pattern', 'matches = { weight = 0.1, pattern = "[0-9]+" }'
        )
    try:
        compiled = re.compile(pattern, re.DOTALL)
    except (re.error, RecursionError, OverflowError) as error:
        raise RewardError(
            f'reward "matches": the pattern {legible(pattern)} cannot be read: {error}',
            "the syntax is that of Python's re module",
        ) from error
    find = compiled.fullmatch if whole else compiled.search
    return [
        float(len(text) <= LONGEST_TEXT and find(text) is not None)
        for text in texts(prompts, completions)
    ]


def choice(
    *,
    completions: Sequence[Text],
    answer: Sequence[object],
    prompts: Sequence[Text] | None = None,
    **_: object,
) -> list[float | None]:
    """1.0 where the letter that was chosen is that of the column `answer`, else 0.0.

    The letter is all that the answer says (in `<answer>` or `\\boxed{}` where there is one): `B`,
    `(b)`, `B. Paris`; or else the last one named as `answer is B` or `Answer: (B)`. Two letters in
    an answer are no choice. A text that never stops thinking has none. None where the gold is not
    a letter: `B`, `(B)` and `B.` are. A guess among n choices is right once in n.
    """
    golds = [_letter(str(gold)) if gold is not None else None for gold in answer]
    return [
        None if gold is None else float(chosen_letter(text) == gold)
        for text, gold in zip(texts(prompts, completions), golds, strict=True)
    ]


def chosen_letter(text: str) -> str | None:
    """The upper-case letter that a text chooses; None where it chooses none."""
    part = said_in(text)
    if part is None:
        return None
    _, boxed, inside = part.rpartition("\\boxed{")
    alone = _letter(inside.partition("}")[0] if boxed else part)
    if alone is not None or boxed:
        return alone
    named = _NAMED_CHOICE.findall(part)
    return named[-1].upper() if named else None


def said_in(text: str) -> str | None:
    """What a text says when it has thought: inside its last answer section where it has one.

    None for a text that never stops thinking.
    """
    after = text.rpartition(CLOSE_THINK)[2]
    if OPEN_THINK in after:
        return None
    before, closed, _ = after.rpartition(CLOSE_ANSWER)
    _, opened, inside = before.rpartition(OPEN_ANSWER)
    return (inside if closed and opened else after).strip()


def document_in(text: str) -> str | None:
    """The text of the JSON document that an answer is: all it says, or what its only fence holds."""
    part = said_in(text)
    if part is None or len(part) > LONGEST_TEXT:
        return None
    first, _, rest = part.partition("\n")
    fenced = first.rstrip() in ("```", "```json") and rest.endswith("```")
    return rest.removesuffix("```") if fenced else part


def _satisfies(document: str | None, schema: Mapping[str, Any]) -> bool:
    if document is None:
        return False
    try:
        return is_valid(read_json(document), schema)
    except (NotJson, RecursionError):
        return False


def _tags_at_their_place(text: str) -> int:
    places = [text.find(tag) if text.count(tag) == 1 else -1 for tag in TAGS]
    reached, held = -1, 0
    for place in places:
        if place > reached:
            reached, held = place, held + 1
    return held


def _letter(text: str) -> str | None:
    """The letter of `B`, `(B)`, `B)`, `B.` or `B. what it stands for`; None for any other text."""
    bare = text.strip().lstrip("*([ ")
    if not bare[:1].isalpha() or not bare[0].isascii():
        return None
    label, rest = bare[0].upper(), bare[1:].lstrip("*")
    if not rest.strip("*)].: "):
        return label
    stands_for = rest[1:].strip()
    return label if rest[0] in ").:" and _letter_alone(stands_for) is None else None


def _letter_alone(text: str) -> str | None:
    """The letter that a text is but for brackets and marks: `A. B` and `A) (B)` choose two."""
    bare = text.strip("*()[].: ")
    return bare if len(bare) == 1 and bare.isalpha() else None
