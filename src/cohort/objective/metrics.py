"""What several answers to one problem say together, as numbers of 0 to 1.

`cohort.report.statistics` has pass@k and intervals; here is what needs the answers themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal


def majority_at_k(answers: Sequence[str], truth: str, *, ties: Literal["first", "shared"]) -> float:
    """Whether the most frequent answer is the right one: cons@k, maj@k.

    The papers do not say what happens when answers are equally frequent. `first`: the one that was
    sampled first is taken. `shared`: 1 over the number of such answers if the truth is among them.
    No answer: 0.
    """
    if not answers:
        return 0.0
    counts = Counter(answers)
    most = max(counts.values())
    winners = [answer for answer in counts if counts[answer] == most]  # in the order of sampling
    if ties == "first":
        return float(winners[0] == truth)
    return (truth in winners) / len(winners)


def mean_at_n(correct: Sequence[Sequence[float]]) -> float:
    """The mean over problems of the mean over their answers: avg@n, which R1 calls pass@1.

    Problems weigh alike, however many answers each has. A problem without answers is left out.
    """
    means = [sum(own) / len(own) for own in correct if own]
    return sum(means) / len(means)
