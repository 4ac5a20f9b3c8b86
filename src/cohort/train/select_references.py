"""What a stage `select` with a teacher keeps: of every group its reference, to be imitated (CaT-SFT).

The comparison of Compute as Teacher (arXiv:2509.14234) with its own supervised form: references once,
by the policy as it is, and then `supervised` on `stage:NAME`. No column of the problem comes along.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cohort.data.records import PART, Problem
from cohort.report.read import GroupRow
from cohort.rewards.teacher.reference import COLUMN


def without(columns: Mapping[str, object]) -> str:
    """Why a group's reference is not kept; empty where it is."""
    reference = columns.get(COLUMN)
    return "unscored" if not isinstance(reference, dict) or "missing" in reference else ""


def referred(
    group: GroupRow, problem: Problem, reference: Mapping[str, Any]
) -> tuple[dict[str, Any] | None, str]:
    """A group's reference as a row to imitate, and why it is none."""
    why = without({COLUMN: dict(reference)}) if reference else "unscored"
    if why:
        return None, why
    own = {name: value for name, value in problem.columns.items() if name != PART}
    own |= {"id": f"{problem.id}/{group.step}.0", "prompt": problem.prompt}
    return own | {"completion": str(reference["text"])}, ""
