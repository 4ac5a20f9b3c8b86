"""The names of the built-in rewards: what a recipe may write in `rewards`."""

from __future__ import annotations

from collections.abc import Callable

from cohort.rewards.form_rules import choice, json_form, matches, soft_format
from cohort.rewards.length_rules import cosine_length, overlong, repetition
from cohort.rewards.rules import correct, has_format, length, mentions
from cohort.rewards.text_rules import language, overlap

BUILT_IN: dict[str, Callable[..., object]] = {
    "correct": correct,
    "choice": choice,
    "overlap": overlap,
    "format": has_format,
    "soft_format": soft_format,
    "json": json_form,
    "matches": matches,
    "mentions": mentions,
    "language": language,
    "length": length,
    "overlong": overlong,
    "cosine_length": cosine_length,
    "repetition": repetition,
}
"""The names that a recipe may use, and their functions."""
