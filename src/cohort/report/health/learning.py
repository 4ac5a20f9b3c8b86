"""Signs of how the policy learns: too fast, not at all, or nothing left to learn."""

from __future__ import annotations

from cohort.report.health.finding import Finding
from cohort.report.health.observed import Seen, Series

REINFORCE = "reinforce"

KL_GREW, KL_FLOOR, KL_STEPS = 10.0, 0.03, 20
"""A KL that grows so many times within so many steps, from this floor (nats) where it was lower."""

ENTROPY_LEFT, ENTROPY_FLOOR = 0.15, 0.1
"""Less than this share of the early entropy, and less than so many nats, is a collapse."""

FELL = 0.4
"""The share of its range that a reward has lost when it fell."""

SPREADLESS = 0.7
"""Groups without spread from which on most of the work teaches nothing."""

CLIPPED = 0.2
LEAST_STEPS = 30
"""Steps before which nobody should expect a reward to rise."""


def kl_blown(seen: Seen) -> Finding | None:
    """The policy leaves the reference within a few steps."""
    kl = seen.get("kl")
    worst = _jump(kl)
    if seen.kind != REINFORCE or worst is None:
        return None
    begin, end, times = worst
    return Finding(
        "kl-blown",
        "warning",
        seen.stage,
        f"KL grew {_times(times)} between steps {begin} and {end}: the policy is leaving what it was.",
        "Lower learning_rate (a third is a good try), or raise the weight of the KL term, beta.",
        ("kl", "grad_norm", "entropy"),
        end,
    )


def _jump(kl: Series) -> tuple[int, int, float] | None:
    """The largest growth within KL_STEPS steps: from, to, how many times; None where it is small."""
    best: tuple[int, int, float] | None = None
    for here in range(len(kl.values)):
        there = here
        while there + 1 < len(kl.values) and kl.steps[there + 1] - kl.steps[here] <= KL_STEPS:
            there += 1
        times = kl.values[there] / max(kl.values[here], KL_FLOOR)
        if there > here and times >= KL_GREW and (best is None or times > best[2]):
            best = kl.steps[here], kl.steps[there], times
    return best


def _times(times: float) -> str:
    return "tenfold" if times < 15 else f"{times:.0f} times"


def entropy_collapsed(seen: Seen) -> Finding | None:
    """The policy has stopped exploring, and not because everything is solved."""
    entropy = seen.get("entropy")
    if seen.kind != REINFORCE or len(entropy.values) < 6:
        return None
    gone = entropy.late < ENTROPY_LEFT * entropy.early and entropy.late < ENTROPY_FLOOR
    if not gone or _at_top(seen):
        return None
    low = ENTROPY_LEFT * entropy.early
    step = next(s for s, v in zip(entropy.steps, entropy.values, strict=True) if v < low)
    return Finding(
        "entropy-collapsed",
        "warning",
        seen.stage,
        f"Entropy fell from {entropy.early:.2g} to {entropy.late:.2g} nats per token, and the reward has not "
        "reached its top: the policy says the same thing every time.",
        "Raise clip_high, add an entropy bonus or a KL term, or lower learning_rate; see the groups: their "
        "answers are alike.",
        ("entropy", "reward", "frac_reward_zero_std"),
        step,
        groups=True,
    )


def _at_top(seen: Seen) -> bool:
    """Whether the last groups are mostly answered as well as any answer that was seen."""
    last = seen.last
    return last.groups > 0 and last.easy >= 0.5 * last.groups and last.hard <= 0.1 * last.groups


def reward_fell(seen: Seen) -> Finding | None:
    """The reward was better before."""
    reward = seen.get("reward")
    if seen.kind != REINFORCE or len(reward.values) < 12:
        return None
    smooth = _smoothed(reward)
    top = max(range(len(smooth)), key=smooth.__getitem__)
    span = max(smooth) - min(smooth)
    lost = smooth[top] - reward.late
    if span <= 0 or lost < FELL * span or lost < 4 * reward.noise or lost < 0.05 * abs(smooth[top]):
        return None
    return Finding(
        "reward-fell",
        "warning",
        seen.stage,
        f"The reward fell from {smooth[top]:.3g} around step {reward.steps[top]} to {reward.late:.3g}.",
        "Go back to a checkpoint from before and lower learning_rate; see what grad_norm and KL did there.",
        ("reward", "grad_norm", "kl"),
        reward.steps[top],
    )


def _smoothed(series: Series) -> list[float]:
    """Means over a sliding tenth of the series."""
    width = max(3, len(series.values) // 10)
    starts = (max(0, i - width + 1) for i in range(len(series.values)))
    return [sum(series.values[a : i + 1]) / (i + 1 - a) for i, a in enumerate(starts)]


def too_hard(seen: Seen) -> Finding | None:
    """Most groups have no spread because no answer is right, and it was so from the beginning."""
    flat = seen.get("frac_reward_zero_std")
    if seen.kind != REINFORCE or len(flat.values) < 3 or flat.late < SPREADLESS:
        return None
    if seen.last.hard < seen.last.easy or flat.early < 0.75 * SPREADLESS:
        return None
    return Finding(
        "too-hard",
        "warning",
        seen.stage,
        f"{flat.late:.0%} of the groups have no spread, most of them because every answer failed: the "
        "problems are too hard for this policy, and nothing is learned from them.",
        "Give easier problems, more answers to each (rollouts_per_prompt), or a supervised stage before.",
        ("frac_reward_zero_std", "reward", "reward_std"),
        groups=True,
    )


def _knows_right(seen: Seen) -> bool:
    """Whether a reward of the stage says what is right, which no teacher does."""
    return seen.kind == REINFORCE and not seen.get("teacher/alike")


def too_easy(seen: Seen) -> Finding | None:
    """Most groups have no spread because every answer is right, and it was so from the beginning."""
    flat = seen.get("frac_reward_zero_std")
    if not _knows_right(seen) or len(flat.values) < 3 or flat.late < SPREADLESS:
        return None
    if seen.last.hard >= seen.last.easy or flat.early < 0.75 * SPREADLESS:
        return None
    return Finding(
        "too-easy",
        "warning",
        seen.stage,
        f"{flat.late:.0%} of the groups have no spread, most of them because every answer is right: the "
        "problems are too easy, and nothing is learned from them.",
        'Give harder problems, or let groups = "refill" look for those that teach something.',
        ("frac_reward_zero_std", "reward", "reward_std"),
        groups=True,
    )


def solved(seen: Seen) -> Finding | None:
    """Groups have lost their spread because the policy has learned what there was."""
    flat = seen.get("frac_reward_zero_std")
    if not _knows_right(seen) or len(flat.values) < 3 or flat.late < SPREADLESS:
        return None
    if seen.last.hard >= seen.last.easy or flat.early >= 0.75 * SPREADLESS:
        return None
    return Finding(
        "solved",
        "note",
        seen.stage,
        f"{flat.late:.0%} of the groups have no spread because every answer is right, {flat.early:.0%} at "
        "the start: these problems are solved.",
        "Stop here, or go on with harder problems.",
        ("frac_reward_zero_std", "reward"),
        groups=True,
    )


def clipped(seen: Seen) -> Finding | None:
    """Many tokens are at the clip: a step goes too far."""
    share = seen.get("clip_ratio/region_mean")
    if seen.kind != REINFORCE or not share or len(share.values) < 3 or share.late < CLIPPED:
        return None
    return Finding(
        "clipped",
        "warning",
        seen.stage,
        f"{share.late:.0%} of the tokens are clipped: a step moves the policy further than it may.",
        "Fewer updates per step, or a lower learning_rate.",
        ("clip_ratio/region_mean", "kl", "grad_norm"),
    )


def reward_flat(seen: Seen) -> Finding | None:
    """Nothing is learned, although groups have a spread to learn from."""
    reward, flat = seen.get("reward"), seen.get("frac_reward_zero_std")
    if seen.kind != REINFORCE or seen.done < LEAST_STEPS or len(reward.values) < 12:
        return None
    moved = abs(reward.late - reward.early)
    spread = seen.get("reward_std")
    lives = bool(flat) and flat.late < SPREADLESS and bool(spread) and spread.late > 0
    if not lives or moved > max(2 * reward.noise, 0.1 * spread.late) or _at_top(seen):
        return None
    return Finding(
        "reward-flat",
        "warning",
        seen.stage,
        f"After {seen.done} steps the reward is where it was ({reward.early:.3g}, then {reward.late:.3g}), "
        "although the groups have a spread to learn from.",
        "Raise learning_rate, or see in the groups whether the reward tells good answers from bad ones.",
        ("reward", "reward_std", "grad_norm"),
        groups=True,
    )


def critic_blind(seen: Seen) -> Finding | None:
    """The critic foresees less than its own mean would."""
    explained = seen.get("val/explained_variance")
    if len(explained.values) < 10 or explained.late > -0.05:
        return None
    return Finding(
        "critic-blind",
        "warning",
        seen.stage,
        f"The critic explains {explained.late:.2f} of the variance of what came: a constant would do better.",
        "Train the critic longer before the policy moves, or raise its learning rate.",
        ("val/explained_variance", "loss/value_avg"),
    )


def loss_rose(seen: Seen) -> Finding | None:
    """A supervised stage ends worse than it began."""
    loss = seen.get("loss")
    if seen.kind != "supervised" or len(loss.values) < 12:
        return None
    if loss.late <= loss.early + 3 * loss.noise:
        return None
    return Finding(
        "loss-rose",
        "warning",
        seen.stage,
        f"The loss rose from {loss.early:.3g} to {loss.late:.3g} nats per token.",
        "Lower learning_rate; a spike of grad_norm shows where it began.",
        ("loss", "grad_norm"),
    )


def loss_near_zero(seen: Seen) -> Finding | None:
    """Explains the question that is asked most often."""
    loss, share = seen.get("loss"), seen.get("clip_ratio/region_mean")
    if seen.kind != REINFORCE or len(loss.values) < 3:
        return None
    if max(abs(value) for value in loss.values) > 0.1 or any(share.values):
        return None
    return Finding(
        "loss-near-zero",
        "note",
        seen.stage,
        "The loss is near 0 by construction: one update per step, and the advantages of a group cancel. It "
        "says nothing about progress.",
        "Look at the reward.",
        ("loss", "reward"),
    )
