"""What there is to measure of the task "orchestrator": rewards for weight 0, and shares by kind of problem.

None of them is what an orchestrator is trained on; that is the built-in reward `orchestra`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from cohort.data.records import Problem
from cohort.tasks.orchestrator_desk import KINDS, REACH

Facts = Mapping[str, Any]
Episodes = Sequence[Mapping[str, Any] | None]


def fitting_tool(columns: Mapping[str, Any]) -> str:
    """The tool that a problem asks for, as it looks.

    Where only the outcome matters, the strong one, which is always right; else the cheapest or fastest of
    those that solve problems which look so.
    """
    if columns["wants"] == "outcome":
        return max(REACH, key=lambda tool: REACH[tool])
    able = [tool for tool in REACH if REACH[tool] >= KINDS.index(columns["kind"])]
    table = columns["seconds" if columns["wants"] == "time" else "prices"]
    return min(able, key=lambda tool: float(table[tool]))


def solved(*, episodes: Episodes, **_: object) -> list[float | None]:
    """1.0 where the right answer was given, else 0.0."""
    return [
        None if facts is None else float(bool(facts.get("outcome"))) for facts in _facts(episodes)
    ]


def spent(*, episodes: Episodes, **_: object) -> list[float | None]:
    """What the tools charged, in cents."""
    return [None if facts is None else float(facts.get("cost", 0)) for facts in _facts(episodes)]


def waited(*, episodes: Episodes, **_: object) -> list[float | None]:
    """How long the tools took, in simulated seconds."""
    return [None if facts is None else float(facts.get("latency", 0)) for facts in _facts(episodes)]


def valid(*, episodes: Episodes, **_: object) -> list[float | None]:
    """1.0 where every turn was understood and the last one was `done`."""
    return [
        None
        if facts is None
        else float("outcome" in facts and not facts["mistakes"] and not facts.get("lost"))
        for facts in _facts(episodes)
    ]


def fitting(
    *,
    episodes: Episodes,
    kind: Sequence[str],
    wants: Sequence[str],
    prices: Sequence[Mapping[str, int]],
    seconds: Sequence[Mapping[str, int]],
    **_: object,
) -> list[float | None]:
    """1.0 where the first tool that was asked is the fitting one."""
    names = ("kind", "wants", "prices", "seconds")
    rows = [
        dict(zip(names, row, strict=True)) for row in zip(kind, wants, prices, seconds, strict=True)
    ]
    return [
        None if facts is None else float(facts.get("first") == fitting_tool(row))
        for facts, row in zip(_facts(episodes), rows, strict=True)
    ]


def _first(tool: str) -> Callable[..., list[float | None]]:
    def first(*, episodes: Episodes, **_: object) -> list[float | None]:
        return [
            None if facts is None else float(facts.get("first") == tool)
            for facts in _facts(episodes)
        ]

    first.__doc__ = f"1.0 where the {tool} tool was asked first."
    return first


MEASURES: Mapping[str, Callable[..., object]] = {
    "solved": solved,
    "spent": spent,
    "waited": waited,
    "valid": valid,
    "fitting": fitting,
    **{f"first_{tool}": _first(tool) for tool in REACH},
}
"""The task's own rewards by name."""


def first_tools(played: Iterable[tuple[Problem, Facts]]) -> dict[str, dict[str, float]]:
    """For each kind of problem the share of episodes in which each tool was asked first.

    What asked none is in no share but counts: they need not sum to 1.
    """
    counts: dict[str, Counter[str]] = {}
    for problem, facts in played:
        counts.setdefault(str(problem.columns["kind"]), Counter())[str(facts.get("first", ""))] += 1
    return {
        kind: {tool: counts[kind][tool] / counts[kind].total() for tool in REACH}
        for kind in KINDS
        if kind in counts
    }


def _facts(episodes: Episodes) -> list[Facts | None]:
    return [None if episode is None else episode["facts"] for episode in episodes]
