"""What policies are worth on held-out problems: pass@k, majority@k, categories, and which is the best.

Pure functions of answers. The best is the one with the most right answers, never the one with the highest
reward: a reward can be had without what it stands for. Intervals are at 95 %, over problems.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from cohort.data.store import Answer
from cohort.report.compare import Paired, paired, shares_of
from cohort.report.statistics import (
    clustered_share_interval,
    mean,
    mean_interval,
    pass_at_k,
    summarize_evaluation,
)
from cohort.report.text import interval, one_line, percent

Verdicts = Mapping[str, Sequence[bool]]
"""By problem, whether each of its sampled answers is right; only problems whose answers were all judged."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A policy's answers to held-out problems; sample 0 is greedy.

    label: which policy. classes: by problem, which of its sampled answers say the same; None: no final
    answer. categories: by problem, where it has one.
    """

    label: str
    answers: Sequence[Answer]
    samples: int
    classes: Mapping[str, Sequence[int | None]] = field(default_factory=dict)
    categories: Mapping[str, str] = field(default_factory=dict)


def describe(measured: Measured) -> dict[str, Any]:
    """What `summarize_evaluation` says, the intervals of pass@k, majority@k, and each category by itself.

    `majority_at` is None where no answer has a final one to vote for.
    """
    verdicts = _verdicts(measured.answers)
    summary = summarize_evaluation(measured.answers, samples=measured.samples)
    sizes = [2**power for power in range(measured.samples.bit_length())]
    summary["pass_at_interval"] = {
        str(k): _bounded([pass_at_k(len(own), sum(own), k) for own in verdicts.values()])
        for k in sizes
        if verdicts
    }
    summary["majority_at"] = _majorities(verdicts, measured.classes, sizes)
    if measured.categories:
        summary["categories"] = _by_category(measured)
    return summary


def _verdicts(answers: Sequence[Answer]) -> dict[str, list[bool]]:
    found: dict[str, list[bool | None]] = {}
    for answer in sorted(answers, key=lambda own: own.sample):
        if answer.sample:
            found.setdefault(answer.problem, []).append(answer.success)
    return {p: [bool(v) for v in own] for p, own in found.items() if None not in own}


def _bounded(values: Sequence[float]) -> list[float] | None:
    found = mean_interval(values)
    return found and [max(0.0, found[0]), min(1.0, found[1])]


def _majorities(
    verdicts: Verdicts, classes: Mapping[str, Sequence[int | None]], sizes: Sequence[int]
) -> dict[str, Any] | None:
    if not any(one is not None for own in classes.values() for one in own):
        return None
    found = {}
    for k in sizes:
        shares = [majority_at_k(own, classes[problem], k) for problem, own in verdicts.items()]
        if shares:
            found[str(k)] = {"share": mean(shares), "interval": _bounded(shares)}
    return found


def majority_at_k(right: Sequence[bool], classes: Sequence[int | None], k: int) -> float:
    """How often the most frequent answer of k is right: the mean over consecutive k of the samples.

    Of equally frequent answers the one that came first is taken. An answer without a final one does not
    vote; where none votes, the vote is wrong. Unbiased, because samples are independent.
    """
    votes = []
    for begin in range(0, len(right) - k + 1, k):
        own = classes[begin : begin + k]
        counted = Counter(one for one in own if one is not None)
        votes.append(bool(counted) and right[begin + own.index(counted.most_common(1)[0][0])])
    return mean([float(vote) for vote in votes])


def _by_category(measured: Measured) -> dict[str, dict[str, Any]]:
    shares = shares_of(measured.answers)
    found: dict[str, list[float]] = {}
    for problem, share in shares.items():
        found.setdefault(measured.categories[problem], []).append(share)
    return {
        name: {
            "problems": len(own),
            "pass_at_1": mean(own),
            "interval": list(clustered_share_interval(own, len(own) * measured.samples)),
        }
        for name, own in sorted(found.items())
    }


def against_first(measured: Sequence[Measured]) -> list[Paired | None]:
    """Each policy against the first, problem by problem; None for the first itself."""
    first = shares_of(measured[0].answers)
    return [None, *(paired(first, shares_of(one.answers)) for one in measured[1:])]


def best(summaries: Sequence[Mapping[str, Any]]) -> int | None:
    """The place of the policy that is right most often, of equals the first; None where nobody can say."""
    known = [
        (_worth(one), -place) for place, one in enumerate(summaries) if _worth(one) is not None
    ]
    return -max(known)[1] if known else None


def _worth(summary: Mapping[str, Any]) -> float | None:
    sampled = summary.get("pass_at_1")
    return summary.get("greedy") if sampled is None else sampled


def told(measured: Sequence[Measured]) -> dict[str, Any]:
    """All of it as JSON can hold it; `best` is a label."""
    summaries = [describe(one) for one in measured]
    own = zip(measured, summaries, against_first(measured), strict=True)
    place = best(summaries)
    return {
        "policies": [
            {"policy": one.label, **summary, "against_first": held and asdict(held)}
            for one, summary, held in own
        ],
        "best": None if place is None else measured[place].label,
    }


def table(found: Mapping[str, Any]) -> list[list[str]]:
    """What `told` says as rows of text: policies, then, where there are some, categories of each."""
    first = found["policies"][0]
    most = max((int(k) for k in first["pass_at"]), default=1)
    rows = [
        [
            "policy",
            "greedy",
            "",
            "pass@1",
            "",
            f"pass@{most}",
            f"majority@{most}",
            "against the first",
        ]
    ]
    for one in found["policies"]:
        cells = [one_line(one["policy"]) + (" *" if one["policy"] == found["best"] else "")]
        for key in ("greedy", "pass_at_1"):
            cells += [percent(one[key]), interval(one[f"{key}_interval"], scale=100)]
        vote = (one["majority_at"] or {}).get(str(most), {})
        cells += [percent(one["pass_at"].get(str(most))), percent(vote.get("share"))]
        rows.append([*cells, _gain(one["against_first"])])
        for name, own in one.get("categories", {}).items():
            share = [percent(own["pass_at_1"]), interval(own["interval"], scale=100)]
            rows.append(
                [f"  {one_line(name)}", "", "", *share, "", "", f"{own['problems']} problems"]
            )
    return rows


def _gain(held: Mapping[str, Any] | None) -> str:
    if held is None:
        return ""
    points = f"{100 * held['gain']:+.1f} points {interval(held['interval'], scale=100)}"
    return f"{points}, p {held['p']:.2g}"
