"""The sandbox that is attacked: the one place of this suite that knows it."""

from __future__ import annotations

from cohort.rewards.sandbox import place
from cohort.rewards.sandbox.sandbox import Sandbox


def opened(tier: str) -> Sandbox:
    """A sandbox of a tier, "" for the strongest here. Raises RewardError where there is none.

    It is tried out once, here; the processes that run attacks are forks, and each starts a launcher.
    """
    return Sandbox(tier)


def sandbox_user() -> int | None:
    """A user like those that programs run as; None where they run as who we are."""
    return place.user()
