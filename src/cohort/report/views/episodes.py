"""Episodes as the page shows them: their turns, what they cost, and how that stands against success."""

from __future__ import annotations

import json
from typing import Any

from cohort.data.episodes import episode_from
from cohort.data.records import Episode
from cohort.report.text import one_line, showable
from cohort.report.views.curves import rounded

COST, LATENCY, OUTCOME = "cost", "latency", "outcome"
"""The facts of an episode that have a meaning of their own here; others are shown by their names."""


def told(kept: str) -> Episode:
    """The episode that the store keeps as JSON."""
    return episode_from(json.loads(kept))


def turns(kept: str) -> list[dict[str, object]]:
    """The turns in order: what the policy said, what it was shown, and what each of them was worth."""
    return [
        {
            "said": showable(turn.text),
            "seen": showable(turn.seen),
            "sampled": turn.sampled,
            "observed": turn.observed,
            "reward": rounded(turn.reward),
            "mistakes": [showable(mistake) for mistake in turn.mistakes],
        }
        for turn in told(kept).turns
    ]


def measures(kept: str, reward: float | None, number: int) -> dict[str, object]:
    """What an episode cost and brought: cost and latency where its environment says them.

    success: the outcome that the environment tells, else the reward.
    """
    episode = told(kept)
    facts = dict(episode.facts)
    outcome = _number(facts.get(OUTCOME))
    other = {k: v for k, v in facts.items() if k not in (COST, LATENCY, OUTCOME)}
    return {
        "number": number,
        "cost": _number(facts.get(COST)),
        "latency": _number(facts.get(LATENCY)),
        "success": outcome if outcome is not None else rounded(reward),
        "seconds": rounded(episode.seconds, 4),
        "turns": len(episode.turns),
        "failure": ": ".join(map(one_line, episode.failure)) if episode.failure else "",
        "facts": showable(json.dumps(other, ensure_ascii=False)) if other else "",
    }


def _number(value: Any) -> float | None:
    return rounded(float(value), 4) if isinstance(value, (bool, int, float)) else None
