"""What `cohort synthesize` says: a table of rules with intervals, and where the synthesis differs.

Pure functions of verdicts. Intervals are at 95 %; shares of few cases have wide ones, and of none there
is no number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cohort.report.statistics import clustered_share_interval, mean, wilson_interval

SYNTHESIS, MAJORITY, SINGLE = "synthesis", "majority", "single"


@dataclass(frozen=True, slots=True)
class Taken:
    """One problem: which answers are right, and what each rule took.

    rollouts: of the sampled answers, None where nobody can say. right, classes: the same and the final
    answer of each as a number, the synthesis behind them where there is one. picks: a place among
    those, None where the rule took nothing.
    """

    rollouts: Sequence[bool | None]
    right: Sequence[bool | None]
    classes: Sequence[int | None]
    picks: Mapping[str, int | None]

    def is_right(self, rule: str) -> bool:
        """Whether what a rule took is right; nothing is wrong."""
        place = self.picks[rule]
        return place is not None and bool(self.right[place])

    def answer(self, rule: str) -> int | None:
        """The final answer that a rule took."""
        place = self.picks[rule]
        return None if place is None else self.classes[place]


def summarize_synthesis(taken: Sequence[Taken]) -> dict[str, Any]:
    """Every rule's share of right answers; where the synthesis differs; when all answers are wrong.

    Problems of which an answer could not be judged do not count, and `unscored` says how many they are.
    """
    known = [one for one in taken if None not in one.right]
    summary: dict[str, Any] = {"problems": len(known), "unscored": len(taken) - len(known)}
    if not known:
        return summary | {"rules": {}}
    shares = [mean([float(bool(right)) for right in one.rollouts]) for one in known]
    answers = sum(len(one.rollouts) for one in known)
    single = {
        "right": mean(shares),
        "interval": list(clustered_share_interval(shares, answers)),
        "abstained": 0,
    }
    rules = {SINGLE: single} | {name: _rule(known, name) for name in known[0].picks}
    for other in (MAJORITY, "self-chosen"):
        summary[f"differs from {other}"] = _differing(known, other)
    wrong = [one for one in known if not any(one.rollouts)]
    summary["all answers wrong"] = {
        "share": _share(len(wrong), len(known)),
        "synthesis right": _share(sum(one.is_right(SYNTHESIS) for one in wrong), len(wrong)),
    }
    return summary | {"rules": rules}


def _rule(known: Sequence[Taken], name: str) -> dict[str, Any]:
    right = [one.is_right(name) for one in known]
    return {
        "right": mean([float(own) for own in right]),
        "interval": list(wilson_interval(sum(right), len(right))),
        "abstained": sum(one.picks[name] is None for one in known),
    }


def _differing(known: Iterable[Taken], other: str) -> dict[str, Any]:
    """Of problems about which both say something: how often they differ, and who is right then."""
    both = [one for one in known if None not in (one.answer(SYNTHESIS), one.answer(other))]
    apart = [one for one in both if one.answer(SYNTHESIS) != one.answer(other)]
    return {
        "share": _share(len(apart), len(both)),
        "synthesis right": _share(sum(one.is_right(SYNTHESIS) for one in apart), len(apart)),
        f"{other} right": _share(sum(one.is_right(other) for one in apart), len(apart)),
    }


def _share(part: int, whole: int) -> dict[str, Any] | None:
    """A share with its interval, and of how many; None of none."""
    if not whole:
        return None
    low, high = wilson_interval(part, whole)
    return {"share": part / whole, "interval": [low, high], "of": whole}


def columns_of(summary: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The table of a summary: a rule, its share of right answers with the interval, how often it
    abstained."""
    rows: list[tuple[str, ...]] = [("rule", "right", "interval", "abstained")]
    for name, own in summary["rules"].items():
        low, high = own["interval"]
        rows.append(
            (name, f"{own['right']:.3f}", f"{low:.3f} to {high:.3f}", str(own["abstained"]))
        )
    return rows


def differing_of(summary: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The table of where the synthesis differs, and of what it is worth where all answers are wrong.

    A share of no cases is left empty.
    """
    rows: list[tuple[str, ...]] = [("of problems", "share", "interval", "of")]
    for name in (f"differs from {MAJORITY}", "differs from self-chosen", "all answers wrong"):
        for part, own in summary.get(name, {}).items():
            title = name if part == "share" else f"  then {part}"
            if own is None:
                rows.append((title, "", "", "0"))
                continue
            low, high = own["interval"]
            rows.append((title, f"{own['share']:.3f}", f"{low:.3f} to {high:.3f}", str(own["of"])))
    return rows
