"""Signs that the machinery and not the policy decides: limits, failures, two programs that disagree."""

from __future__ import annotations

from cohort.report.health.finding import Finding
from cohort.report.health.observed import Seen, Series

CUT = 0.1
"""The share of answers cut at the limit from which on the limit decides what is rewarded."""

FAILED, UNSCORED = 0.02, 0.05
"""Shares of a step's answers for which a reward failed, or that nobody could score."""

MISMATCH = 0.03
"""Nats between the sampler's and the trainer's log-probability of a token; rounding is far below."""

SAMPLE_LEFT = 0.7
SLOW = 0.5
"""The share of a step that its rewards take when they are slow."""

COUNTED = ("loss", "grad_norm", "reward")


def not_finite(seen: Seen) -> Finding | None:
    """Some steps had no number where there should be one."""
    names = [name for name in COUNTED if seen.get(name).gaps]
    if not names:
        return None
    return Finding(
        "not-finite",
        "warning",
        seen.stage,
        f"{', '.join(names)} had no finite value in some steps.",
        "Lower learning_rate; in low precision, train in float32 or bfloat16.",
        tuple(names),
    )


def mismatch(seen: Seen) -> Finding | None:
    """The sampler and the trainer do not agree about the same tokens."""
    apart = seen.get("sampling/sampling_logp_difference/mean")
    share = seen.get("sampling/effective_sample_share")
    if len(apart.values) < 3:
        return None
    few = len(share.values) >= 3 and share.late < SAMPLE_LEFT
    if apart.late < MISMATCH and not few:
        return None
    return Finding(
        "mismatch",
        "warning",
        seen.stage,
        f"The sampler and the trainer differ by {apart.late:.2g} nats a token: the policy learns from "
        "answers that are not its own.",
        "Sample in the precision that is trained in, check that weights reach the sampler, or turn on a "
        "correction for another sampler.",
        ("sampling/sampling_logp_difference/mean", "sampling/effective_sample_share"),
    )


def rewards_fail(seen: Seen) -> Finding | None:
    """A reward function fails for some answers."""
    worst: tuple[float, str, Series] | None = None
    for name, own in seen.series.items():
        if name.startswith("rewards/") and name.endswith("/failed") and len(own.values) >= 3:
            asked = own.late + sum(
                other.late
                for kind in ("scored", "unscorable")
                if (other := seen.get(name.removesuffix("failed") + kind))
            )
            share = own.late / asked if asked else 0.0
            if share >= FAILED and (worst is None or share > worst[0]):
                worst = share, name, own
    if worst is None:
        return None
    share, name, own = worst
    function = name.removeprefix("rewards/").removesuffix("/failed")
    step = next((s for s, v in zip(own.steps, own.values, strict=True) if v > 0), None)
    return Finding(
        "rewards-fail",
        "warning",
        seen.stage,
        f"The reward function {function} fails for {share:.0%} of the answers; they have no reward, and what "
        "is learned is learned from the others.",
        "Machine shows the kinds of failures, the groups their reasons; mend it, or raise its deadline.",
        (name, f"rewards/{function}/slowest_seconds"),
        step,
        groups=True,
    )


def unscored(seen: Seen) -> Finding | None:
    """Many answers have no score from anybody."""
    count = seen.get("unscored")
    scored = [
        own.late
        for name, own in seen.series.items()
        if name.startswith("rewards/") and name.endswith("/scored") and len(own.values) >= 3
    ]
    if len(count.values) < 3 or not scored or count.late < UNSCORED * (count.late + max(scored)):
        return None
    share = count.late / (count.late + max(scored))
    return Finding(
        "unscored",
        "warning",
        seen.stage,
        f"{share:.0%} of the answers have no score from any reward function, and they teach nothing.",
        "Let a reward function say something of every answer, or see in the groups why none does.",
        ("unscored",),
        groups=True,
    )


def cut(seen: Seen) -> Finding | None:
    """The limit of tokens ends answers that had not ended."""
    share = seen.get("completions/clipped_ratio")
    if len(share.values) < 3 or share.late < CUT:
        return None
    longest = seen.get("completions/max_length")
    at = f" of {max(longest.values):.0f} tokens" if longest else ""
    return Finding(
        "cut",
        "warning",
        seen.stage,
        f"{share.late:.0%} of the answers were cut at the limit{at}: the limit, and not the policy, decides "
        "what they are worth.",
        "Raise max_new_tokens, or leave cut answers out of what is learned from.",
        ("completions/clipped_ratio", "completions/mean_length"),
        groups=True,
    )


def rewards_slow(seen: Seen) -> Finding | None:
    """Most of a step is spent waiting for rewards."""
    own, parts = seen.get("time/rewards"), [n for n in seen.series if n.startswith("time/")]
    if len(own.values) < 3:
        return None
    whole = sum(seen.get(name).late for name in parts if len(seen.get(name).values) >= 3)
    if whole <= 0 or own.late < SLOW * whole:
        return None
    return Finding(
        "rewards-slow",
        "note",
        seen.stage,
        f"Rewards take {own.late / whole:.0%} of a step.",
        "Ask them in more workers at once, or a smaller judge first.",
        ("time/rewards", "time/sampling"),
    )
