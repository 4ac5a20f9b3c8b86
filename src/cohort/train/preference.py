"""The stage `preference`."""

from __future__ import annotations

from cohort.config.preferences import Preference
from cohort.policy.policy import Policy
from cohort.train.stage import StageContext
from cohort.train.state import Cost


def preference(options: Preference, policy: Policy, context: StageContext) -> Cost:
    """Run the stage; every step is in the store when the next one begins."""
    raise NotImplementedError
