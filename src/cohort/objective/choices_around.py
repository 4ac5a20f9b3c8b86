"""What belongs to a method and stands around its loss: which groups and answers count, and what the
policy is held to. What is done for each is `train`'s; here are their names and what they read."""

from __future__ import annotations

from cohort.objective.choices import Choice
from cohort.objective.selection import has_signal, has_spread

_OF_GROUP = ("rewards", "group")

BEHAVIOURS: dict[str, Choice] = {
    "old": Choice("rho = pi / pi_old, the trainer's own before the first update"),
    "sampler": Choice("rho = pi / mu, of whatever sampled; the mismatch is in the ratio"),
}
"""What the ratio is against."""

GROUPS: dict[str, Choice] = {
    "all": Choice("every group counts, also one whose rewards are equal"),
    "with-signal": Choice(
        "groups whose rewards are equal up to rounding are left out of every count",
        has_signal,
        _OF_GROUP,
    ),
    "with-spread": Choice(
        "groups whose std_group(r) is below least_spread are left out of every count",
        has_spread,
        _OF_GROUP,
        reads={"least": "least_spread", "correction": "deviation"},
    ),
    "refill": Choice(
        "as with-signal, and further problems are sampled until there are prompts_per_step groups",
        has_signal,
        _OF_GROUP,
        also_reads=("refill_rounds",),
    ),
}
"""Which groups are learned from: dynamic sampling."""

OVERLONG: dict[str, Choice] = {
    "count": Choice("an answer cut at max_new_tokens counts like any other"),
    "mask": Choice("an answer cut at max_new_tokens is left out of every count"),
    "penalty": Choice(
        "r + 0, falling to -1 over the last overlong_margin of max_new_tokens",
        also_reads=("overlong_margin",),
    ),
}
"""What becomes of answers that are too long."""

REFERENCES: dict[str, Choice] = {
    "frozen": Choice("the policy as the stage found it"),
    "reset": Choice(
        "the policy of the last multiple of reference_every", also_reads=("reference_every",)
    ),
    "moving-average": Choice(
        "reference_rate policy + (1 - reference_rate) reference, every reference_every steps",
        also_reads=("reference_every", "reference_rate"),
    ),
}
"""What the KL term holds the policy to; read where beta is not 0."""

ADAPTIVE: dict[str, Choice] = {
    "fixed": Choice("beta stays"),
    "proportional": Choice(
        "beta (1 + kl_gain e),  e = clip(KL / kl_target - 1, -0.2, 0.2)",
        also_reads=("kl_target", "kl_gain"),
    ),
    "horizon": Choice(
        "beta (1 + rollouts / kl_horizon e),  e = clip(KL / kl_target - 1, -0.2, 0.2)",
        also_reads=("kl_target", "kl_horizon"),
    ),
    "doubling": Choice(
        "beta / 2 below kl_target / 1.5, 2 beta above 1.5 kl_target", also_reads=("kl_target",)
    ),
}
"""How beta follows the measured KL; read where beta is not 0."""
