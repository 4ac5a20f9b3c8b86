"""Signs of a stage without labels, where agreeing is all that a reward knows of being right."""

from __future__ import annotations

from cohort.report.health.finding import Finding
from cohort.report.health.observed import Seen

ALIKE = 0.7
"""Groups whose answers are all the same from which on most of the work teaches nothing."""


def answers_alike(seen: Seen) -> Finding | None:
    """Groups agree with themselves: the plateau of Compute as Teacher (arXiv:2509.14234), or a collapse."""
    alike = seen.get("teacher/alike")
    if len(alike.values) < 3 or alike.late < ALIKE:
        return None
    always = alike.early >= 0.75 * ALIKE
    return Finding(
        "answers-alike",
        "warning" if always else "note",
        seen.stage,
        f"In {alike.late:.0%} of the groups all answers are the same, {alike.early:.0%} at the start: "
        "nothing is left to reconcile, and nobody has said that they are right.",
        "Raise temperature, or give harder problems: there was little to learn from the beginning."
        if always
        else "Stop here and measure on held-out labels; teacher/differs says whether it learns a vote.",
        ("teacher/alike", "teacher/majority_share", "entropy"),
        groups=True,
    )
