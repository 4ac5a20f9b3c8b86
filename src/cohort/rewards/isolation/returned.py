"""What a reward function returned, as plain JSON; and what that says of each rollout, checked.

A worker makes the JSON with `plain`, and it may be the work of a function gone wrong: `outcomes`
takes nothing in it for granted. A number, None, a list of (end, value) steps, or one of the values of
`rewards.outcome` is a reward; anything else is `Failed("invalid")`. Imports nothing of other packages,
since every worker imports it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeGuard

from cohort.rewards.outcome import KINDS, Failed, Outcome, Scored, Unscorable

Plain = Any
"""JSON: a number, null, or an object with one of the keys below."""

LONGEST_REASON = 600
"""Characters of a reason that are kept."""


def plain(returned: object) -> dict[str, Plain]:
    """What a function returned: {"values": [...]}, or {"odd": text} for what is no list of rewards."""
    if isinstance(returned, (str, bytes, dict)) or not hasattr(returned, "__len__"):
        return {"odd": seen(returned)}
    return {"values": [_plain(value) for value in list(returned)]}  # type: ignore[call-overload]


def _plain(value: object) -> Plain:
    """One value: a number, null, steps, unscorable, failed, or odd: what is shown of it."""
    match value:
        case None:
            return None
        case Scored():
            return _plain(value.value)
        case Unscorable():
            return {"unscorable": str(value.reason)}
        case Failed():
            return {"failed": [value.kind, str(value.reason), bool(value.retryable)]}
        case list() | tuple():
            return _plain_steps(value)
    number = _number(value)
    return {"odd": seen(value)} if number is None else number


def _plain_steps(value: Sequence[object]) -> Plain:
    steps = []
    for step in value:
        if not isinstance(step, (list, tuple)) or len(step) != 2 or not _is_place(step[0]):
            return {"odd": seen(value)}
        said = None if step[1] is None else _number(step[1])
        if said is None and step[1] is not None:
            return {"odd": seen(value)}
        steps.append([int(step[0]), said])
    return {"steps": steps}


def _is_place(end: object) -> TypeGuard[int]:
    return isinstance(end, int) and not isinstance(end, bool) and end >= 0


def _number(value: object) -> float | None:
    """A value as a float, NaN and infinity among them; None for what is no number."""
    if isinstance(value, (str, bytes)):
        return None
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None


def seen(value: object) -> str:
    """A value as a message shows it, short, with its type where that tells more."""
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - it is code of the user
        text = f"what cannot be shown ({type(error).__name__})"
    text = text if len(text) <= 40 else f"{text[:37]}..."
    return text if isinstance(value, (float, int, str)) else f"{text} ({type(value).__name__})"


def outcomes(
    found: Plain, count: int, span: tuple[float, float] | None = None
) -> list[Outcome] | Failed:
    """What the JSON says of each of `count` rollouts; Failed where it says nothing of any.

    span: the least and the most that a value may be.
    """
    if isinstance(found, dict) and isinstance(odd := found.get("odd"), str):
        return Failed("invalid", f"returned {odd[:LONGEST_REASON]}, not a list")
    values = found.get("values") if isinstance(found, dict) else None
    if not isinstance(values, list):
        return Failed("invalid", "returned what cannot be read")
    if len(values) != count:
        return Failed("invalid", f"returned {len(values)} values for {count} completions")
    return [_outcome(value, span) for value in values]


def _outcome(value: Plain, span: tuple[float, float] | None) -> Outcome:
    if value is None:
        return Unscorable("")
    if isinstance(value, dict) and len(value) == 1:
        return _special(value, span)
    number = _checked(value, span)
    return number if isinstance(number, Failed) else Scored(number)


def _special(value: dict[str, Plain], span: tuple[float, float] | None) -> Outcome:
    match value:
        case {"unscorable": str(reason)}:
            return Unscorable(reason[:LONGEST_REASON])
        case {"failed": [str(kind), str(reason), bool(retryable)]} if kind in KINDS:
            return Failed(kind, reason[:LONGEST_REASON], retryable)
        case {"odd": str(shown)}:
            return Failed("invalid", f"returned {shown[:LONGEST_REASON]}")
        case {"steps": list(steps)}:
            return _steps(steps, span)
    return Failed("invalid", "returned what cannot be read")


def _steps(steps: list[Plain], span: tuple[float, float] | None) -> Outcome:
    found = []
    for step in steps:
        if not isinstance(step, list) or len(step) != 2 or not _is_place(step[0]):
            return Failed("invalid", "returned what cannot be read")
        if step[1] is None:
            continue
        said = _checked(step[1], span)
        if isinstance(said, Failed):
            return said
        found.append((step[0], said))
    return Scored(tuple(sorted(found))) if found else Unscorable("it has no steps")


def _checked(value: Plain, span: tuple[float, float] | None) -> float | Failed:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return Failed("invalid", "returned what cannot be read")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        return Failed("invalid", f"returned {number}")
    if span is not None and not span[0] <= number <= span[1]:
        return Failed("invalid", f"returned {number:g}, outside of {span[0]:g} to {span[1]:g}")
    return number
