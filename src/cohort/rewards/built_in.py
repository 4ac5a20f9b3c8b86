"""The names of the built-in rewards: what a recipe may write in `rewards`."""

from __future__ import annotations

from collections.abc import Callable

from cohort.rewards.classifier import classifier
from cohort.rewards.code.python import python
from cohort.rewards.code.rust import rust
from cohort.rewards.endpoint import endpoint
from cohort.rewards.judge.judge import judge
from cohort.rewards.math.reward import equal_mathematics
from cohort.rewards.rules import correct, has_format, length, mentions

BUILT_IN: dict[str, Callable[..., object]] = {
    "correct": correct,
    "math": equal_mathematics,
    "format": has_format,
    "length": length,
    "mentions": mentions,
    "python": python,
    "rust": rust,
    "classifier": classifier,
    "endpoint": endpoint,
    "judge": judge,
}
"""The names that a recipe may use, and their functions."""
