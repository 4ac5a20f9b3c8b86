"""How a stage names an earlier one: `stage:NAME`, for what that stage left behind.

A stage that is repeated has a number behind its name from the second time on; whoever names it means
the latest time before himself.
"""

from __future__ import annotations

PREFIX = "stage:"
BASE = "base"
"""As the start of a stage: the model that the recipe begins with."""


def stage_of(text: str) -> str:
    """The stage that a source, a reward or a start names; empty where it names none."""
    return text[len(PREFIX) :] if text.startswith(PREFIX) else ""


def called(reward: str) -> str:
    """What scores call a reward: `short` for `mine.py:short`, `judge` for `stage:judge`."""
    return stage_of(reward) or reward.rpartition(".py:")[2]
