"""What the values of a reward say of it: what it pays for, and what it does not.

All is measured between two points: what a wrong answer is worth, and what a right one is. Where the
problems say nothing of a right answer the reward is one of taste, and only what pays by mere length
or pays everything alike is a mistake.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from cohort.train.check_answers import FILLERS, NONSENSE, Probe
from cohort.train.check_findings import Finding

HALF, LITTLE = 0.5, 0.05
"""The share of a right answer's worth from which on paying for nonsense is to be mended, on average
over the problems; or looked at, where it is paid for every problem. A guess may be right at times."""

Values = Sequence[float | None]

CALLED = {"the form alone": "pays for form"}
"""Kinds of nonsense whose finding has a name of its own."""


@dataclass(frozen=True, slots=True)
class Worth:
    """What kinds of answers are worth, on average over the problems.

    right: of the best source and form of right answers, `made_of`; None where nothing is known.
    """

    right: float | None
    wrong: float | None
    made_of: tuple[str, str]
    by_kind: Mapping[str, Sequence[float]]
    by_source: Mapping[str, float]

    @property
    def known(self) -> bool:
        """Whether there are right answers, and they are worth more than wrong ones."""
        return self.right is not None and self.wrong is not None and self.right > self.wrong

    @property
    def floor(self) -> float:
        """What a wrong answer is worth; where a right one is worth no more, the least that anything is."""
        least = min(fmean(said) for said in self.by_kind.values() if said)
        return self.wrong if self.known and self.wrong is not None else least

    def share(self, value: float) -> float:
        """Where a value lies between a wrong answer (0) and a right one (1)."""
        assert self.right is not None, self
        return (value - self.floor) / (self.right - self.floor)


def worth_of(tried: Sequence[Probe], values: Values) -> Worth:
    """What the kinds of answers are worth."""
    told: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for probe, value in zip(tried, values, strict=True):
        if value is not None:
            told[probe.kind, probe.source, probe.form].append(value)
    means = {key: fmean(values) for key, values in told.items()}
    right = {(s, f): value for (kind, s, f), value in means.items() if kind == "right"}
    best = max(right, key=lambda key: right[key], default=("", ""))
    form_of_others = "tags" if best[1] == "final" else best[1]
    by_kind: dict[str, Sequence[float]] = {
        kind: said
        for (kind, source, form), said in told.items()
        if not source or (source, form) == (best[0], form_of_others)
    }
    by_kind |= {kind: _best_paid(kind, tried, values) for kind in NONSENSE}
    wrong = fmean(by_kind["wrong"]) if "wrong" in by_kind else min(means.values(), default=None)
    by_source = {
        source: max(v for (s, _), v in right.items() if s == source) for source, _ in right
    }
    return Worth(right.get(best), wrong, best, by_kind, by_source)


def _best_paid(kind: str, tried: Sequence[Probe], values: Values) -> list[float]:
    """Of the texts of a kind of nonsense, what the best paid one is worth for each problem."""
    by_text: dict[str, list[float]] = defaultdict(list)
    for probe, value in zip(tried, values, strict=True):
        if probe.kind == kind and value is not None:
            by_text[probe.text].append(value)
    return max(by_text.values(), key=fmean, default=[])


def about_values(
    where: str, tried: Sequence[Probe], values: Values, reads: set[str]
) -> list[Finding]:
    """Findings about what the answers to a stage's problems are worth; `reads`: columns of its rewards."""
    worth = worth_of(tried, values)
    said = {value for value in values if value is not None}
    if len(said) <= 1 and worth.right is None and said:
        return []  # of taste, and none of these answers may be to it; sampled groups will tell
    if len(said) <= 1:
        one = f"{next(iter(said)):g}" if said else "no value"
        text = f"right, wrong and empty answers all get {one}: nothing can be learned from that."
        unpaid = _unpaid(where, worth) if worth.right is not None and reads else []
        return [Finding("constant", where, text), *unpaid]
    found = _about_length(where, worth)
    if worth.known:
        found += _about_nonsense(where, worth) + _about_forms(where, worth, reads)
    elif worth.right is not None and reads:
        found += _unpaid(where, worth)
        found += _about_nonsense(where, worth) if worth.right > worth.floor else []
    return found


def paid_sources(tried: Sequence[Probe], values: Values) -> set[str]:
    """The columns whose right answers are worth half of the best one's, or all where nothing is known."""
    worth = worth_of(tried, values)
    return {
        s for s, value in worth.by_source.items() if not worth.known or worth.share(value) >= HALF
    }


def _about_nonsense(where: str, worth: Worth) -> list[Finding]:
    found = []
    for kind in (*NONSENSE, "a truncated answer", "the prompt itself", "several answers at once"):
        said = worth.by_kind.get(kind)
        if not said or max(worth.share(min(said)) - LITTLE, worth.share(fmean(said)) - HALF) < 0.0:
            continue
        value = fmean(said)
        several = kind == "several answers at once"
        name = "pays for several answers" if several else CALLED.get(kind, "pays for nothing")
        text = (
            f"{kind} is worth {value:.3g} on average, where a right answer is worth {worth.right:.3g} "
            f"and a wrong one {worth.wrong:.3g}."
        )
        found.append(Finding(name, where, text, mend=worth.share(value) >= HALF and not several))
    return found


def _about_length(where: str, worth: Worth) -> list[Finding]:
    values = [worth.by_kind.get(f"{words} words") for words in FILLERS]
    known = [fmean(said) for said in values if said]
    grows = len(known) == len(FILLERS) and all(a < b for a, b in pairwise(known[1:]))
    if not grows:
        return []
    gain = known[-1] - known[1]
    if worth.known and gain <= LITTLE * (worth.right or 0.0) - LITTLE * (worth.wrong or 0.0):
        return []
    mend = not worth.known or worth.share(known[-1]) >= HALF
    text = (
        f"one word said over and over is worth {known[1]:.3g} at {FILLERS[1]} words, {known[2]:.3g} at "
        f"{FILLERS[2]} and {known[3]:.3g} at {FILLERS[3]}: answers will grow without end."
    )
    return [Finding("pays for length", where, text, mend=mend)]


def _about_forms(where: str, worth: Worth, reads: set[str]) -> list[Finding]:
    found = []
    spaced, cased = (
        fmean(said) if (said := worth.by_kind.get(kind)) else None
        for kind in ("right, spaces around it", "right, in other case")
    )
    if spaced is not None and worth.share(spaced) < HALF:
        text = f"a right answer is worth {worth.right:.3g}, and {spaced:.3g} with spaces around it."
        found.append(Finding("strict about spaces", where, text))
    if cased is not None and worth.share(cased) < HALF and worth.made_of[0] != "demonstration":
        text = (
            f"a right answer is worth {worth.right:.3g}, and {cased:.3g} in other case; let it be if "
            "case matters."
        )
        found.append(Finding("strict about case", where, text, mend=False))
    for source, value in worth.by_source.items():
        if source not in reads and worth.share(value) < HALF:
            text = (
                f"a right answer by {_named(source)} is worth {value:.3g}; {_named(worth.made_of[0])} "
                f"is what is paid ({worth.right:.3g}). Which of them is right?"
            )
            found.append(Finding("reads another column", where, text))
    return found


def _unpaid(where: str, worth: Worth) -> list[Finding]:
    sources = ", ".join(_named(source) for source in worth.by_source)
    text = (
        f"no right answer by {sources} is worth more ({worth.right:.3g}) than a wrong one "
        f"({worth.wrong:.3g}): is the right column read, and in a form that answers have?"
    )
    return [Finding("pays no right answer", where, text)]


def _named(source: str) -> str:
    return "the demonstrations" if source == "demonstration" else f'the column "{source}"'
