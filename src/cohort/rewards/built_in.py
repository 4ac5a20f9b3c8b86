"""The names of the built-in rewards: what a recipe may write in `rewards`."""

from __future__ import annotations

from collections.abc import Callable

from cohort.rewards.classifier import classifier
from cohort.rewards.code.python import python
from cohort.rewards.code.rust import rust
from cohort.rewards.endpoint import endpoint
from cohort.rewards.form_rules import choice, json_form, matches, soft_format
from cohort.rewards.judge.judge import judge
from cohort.rewards.length_rules import cosine_length, overlong, repetition
from cohort.rewards.math.reward import equal_mathematics
from cohort.rewards.orchestra import orchestra
from cohort.rewards.rules import correct, has_format, length, mentions
from cohort.rewards.teacher.agreement import agrees
from cohort.rewards.teacher.rubric import rubric
from cohort.rewards.text_rules import language, overlap
from cohort.rewards.turn_rules import turns

BUILT_IN: dict[str, Callable[..., object]] = {
    "correct": correct,
    "math": equal_mathematics,
    "choice": choice,
    "overlap": overlap,
    "format": has_format,
    "soft_format": soft_format,
    "json": json_form,
    "matches": matches,
    "mentions": mentions,
    "python": python,
    "rust": rust,
    "classifier": classifier,
    "endpoint": endpoint,
    "judge": judge,
    "language": language,
    "length": length,
    "overlong": overlong,
    "cosine_length": cosine_length,
    "repetition": repetition,
    "orchestra": orchestra,
    "agrees": agrees,
    "rubric": rubric,
    "turns": turns,
}
"""The names that a recipe may use, and their functions."""
