"""The stage `reward-model`."""

from __future__ import annotations

from cohort.config.preferences import RewardModel
from cohort.policy.policy import Policy
from cohort.train.stage import StageContext
from cohort.train.state import Cost


def reward_model(options: RewardModel, policy: Policy, context: StageContext) -> Cost:
    """Run the stage; every step is in the store when the next one begins."""
    raise NotImplementedError
