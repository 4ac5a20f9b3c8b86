"""What a diagnosis rests on: thinned metrics of each stage, held-out results, and a few groups at both ends.

Plain values, so that the signs are pure functions and a test can write an observation by hand. It costs some
twenty short queries, whatever the length of the run.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cohort.report import read
from cohort.report.statistics import Interval, deviation, mean
from cohort.report.views.curves import curve, metric_names, stages

POINTS = 200
"""Points of a series at most; each is the mean of a stretch of steps."""

NEEDED = frozenset((
    "reward", "reward_std", "frac_reward_zero_std", "unscored", "entropy", "kl", "loss",
    "grad_norm", "completions/mean_length", "completions/max_length",
    "completions/clipped_ratio", "clip_ratio/region_mean", "val/explained_variance",
    "sampling/sampling_logp_difference/mean", "sampling/effective_sample_share",
    "teacher/alike",
))  # fmt: skip
TIMES, REWARDS = "time/", "rewards/"
OF_REWARDS = ("/mean", "/scored", "/failed")
"""The metrics that the signs ask for; of reward functions those with these ends."""

LOOKED_AT = 6
"""Steps at either end of a stage whose groups are looked at."""


@dataclass(frozen=True, slots=True)
class Series:
    """A metric over the steps of a stage. gaps: points that had no finite value."""

    steps: tuple[int, ...]
    values: tuple[float, ...]
    gaps: int = 0

    def __bool__(self) -> bool:
        return bool(self.values)

    @property
    def early(self) -> float:
        """The mean of the first tenth, at least of three points."""
        return mean(self.values[: self._share(10)])

    @property
    def late(self) -> float:
        """The mean of the last quarter, at least of three points."""
        return mean(self.values[-self._share(4) :])

    @property
    def noise(self) -> float:
        """The standard error of the difference of late and early, from the points of both ends."""
        ends = (self.values[: self._share(10)], self.values[-self._share(4) :])
        return math.sqrt(sum(deviation(own) ** 2 / len(own) for own in ends))

    def _share(self, part: int) -> int:
        return max(3, len(self.values) // part)


@dataclass(frozen=True, slots=True)
class Ends:
    """What the groups at one end of a stage are like.

    better, worse: the mean length of answers above their group's mean reward, and below it; None
    where there are none. easy, hard: groups without spread whose reward is the best, the worst.
    """

    groups: int = 0
    better: float | None = None
    worse: float | None = None
    easy: int = 0
    hard: int = 0


@dataclass(frozen=True, slots=True)
class HeldOut:
    """One evaluation: what it came after, the share that is right with its interval, its reward."""

    stage: int
    after: str
    share: float
    interval: Interval
    reward: float | None = None

    @property
    def error(self) -> float:
        """About the standard error of the share."""
        return (self.interval[1] - self.interval[0]) / 3.92


@dataclass(frozen=True, slots=True)
class Seen:
    """A stage: its place, kind, how many steps are done, its metrics, its first and its last groups.

    before, after: the held-out results from before it, and the last one since it began.
    """

    stage: int
    name: str
    kind: str
    done: int
    series: Mapping[str, Series]
    first: Ends = field(default_factory=Ends)
    last: Ends = field(default_factory=Ends)
    before: HeldOut | None = None
    after: HeldOut | None = None

    def get(self, name: str) -> Series:
        """A metric; an empty series where nothing measured it."""
        return self.series.get(name, Series((), ()))


def observe(db: sqlite3.Connection) -> list[Seen]:
    """The stages of a run that have steps."""
    evaluations = [found for e in read.evaluations(db) if (found := _held_out(e)) is not None]
    seen = []
    for row in stages(db):
        number, done = row["stage"], row["done"]
        assert isinstance(number, int)
        assert isinstance(done, int)
        if not done:
            continue
        names = [name for name in metric_names(db, number) if is_needed(name)]
        series = {name: _series(db, number, name) for name in names}
        first, last = _ends(db, number) if row["groups"] else (Ends(), Ends())
        before = [e for e in evaluations if e.stage < number]
        after = [e for e in evaluations if e.stage >= number]
        seen.append(
            Seen(
                stage=number,
                name=str(row["name"]),
                kind=str(row["kind"]),
                done=done,
                series=series,
                first=first,
                last=last,
                before=before[-1] if before else None,
                # Of the evaluations since, the first: a later one may follow another stage.
                after=after[0] if after else None,
            )
        )
    return seen


def is_needed(name: str) -> bool:
    """Whether a sign may ask for this metric."""
    if name.startswith(REWARDS):
        return name.endswith(OF_REWARDS)
    return name in NEEDED or name.startswith(TIMES)


def _series(db: sqlite3.Connection, stage: int, name: str) -> Series:
    own = curve(db, stage, name, points=POINTS)
    steps, means = own["steps"], own["mean"]
    assert isinstance(steps, list)
    assert isinstance(means, list)
    known = [(step, value) for step, value in zip(steps, means, strict=True) if value is not None]
    return Series(
        tuple(step for step, _ in known), tuple(v for _, v in known), len(means) - len(known)
    )


def _held_out(row: read.EvaluationRow) -> HeldOut | None:
    """The sampled share of an evaluation, which has less noise than the greedy one; else that one."""
    for name in ("pass_at_1", "greedy"):
        share, ends = row.summary.get(name), row.summary.get(f"{name}_interval")
        if isinstance(share, (int, float)) and isinstance(ends, list) and len(ends) == 2:
            reward = row.summary.get("mean_reward")
            interval = float(ends[0]), float(ends[1])
            known = float(reward) if isinstance(reward, (int, float)) else None
            return HeldOut(row.stage, row.after, float(share), interval, known)
    return None


def _ends(db: sqlite3.Connection, stage: int) -> tuple[Ends, Ends]:
    """What groups are like in the first and in the last steps that have some."""
    first, last = (
        [
            row["step"]
            for row in db.execute(
                f"SELECT DISTINCT step FROM groups WHERE stage = ? ORDER BY step {order} LIMIT ?",
                (stage, LOOKED_AT),
            )
        ]
        for order in ("ASC", "DESC")
    )
    both = [_answers(db, stage, steps) for steps in (first, last)]
    known = [reward for own in both for group in own for reward, _ in group]
    span = (min(known, default=0.0), max(known, default=0.0))
    return _like(both[0], span), _like(both[1], span)


Answers = Sequence[tuple[float, int]]
"""The reward and the length of each scored answer of a group."""


def _answers(db: sqlite3.Connection, stage: int, steps: Sequence[int]) -> list[Answers]:
    found: dict[int, list[tuple[float, int]]] = {}
    marks = ",".join("?" * len(steps))
    for row in db.execute(
        "SELECT g.id, r.reward, length(r.tokens) / 4 AS length FROM groups g JOIN rollouts r "
        f"ON r.group_id = g.id WHERE g.stage = ? AND g.step IN ({marks}) AND r.reward IS NOT NULL",
        (stage, *steps),
    ):
        if math.isfinite(row["reward"]):
            found.setdefault(row["id"], []).append((row["reward"], row["length"]))
    return list(found.values())


def _like(groups: Sequence[Answers], span: tuple[float, float]) -> Ends:
    better: list[float] = []
    worse: list[float] = []
    flat = []
    for own in groups:
        centre = mean([reward for reward, _ in own])
        if deviation([reward for reward, _ in own]) < 1e-9:
            flat.append(centre)
            continue
        for reward, length in own:
            (better if reward > centre else worse).append(float(length))
    middle = (span[0] + span[1]) / 2
    return Ends(
        groups=len(groups),
        better=mean(better) if better else None,
        worse=mean(worse) if worse else None,
        easy=sum(value > middle or span[0] == span[1] > 0 for value in flat),
        hard=sum(value <= middle and not span[0] == span[1] > 0 for value in flat),
    )
