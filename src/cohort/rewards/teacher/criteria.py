"""Criteria out of a rubric in XML: a parser of this one tiny form, because the text is untrusted.

    <rubric><criterion>It names the dose.</criterion> ... </rubric>

The paper reads rubrics with an ordinary XML parser, and says nothing of those that are malformed. Here
nothing is declared, included or expanded: there are two tags without attributes, the five entities of
XML itself and numbered characters, and everything else in a rubric makes it malformed. Words around
the rubric do not count. A malformed one, or one with too few criteria, is a failure of the kind "rubric",
and the group has no reward from it; it is never a reward of 0.
"""

from __future__ import annotations

import re

from cohort.rewards.outcome import Failed

LONGEST_RUBRIC, LONGEST_CRITERION, MOST_CRITERIA = 1 << 16, 2000, 64
"""Characters, and how many there may be."""
OPEN, CLOSE = "<rubric>", "</rubric>"

_CRITERION = re.compile(r"\s*<criterion>([^<]*)</criterion>")
_ENTITY = re.compile(r"&(?:#([0-9]{1,7})|#x([0-9A-Fa-f]{1,6})|([a-z]{1,4}));")
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}


def criteria_in(text: str, fewest: int) -> tuple[str, ...] | Failed:
    """The criteria of the only rubric in a text, each once; or what is wrong with it."""
    if len(text) > LONGEST_RUBRIC:
        return _malformed(f"the rubric has {len(text):,} characters")
    if text.count(OPEN) != 1 or text.count(CLOSE) != 1:
        return _malformed("there is not one <rubric>…</rubric>")
    inside, closed, _ = text.partition(OPEN)[2].partition(CLOSE)
    if not closed:
        return _malformed("</rubric> stands before <rubric>")
    found, place = [], 0
    while match := _CRITERION.match(inside, place):
        found.append(match[1])
        place = match.end()
        if len(found) > MOST_CRITERIA:
            return _malformed(f"there are more than {MOST_CRITERIA} criteria")
    if inside[place:].strip():
        return _malformed("there is something else than <criterion>…</criterion> in it")
    return _read(found, fewest)


def _read(found: list[str], fewest: int) -> tuple[str, ...] | Failed:
    read = [_expanded(one) for one in found]
    known = [" ".join(one.split()) for one in read if one is not None]
    if len(known) < len(read):
        return _malformed("an entity in it is none of XML's own")
    distinct = tuple(dict.fromkeys(one for one in known if one))
    if any(len(one) > LONGEST_CRITERION for one in distinct):
        return _malformed(f"a criterion has more than {LONGEST_CRITERION:,} characters")
    if len(distinct) < fewest:
        return _malformed(f"it has {len(distinct)} different criteria, {fewest} were asked for")
    return distinct


def _expanded(text: str) -> str | None:
    """A text with its entities replaced, once; None where one is unknown."""
    parts, place = [], 0
    for match in _ENTITY.finditer(text):
        if "&" in text[place : match.start()]:
            return None
        character = _character(match)
        if character is None:
            return None
        parts += [text[place : match.start()], character]
        place = match.end()
    return None if "&" in text[place:] else "".join([*parts, text[place:]])


def _character(match: re.Match[str]) -> str | None:
    decimal, hexadecimal, name = match.groups()
    if name:
        return _NAMED.get(name)
    number = int(decimal) if decimal else int(hexadecimal, 16)
    if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
        return None
    character = chr(number)
    return character if character.isprintable() or character.isspace() else None


def _malformed(reason: str) -> Failed:
    return Failed("rubric", f"malformed rubric: {reason}")
