"""What a run is watched for: numbers that leave where they have been, said while they do.

Each watched metric is compared with its own recent past, by median and median absolute deviation,
which single odd steps do not move. What is outside for several steps in a row is said once, until it
is back. A level that is fine for one model is not for another, so none is built in; except for how
far the sampler is from the trainer, which is zero up to rounding where both have the same weights.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from statistics import median

WINDOW, FEWEST = 50, 20
"""Steps that are compared with, and how many there must be."""

FAR = 6.0
"""Robust deviations: the distance from the median, over 1.4826 times the median absolute deviation."""

IN_A_ROW = 3
LEAST_SHARE = 0.1
"""A change of less than this share of the median is none, however steady the past was."""

MISMATCH = "sampling/sampling_logp_difference/mean"
MOST_MISMATCH = {"float32": 1e-3, "bfloat16": 0.1}
"""Mean absolute difference of the sampler's log-probabilities from the trainer's, in nats."""

WATCHED = {
    "kl": ("KL to the reference", "up"),
    "entropy": ("entropy", "down"),
    "completions/mean_length": ("mean length of answers", "both"),
    "completions/clipped_ratio": ("share of answers that are cut", "up"),
    "frac_reward_zero_std": ("share of groups without signal", "up"),
    "grad_norm": ("norm of the gradient", "up"),
    "teacher/alike": ("share of groups whose answers are all the same", "up"),
}
"""What is watched, how it is called, and in which direction it is worth saying."""


class Trends:
    """Watches the steps of one stage."""

    def __init__(self, precision: str) -> None:
        """precision: of the weights, "float32" or "bfloat16"."""
        self._past: dict[str, deque[float]] = {name: deque(maxlen=WINDOW) for name in WATCHED}
        self._outside: dict[str, int] = {}
        self._most_mismatch = MOST_MISMATCH.get(precision, MOST_MISMATCH["bfloat16"])

    def see(self, metrics: Mapping[str, float]) -> list[str]:
        """A step is done; what is to be said of it, mostly nothing."""
        said = [self._mismatch(metrics[MISMATCH])] if MISMATCH in metrics else []
        said += [self._compared(name, metrics[name]) for name in WATCHED if name in metrics]
        return [line for line in said if line]

    def _mismatch(self, value: float) -> str:
        if not self._count(MISMATCH, value > self._most_mismatch, in_a_row=1):
            return ""
        return (
            f"the sampler's log-probabilities differ from the trainer's by {value:.3g} nats on "
            f"average, more than {self._most_mismatch:g}: they may not have the same weights"
        )

    def _compared(self, name: str, value: float) -> str:
        past = self._past[name]
        middle, far = 0.0, 0.0
        if len(past) >= FEWEST:
            middle = median(past)
            spread = 1.4826 * median(abs(one - middle) for one in past)
            far = (value - middle) / max(spread, LEAST_SHARE * abs(middle) / FAR, 1e-12)
        meaning, direction = WATCHED[name]
        outside = (far > FAR and direction != "down") or (far < -FAR and direction != "up")
        newly = self._count(name, outside, in_a_row=IN_A_ROW)
        if not outside:
            past.append(value)
        if not newly:
            return ""
        return f"the {meaning} is {value:.4g} where it had been about {middle:.4g}"

    def _count(self, name: str, outside: bool, *, in_a_row: int) -> bool:
        """Whether it has just been outside for so many steps in a row."""
        self._outside[name] = self._outside.get(name, 0) + 1 if outside else 0
        if self._outside[name] > WINDOW and name in self._past:  # this is how it is from here on
            self._past[name].clear()
        return self._outside[name] == in_a_row
