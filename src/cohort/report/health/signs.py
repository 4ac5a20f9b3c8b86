"""The diagnosis of a run: every sign asked of every stage, warnings first, the more telling ones first.

A sign is a pure function of what was seen of a stage; it says nothing where the run does not measure what it
needs. A sign that explains another one better takes its place (`EXPLAINS`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cohort.report.health import hacking, learning, machinery, teaching
from cohort.report.health.finding import Finding
from cohort.report.health.observed import Seen

Sign = Callable[[Seen], Finding | None]

SIGNS: dict[str, Sign] = {
    "not-finite": machinery.not_finite,
    "mismatch": machinery.mismatch,
    "rewards-fail": machinery.rewards_fail,
    "unscored": machinery.unscored,
    "length-hacked": hacking.length_hacked,
    "format-farmed": hacking.format_farmed,
    "no-held-out-gain": hacking.no_held_out_gain,
    "kl-blown": learning.kl_blown,
    "entropy-collapsed": learning.entropy_collapsed,
    "reward-fell": learning.reward_fell,
    "cut": machinery.cut,
    "too-hard": learning.too_hard,
    "too-easy": learning.too_easy,
    "clipped": learning.clipped,
    "reward-flat": learning.reward_flat,
    "answers-alike": teaching.answers_alike,
    "critic-blind": learning.critic_blind,
    "loss-rose": learning.loss_rose,
    "length-in-rewarded": hacking.length_in_rewarded,
    "solved": learning.solved,
    "loss-near-zero": learning.loss_near_zero,
    "no-held-out": hacking.no_held_out,
    "rewards-slow": machinery.rewards_slow,
}
"""Every sign by its name, the one that people should read first at the top."""

EXPLAINS: dict[str, tuple[str, ...]] = {
    "length-hacked": ("format-farmed", "no-held-out-gain", "length-in-rewarded"),
    "format-farmed": ("no-held-out-gain", "length-in-rewarded"),
    "mismatch": ("reward-fell", "kl-blown", "clipped"),
    "kl-blown": ("reward-fell", "entropy-collapsed"),
    "entropy-collapsed": ("reward-flat", "too-hard", "too-easy"),
    "rewards-fail": ("unscored", "reward-flat"),
    "too-hard": ("reward-flat", "reward-fell"),  # what falls there is chance
    "too-easy": ("reward-flat", "solved"),
    "reward-fell": ("no-held-out-gain",),
    "cut": ("reward-flat",),
}
"""What need not be said any more once a sign was."""


def diagnose(seen: Sequence[Seen]) -> list[Finding]:
    """What there is to say of a run: warnings before notes, in the order of SIGNS."""
    found: list[Finding] = []
    for stage in seen:
        own = {name: told for name, sign in SIGNS.items() if (told := sign(stage)) is not None}
        explained = {
            other
            for name, others in EXPLAINS.items()
            if name in own and own[name].level == "warning"
            for other in others
        }
        found += [told for name, told in own.items() if name not in explained]
    order = list(SIGNS)
    return sorted(found, key=lambda f: (f.level != "warning", order.index(f.name), -f.stage))
