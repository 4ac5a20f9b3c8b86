"""Which tiers this machine offers: found by running a program in each, and named with the reason if not.

namespaces   a root, processes, network and users of its own; Landlock and the filter behind it
landlock     Landlock and the filter, one process that cannot fork or write
seatbelt     macOS
remote:...   a command or an address of yours; only where it is asked for
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from cohort.errors import RewardError, legible
from cohort.rewards.sandbox.remote import PREFIX

OWN = ("namespaces", "landlock") if sys.platform != "darwin" else ("seatbelt",)
"""The tiers of this system, strongest first."""

WAYS_OUT = (
    "allow user namespaces here (in Docker: --security-opt seccomp=unconfined, or a kernel with Landlock),\n"
    "or name a sandbox elsewhere: tier remote:COMMAND or remote:URL"
)


@dataclass(frozen=True, slots=True)
class Choice:
    """A tier that works, and why stronger ones do not."""

    tier: str
    missing: dict[str, str]

    def __str__(self) -> str:
        why = "; ".join(f"no {tier}: {reason}" for tier, reason in self.missing.items())
        return f"{self.tier} ({why})" if why else self.tier


def choose(asked: str, trial: Callable[[str], str]) -> Choice:
    """The tier that was asked for, or the strongest; `trial` says why one does not work, or "".

    Raises RewardError rather than make do with less than was asked for, or with nothing.
    """
    if asked.startswith(PREFIX):
        return Choice(asked, {})
    if asked and asked not in OWN:
        raise RewardError(
            f"there is no sandbox tier {legible(asked)}", f"here: {', '.join(OWN)}, {PREFIX}..."
        )
    missing: dict[str, str] = {}
    for tier in [asked] if asked else OWN:
        reason = trial(tier)
        if not reason:
            return Choice(tier, missing)
        missing[tier] = reason
    reasons = "\n".join(f"{tier}: {legible(reason, 200)}" for tier, reason in missing.items())
    raise RewardError(
        f"there is no sandbox here to run a program of a model in\n{reasons}", WAYS_OUT
    )
