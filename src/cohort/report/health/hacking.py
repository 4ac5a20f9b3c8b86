"""Signs that a reward is had without what it stands for. They rest on held-out results, or say nothing.

A reward that rises is what training is for; only a measure that was not trained on can tell whether the
thing itself rose too. Where a run has no such measure, that is said instead.
"""

from __future__ import annotations

from cohort.report.health.finding import Finding
from cohort.report.health.observed import Seen

ROSE = 0.15
"""A reward that rose by this much, of 1 or of its size where that is more, rose so that one sees it."""

MOST_GAINED = 0.6
"""The share of that rise which held-out results have certainly not gained when they did not follow."""

LONGER = 1.4
"""How many times longer answers are when their length has grown."""

MEAN, PREFIX = "/mean", "rewards/"


def no_held_out_gain(seen: Seen) -> Finding | None:
    """The reward rises and the held-out accuracy does not."""
    if not _hollow(seen):
        return None
    return Finding(
        "no-held-out-gain",
        "warning",
        seen.stage,
        f"The reward rises ({_moved(seen, 'reward')}) and the held-out accuracy does not "
        f"({_held_out(seen)}).",
        "Read the best answers of the last groups: what do they do that the reward pays and you would not?",
        ("reward",),
        groups=True,
    )


def format_farmed(seen: Seen) -> Finding | None:
    """One reward function rises alone, and what is asked held out does not follow."""
    if not _hollow(seen):
        return None
    rise = {name: _rise(seen, name) for name in _parts(seen)}
    risen = {name: by for name, by in rise.items() if by >= ROSE}
    still = [name for name, by in rise.items() if by < ROSE / 3]
    if not risen or not still:
        return None
    first = max(risen, key=lambda name: risen[name])
    names = ", ".join(map(_short, still))
    return Finding(
        "format-farmed",
        "warning",
        seen.stage,
        f"What rises is {_short(first)} alone ({_moved(seen, first)}); {names} does not, nor the held-out "
        f"accuracy ({_held_out(seen)}).",
        f"Lower the weight of {_short(first)}, or pay it only where the answer is right; where right answers "
        "are rare, give easier problems first.",
        (first, *still, "reward"),
        groups=True,
    )


def length_hacked(seen: Seen) -> Finding | None:
    """Answers grow, the reward with them, and what is asked held out does not follow."""
    length = seen.get("completions/mean_length")
    if not _hollow(seen) or not length or length.late < LONGER * length.early:
        return None
    return Finding(
        "length-hacked",
        "warning",
        seen.stage,
        f"Answers grew from {length.early:.0f} to {length.late:.0f} tokens and the reward with them "
        f"({_moved(seen, 'reward')}), and the held-out accuracy did not ({_held_out(seen)}).",
        "See which reward pays for length; bound it (overlong shaping, a lower max_new_tokens).",
        ("completions/mean_length", "reward"),
        groups=True,
    )


def length_in_rewarded(seen: Seen) -> Finding | None:
    """Length grows only in rewarded answers: thinking pays, or length does; somebody should look."""
    first, last = seen.first, seen.last
    if not (first.better and first.worse and last.better and last.worse):
        return None
    if last.better < LONGER * first.better or last.worse > 1.1 * first.worse:
        return None
    return Finding(
        "length-in-rewarded",
        "note",
        seen.stage,
        f"Length grows only in rewarded answers: those above their group's mean have "
        f"{last.better:.0f} tokens (at the start {first.better:.0f}), those below it {last.worse:.0f} "
        f"(at the start {first.worse:.0f}).",
        "Where answers think, this is what thinking that pays looks like. Read two of them.",
        ("completions/mean_length", "reward"),
        groups=True,
    )


def no_held_out(seen: Seen) -> Finding | None:
    """Nothing can tell a hacked reward from progress."""
    if seen.kind != "reinforce" or (seen.before is not None and seen.after is not None):
        return None
    return Finding(
        "no-held-out",
        "note",
        seen.stage,
        "There are no held-out results from before and after this stage, so nothing here can tell progress "
        "from a reward that is had without it.",
        'Put a stage kind = "evaluate" before and after.',
    )


def _hollow(seen: Seen) -> bool:
    """Whether the reward rose so that one sees it, and what is asked held out did not follow.

    It did not follow where its gain may be chance, and the most it may be is small beside the rise.
    """
    before, after = seen.before, seen.after
    if seen.kind != "reinforce" or before is None or after is None:
        return False
    rise = _rise(seen, "reward")
    if rise < ROSE:
        return False
    gain = after.share - before.share
    error = 1.64 * (before.error**2 + after.error**2) ** 0.5
    return gain < max(error, 0.02) and gain + error < MOST_GAINED * rise


def _rise(seen: Seen, name: str) -> float:
    """How much a reward rose, of 1 or of its size where that is more; 0 where it may be chance."""
    own = seen.get(name)
    if len(own.values) < 6:
        return 0.0
    moved = own.late - own.early
    return moved / max(1.0, abs(own.late)) if moved > 3 * own.noise else 0.0


def _parts(seen: Seen) -> list[str]:
    return [n for n in seen.series if n.startswith(PREFIX) and n.endswith(MEAN)]


def _short(name: str) -> str:
    return name.removeprefix(PREFIX).removesuffix(MEAN)


def _moved(seen: Seen, name: str) -> str:
    own = seen.get(name)
    return f"{own.early:.3g} to {own.late:.3g}"


def _held_out(seen: Seen) -> str:
    assert seen.before is not None
    assert seen.after is not None
    return f"{seen.before.share:.1%} to {seen.after.share:.1%}"
