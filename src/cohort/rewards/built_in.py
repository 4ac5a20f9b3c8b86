"""The names of the built-in rewards: what a recipe may write in `rewards`."""

from __future__ import annotations

from collections.abc import Callable

from cohort.rewards.rules import correct, has_format, length, mentions

BUILT_IN: dict[str, Callable[..., object]] = {
    "correct": correct,
    "format": has_format,
    "length": length,
    "mentions": mentions,
}
"""The names that a recipe may use, and their functions."""
