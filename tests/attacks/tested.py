"""The sandbox that is attacked: the one place of this suite that knows it."""

from __future__ import annotations

from cohort.rewards.sandbox import place
from cohort.rewards.sandbox.sandbox import Sandbox
from tests.attacks.runner import Opened


def opened_as(tier: str) -> Opened:
    """How to open a sandbox of a tier, in the process that runs an attack."""
    return lambda: Sandbox(tier)


def sandbox_user() -> int | None:
    """A user like those that programs run as; None where they run as who we are."""
    return place.user()
