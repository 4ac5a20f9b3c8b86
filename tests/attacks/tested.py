"""The sandbox that is attacked: the one place of this suite that knows it."""

from __future__ import annotations

from cohort.rewards.sandbox import place
from cohort.rewards.sandbox.sandbox import Sandbox
from tests.attacks.runner import Opened


def opened_as(tier: str) -> Opened:
    """A sandbox of a tier, for the processes that run attacks: each is a fork, and starts a launcher.

    Raises RewardError where the machine has no such tier; it is tried out once, here.
    """
    sandbox = Sandbox(tier)
    return lambda: sandbox


def sandbox_user() -> int | None:
    """A user like those that programs run as; None where they run as who we are."""
    return place.user()
