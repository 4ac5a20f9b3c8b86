"""What a table prints is what it computes: each equation again, for one token, in plain numbers.

Every token is a rollout of its own, so a product or a mean over a rollout is the token itself. The
numbers are such that every bound is passed by some tokens and not by others, and no two are equal.
"""

import math
from itertools import cycle, product
from typing import NamedTuple

import pytest
import torch

from cohort.objective.choices import PARAMETERS
from cohort.objective.choices_beside_loss import CORRECTIONS
from cohort.objective.choices_of_loss import KL, SURROGATES, Tokens
from tests.numbers import F64

READ = {
    "clip_low": 0.2,
    "clip_high": 0.3,
    "log_clip_low": 0.25,
    "log_clip_high": 0.45,
    "loss_cap": 1.7,
    "ratio_max": 1.4,
    "ratio_low": 0.6,
    "ratio_high": 2.3,
    "tau_positive": 1.1,
    "tau_negative": 2.2,
    "tau": 0.13,
    "region": 0.15,
    "half_life_tokens": 2.0,
    "outlier_ratio": 6.0,
    "correction_cap": 1.3,
    "correction_low": 0.75,
    "correction_high": 1.9,
    "divergence_max": 0.1,
    "drift": 0.35,
}
"""The recipe's numbers; the equations below have them written in."""


class Token(NamedTuple):
    """Probabilities under the policy, the old one, the sampler, whichever is compared with, the reference."""

    p: float
    old: float
    mu: float
    then: float
    ref: float
    A: float

    @property
    def rho(self) -> float:
        return self.p / self.then

    @property
    def w(self) -> float:
        return self.old / self.mu


PAIRS = product((0.9, 0.4, 0.2, 0.3), (0.85, 0.44, 0.2, 0.1), (1.5, -0.8))
OTHERS = cycle(product((0.3, 0.6, 0.8), (0.45, 0.7), (0.25, 0.5, 0.35)))
TOKENS = [
    Token(p, old, mu, then, ref, A)
    for (p, then, A), (old, mu, ref) in zip(PAIRS, OTHERS, strict=False)
]


def clamp(x, low, high):
    return min(max(x, low), high)


def clip(t):
    return -min(t.rho * t.A, clamp(t.rho, 0.8, 1.3) * t.A)


def near(t, distance):
    """Within the region, or pulled back into it."""
    return distance <= 0.15 or (t.p - t.then) * t.A < 0


def change(t):
    return abs(t.p - t.then)


def divergence(t):
    m, p = t.then, t.p
    return m * math.log(m / p) + (1 - m) * math.log((1 - m) / (1 - p))


def weighed(t, weight):
    return -weight * t.A * math.log(t.p)


def square(t):
    return math.log(t.rho) ** 2


def gate(t):
    tau = 1.1 if t.A > 0 else 2.2
    return -4 / tau / (1 + math.exp(-tau * (t.rho - 1))) * t.A


def limited(t):
    return min(math.log(t.rho), 0.45) if t.A > 0 else max(math.log(t.rho), -0.25)


def kernel(t):
    k, decay = (2, 3) if t.A >= 0 else (3, 2)
    return t.rho**k * math.exp(decay * (1 - t.rho))


def future(t):
    weight = clamp(t.rho if t.rho <= 6.0 else 1.0, 1.0, 1.2)
    return clamp(weight, 0.8, 1.0) if t.A < 0 and t.rho > 4.0 else weight


def k3(t):
    return t.ref / t.p - math.log(t.ref / t.p) - 1


SURROGATE_EQUATIONS = {
    "clip": clip,
    "dual-clip": lambda t: min(clip(t), -1.7 * t.A) if t.A < 0 else clip(t),
    "two-sided": lambda t: -min(min(t.rho, 1.4) * t.A, clamp(t.rho, 0.8, 1.3) * t.A),
    "ratio": lambda t: -t.rho * t.A,
    "log-probability": lambda t: weighed(t, 1.0),
    "soft-gate": gate,
    "sequence-clip": clip,
    "sequence-clip-by-token": clip,
    "geometric-mean": lambda t: -t.A * math.exp(limited(t)),
    "capped-ratio": lambda t: weighed(t, min(t.rho, 1.4)),
    "ratio-in-interval": lambda t: weighed(t, t.rho) if 0.6 < t.rho < 2.3 else 0.0,
    "tapered": lambda t: weighed(t, 1.0 if t.A > 0 else min(t.rho, 1.0)),
    "kernel": lambda t: weighed(t, kernel(t)),
    "probability-region": lambda t: weighed(t, min(t.rho, 1.4) * near(t, change(t))),
    "divergence-region": lambda t: weighed(t, min(t.rho, 1.4) * near(t, divergence(t))),
    "region-and-square": lambda t: -near(t, change(t)) * t.rho * t.A + 0.13 * square(t),
    "square": lambda t: weighed(t, 1.0) + 0.13 / 2 * square(t),
    "sequence-square": lambda t: weighed(t, 1.0) + 0.13 / 2 * square(t),
    "clip-and-square": lambda t: (
        -clamp(t.rho, math.exp(-0.25), math.exp(0.45)) * t.A + 0.13 * square(t)
    ),
    "future-weighted": lambda t: future(t) * clip(t),
}
KL_EQUATIONS = {
    "k2": lambda t: math.log(t.p / t.ref) ** 2 / 2,
    "k3": k3,
    "k3-straight-through": k3,
    "unbiased-k3": lambda t: t.rho * k3(t),
}
CORRECTION_EQUATIONS = {
    "importance": lambda t: t.w,
    "token-truncated": lambda t: min(t.w, 1.3),
    "sequence-truncated": lambda t: min(t.w, 1.3),
    "token-masked": lambda t: t.w if 0.75 <= t.w <= 1.9 else 0.0,
    "sequence-masked": lambda t: t.w if t.w <= 1.9 else 0.0,
    "geometric-rejection": lambda t: float(0.75 <= t.w <= 1.9),
    "divergence-rejection": lambda t: float(t.w - 1 - math.log(t.w) <= 0.1),
    "off-policy-mask": lambda t: float(not (t.A < 0 and math.log(t.mu / t.p) > 0.35)),
}
TABLES = {
    "surrogate": (SURROGATES, SURROGATE_EQUATIONS),
    "kl": (KL, KL_EQUATIONS),
    "correction": (CORRECTIONS, CORRECTION_EQUATIONS),
}


def given():
    p, old, mu, then, ref, A = (F64(column) for column in zip(*TOKENS, strict=True))
    return Tokens(
        logprobs=p.log(),
        entropies=p,
        old=old.log(),
        sampler=mu.log(),
        then=then.log(),
        advantages=A,
        weights=torch.ones_like(A),
        rollout=torch.arange(len(A)),
        reference=ref.log(),
    )


@pytest.mark.parametrize(
    ("table", "name"), [(table, name) for table in TABLES for name in TABLES[table][1]]
)
def test_an_entry_computes_the_equation_that_it_prints(table, name):
    choices, equations = TABLES[table]
    values = {key: READ[key] for key in choices[name].parameters}
    expected = F64([equations[name](token) for token in TOKENS])
    torch.testing.assert_close(choices[name](given(), values), expected)


@pytest.mark.parametrize("table", TABLES)
def test_no_entry_that_computes_something_is_left_out(table):
    choices, equations = TABLES[table]
    assert equations.keys() == {name for name, choice in choices.items() if choice.function}


def test_the_numbers_are_allowed():
    assert all(
        PARAMETERS[key].least <= value <= PARAMETERS[key].most for key, value in READ.items()
    )
