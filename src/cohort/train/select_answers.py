"""The stage `select`."""

from __future__ import annotations

from cohort.config.selection import Select
from cohort.policy.policy import Policy
from cohort.train.stage import StageContext
from cohort.train.state import Cost


def select_answers(options: Select, policy: Policy, context: StageContext) -> Cost:
    """Run the stage; every step is in the store when the next one begins."""
    raise NotImplementedError
