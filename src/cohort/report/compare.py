"""`cohort compare`: what runs are worth on held-out problems, and whether they differ by more than chance.

Two runs that were asked the same problems are compared problem by problem, which takes out how hard they
are. It refuses to compare answers to different problems, and says how many were in both.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cohort.data.store import Answer
from cohort.errors import RunError
from cohort.report import read
from cohort.report.statistics import Interval, mean, mean_interval
from cohort.report.text import interval, one_line, percent

FLIPS = 10_000
"""Signs that are drawn for the test; its p-value is exact to about 1/100 of itself at 0.5."""


@dataclass(frozen=True, slots=True)
class Paired:
    """The difference of two evaluations over the problems of both.

    gain: the mean over problems of the difference of shares that are right, second less first.
    p: the share of random exchanges of the two, problem by problem, whose gain is at least as large.
    """

    problems: int
    gain: float
    interval: Interval | None
    p: float


@dataclass(frozen=True, slots=True)
class Result:
    """A run's evaluations, each with its summary, and the last one paired with what it is compared to."""

    run: str
    evaluations: Sequence[tuple[str, Mapping[str, object]]]
    since_begin: Paired | None
    against_first: Paired | None


def compare(runs: Sequence[Path]) -> list[Result]:
    """The runs in order; each last evaluation against its own first, and against the first run's last.

    Raises RunError for a folder without a run, and for one without held-out results.
    """
    found: list[Result] = []
    first: Shares = {}
    for run in runs:
        with read.opened(run) as db:
            made = read.evaluations(db)
            if not made:
                raise RunError(
                    f"{run} has no held-out results",
                    'put a stage kind = "evaluate" before and after the one that learns',
                )
            shares = [shares_of(read.answers(db, e.id)) for e in (made[0], made[-1])]
        told = [(e.after, e.summary) for e in made]
        own = paired(shares[0], shares[1]) if len(made) > 1 else None
        found.append(Result(str(run), told, own, paired(first, shares[1]) if first else None))
        first = first or shares[1]
    return found


Shares = Mapping[str, float]
"""The share of a problem's answers that are right, by problem."""


def shares_of(answers: Sequence[Answer]) -> Shares:
    """Of the sampled answers, or of the greedy one where none was sampled."""
    own: dict[str, list[Answer]] = {}
    for answer in answers:
        if answer.success is not None:
            own.setdefault(answer.problem, []).append(answer)
    shares = {}
    for problem, judged in own.items():
        sampled = [a for a in judged if a.sample > 0] or judged
        shares[problem] = mean([float(bool(a.success)) for a in sampled])
    return shares


def paired(first: Shares, second: Shares) -> Paired | None:
    """The paired difference; None where no problem is in both.

    The test exchanges the two evaluations of each problem by a fair coin (a sign-flip permutation test),
    two-sided; the coins are the same each time.
    """
    both = sorted(set(first) & set(second))
    if not both:
        return None
    differences = [second[problem] - first[problem] for problem in both]
    gain = mean(differences)
    return Paired(len(both), gain, mean_interval(differences), _flipped(differences))


def _flipped(differences: Sequence[float]) -> float:
    own = [abs(value) for value in differences if value]
    if not own:
        return 1.0
    draw, seen = random.Random(0), abs(sum(differences)) - 1e-12
    as_large = 0
    for _ in range(FLIPS):
        bits = draw.getrandbits(len(own))
        flipped = sum(value if bits >> i & 1 else -value for i, value in enumerate(own))
        as_large += abs(flipped) >= seen
    return (as_large + 1) / (FLIPS + 1)


def comparison(results: Sequence[Result]) -> list[list[str]]:
    """Runs as rows of text: each evaluation, then what was gained since the first, and against run one."""
    rows = [["run", "after", "greedy", "", "pass@1", "", "problems"]]
    for result in results:
        name = one_line(result.run)
        for after, summary in result.evaluations:
            cells = [name, one_line(after)]
            for key in ("greedy", "pass_at_1"):
                cells += [
                    percent(summary.get(key)),
                    interval(summary.get(f"{key}_interval"), scale=100),
                ]
            rows.append([*cells, str(summary.get("problems", "?"))])
            name = ""
        for label, own in (
            ("since its first", result.since_begin),
            ("against the first run", result.against_first),
        ):
            if own is not None:
                gain = [f"{100 * own.gain:+.1f} points", interval(own.interval, scale=100)]
                rows.append(["", label, "", "", *gain, f"{own.problems} in both, p {own.p:.2g}"])
    return rows
