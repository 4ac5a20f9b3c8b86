"""Runs with a planted sickness, and healthy ones: a simulated policy that answers, is scored and noted.

    python -m tests.report.patients [FOLDER]

writes all of them, asks for the diagnosis of each, prints it beside what was planted, and exits with 1
unless at least 27 of the 30 sick ones are named rightly (the first warning is what was planted) and none
of the 20 healthy ones has a warning. A policy has a skill, a problem a difficulty, and an answer is right
by chance of their difference, as in a test. What the store holds follows from the answers that were drawn.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cohort.data.records import Group, Problem, Rollout, Score
from cohort.data.store import Answer, Store
from cohort.report import read
from cohort.report.health.observed import LOOKED_AT, observe
from cohort.report.health.signs import diagnose
from cohort.report.metrics import describe_groups
from cohort.report.statistics import summarize_evaluation

# ruff: noqa: RUF009 - a course is a function, and functions do not change
Course = Callable[[float], float]
"""A quantity over the run: of the share of it that is behind us, 0 to 1."""

LEAST_NAMED, HELD_OUT = 27, 120


def line(begin: float, end: float) -> Course:
    """From one value to another, quicker at first."""
    return lambda t: begin + (end - begin) * (1 - (1 - t) ** 1.5)


def jump(begin: float, end: float, at: float) -> Course:
    """One value, and within a twelfth of the run another one, growing by a factor."""
    return lambda t: begin * (end / begin) ** min(1.0, max(0.0, (t - at) * 12))


@dataclass(frozen=True)
class Patient:
    """What a run is like. skill: log-odds of the mean problem. failing: share of answers without a score."""

    sickness: str = ""
    steps: int = 60
    groups: int = 24
    skill: Course = line(-0.6, 1.2)
    held_out: Course | None = None
    weights: tuple[tuple[str, float], ...] = (("correct", 1.0),)
    form: Course = line(0.9, 0.95)
    liked: Course = line(0.0, 0.0)
    length: Course = line(60, 64)
    thinks: float = 0.0
    limit: int = 400
    cut: Course = line(0.0, 0.0)
    entropy: Course = line(0.8, 0.5)
    alike: Course = line(0.0, 0.0)
    kl: Course = line(0.001, 0.04)
    apart: float = 1e-4
    failing: float = 0.0
    clip: float = 0.0


SICK: tuple[Patient, ...] = (
    Patient(
        "format-farmed", skill=line(-1.5, -1.5), form=line(0.2, 0.98),
        weights=(("correct", 1.0), ("form", 0.4)),
    ),
    Patient(
        "length-hacked", skill=line(-0.5, -0.5), length=line(60, 220), limit=300,
        weights=(("correct", 1.0), ("thorough", 1.0)),
    ),
    Patient("too-hard", skill=line(-6.0, -6.0)),
    Patient("too-easy", skill=line(6.0, 6.0)),
    Patient("kl-blown", kl=jump(0.02, 4.0, 0.6), skill=lambda t: 0.5 if t < 0.62 else -2.5),
    Patient("entropy-collapsed", skill=line(-0.2, -0.2), entropy=line(0.9, 0.01), alike=line(0.0, 0.97)),
    Patient("no-held-out-gain", skill=line(-0.5, -0.5), liked=line(0.1, 0.8)),
    Patient("cut", cut=line(0.2, 0.31), skill=line(-0.6, 0.4)),
    Patient("rewards-fail", failing=0.12, weights=(("correct", 1.0), ("judge", 0.5))),
    Patient("mismatch", apart=0.09),
)  # fmt: skip
"""One of each kind; each is made with three seeds, and with another size and noise each time."""

HEALTHY: tuple[Patient, ...] = (
    Patient(),
    Patient(skill=line(-0.3, 4.5)),
    Patient(skill=line(-0.6, 0.3), steps=120),
    Patient(length=line(30, 120), thinks=30.0, skill=line(-0.8, 1.6)),
    Patient(form=line(0.4, 0.97), weights=(("correct", 1.0), ("form", 0.2)), skill=line(-0.8, 1.2)),
    Patient(kl=line(0.001, 0.18)),
    Patient(clip=0.03, apart=0.004),
    Patient(groups=8, skill=line(-0.4, 1.6)),
    Patient(steps=16),
    Patient(entropy=line(0.9, 0.2), cut=line(0.04, 0.01), failing=0.002, skill=line(-1.0, 2.2)),
)
"""Each is made with two seeds."""


def patients() -> list[tuple[str, Patient, int]]:
    """All fifty, each with a name and a seed."""
    sick = [
        (f"{patient.sickness}-{seed}", replace(patient, steps=steps, groups=groups), seed)
        for patient in SICK
        for seed, steps, groups in ((1, 60, 24), (2, 90, 16), (3, 48, 32))
    ]
    healthy = [
        (f"healthy-{number}-{seed}", patient, seed)
        for number, patient in enumerate(HEALTHY)
        for seed in (1, 2)
    ]
    return sick + healthy


def write(folder: Path, patient: Patient, seed: int) -> Path:
    """The run of a patient: an evaluation, a stage, another evaluation."""
    folder.mkdir(parents=True)
    store, draw = Store(folder / "run.db"), np.random.default_rng([seed, patient.steps])
    store.begin_stage(0, name="before", kind="evaluate", steps=0)
    _evaluate(store, draw, patient, 0.0, stage=0)
    store.begin_stage(1, name="reinforce", kind="reinforce", steps=patient.steps)
    for step in range(1, patient.steps + 1):
        groups, metrics = _step(draw, patient, step)
        ends = step <= LOOKED_AT or step > patient.steps - LOOKED_AT
        store.write_step(1, step, seconds=1.0, metrics=metrics, groups=groups if ends else ())
    store.begin_stage(2, name="after", kind="evaluate", steps=0)
    _evaluate(store, draw, patient, 1.0, stage=2)
    store.close()
    return folder


def _chance(skill: float, difficulty: Any) -> Any:
    return 1 / (1 + np.exp(difficulty - skill))


def _evaluate(
    store: Store, draw: np.random.Generator, patient: Patient, t: float, stage: int
) -> None:
    course = patient.held_out or patient.skill
    chance = _chance(course(t), draw.normal(size=HELD_OUT))
    found = [
        Answer(f"p{p}", sample, "?", "!", float(right), bool(right))
        for p in range(HELD_OUT)
        for sample, right in enumerate(draw.random(5) < chance[p])
    ]
    summary = summarize_evaluation(found, samples=4)
    store.write_evaluation(stage, after="x", summary=summary, answers=())


def _step(
    draw: np.random.Generator, patient: Patient, step: int
) -> tuple[list[Group], dict[str, float]]:
    t = (step - 1) / max(1, patient.steps - 1)
    groups = [_group(draw, patient, t, f"p{step}-{g}") for g in range(patient.groups)]
    metrics = describe_groups(groups)

    def noisy(value: float) -> float:
        return float(value * draw.lognormal(0, 0.12))

    metrics |= {
        "entropy": noisy(patient.entropy(t)),
        "kl": noisy(patient.kl(t)),
        "loss": float(draw.normal(0, 0.004)) + (0.02 if patient.clip else 0.0),
        "grad_norm": noisy(0.4),
        "clip_ratio/region_mean": noisy(patient.clip),
        "sampling/sampling_logp_difference/mean": noisy(patient.apart),
        "sampling/effective_sample_share": 1.0 - min(0.6, 4 * noisy(patient.apart)),
        "time/sampling": noisy(0.6),
        "time/rewards": noisy(0.01),
        "time/update": noisy(0.3),
    }
    return groups, metrics


def _group(draw: np.random.Generator, patient: Patient, t: float, name: str) -> Group:
    chance = _chance(patient.skill(t), draw.normal())
    right = draw.random(8) < chance
    if draw.random() < patient.alike(t):
        right[:] = right[0]
    liked = draw.random(8) < patient.liked(t)
    lengths = np.maximum(2, draw.normal(patient.length(t) + patient.thinks * t * right, 6)).astype(
        int
    )
    cut = draw.random(8) < patient.cut(t)
    lengths = np.where(cut, patient.limit, np.minimum(lengths, patient.limit - 1))
    parts = {
        "correct": np.maximum(right, liked) * 1.0,
        "form": (draw.random(8) < patient.form(t)) * 1.0,
        "thorough": np.minimum(1.0, lengths / patient.limit),
        "judge": np.clip(right + draw.normal(0, 0.1, 8), 0, 1),
    }
    last = patient.weights[-1][0]
    failed = draw.random(8) < patient.failing
    scores, rollouts = [], []
    for i in range(8):
        own = {
            n: float(parts[n][i]) if not (failed[i] and n == last) else None
            for n, _ in patient.weights
        }
        total = (
            None if failed[i] else sum(w * own[n] for n, w in patient.weights if own[n] is not None)
        )
        unsaid = {last: ("timeout", "no answer within 30 s")} if failed[i] else {}
        scores.append(Score(total, own, unsaid=unsaid))
        ids = np.zeros(lengths[i], np.int32)
        stop = "length" if cut[i] else "end"
        rollouts.append(Rollout(ids, np.zeros(lengths[i], np.float32), stop, "!"))
    known = [s.total for s in scores if s.total is not None]
    centre = float(np.mean(known)) if known else 0.0
    advantages = tuple(0.0 if s.total is None else s.total - centre for s in scores)
    return Group(
        Problem(name, "?"), np.zeros(3, np.int32), tuple(rollouts), tuple(scores), advantages
    )


def warnings_of(run: Path) -> list[str]:
    """The names of the warnings of a run, in order."""
    with read.opened(run) as db:
        return [found.name for found in diagnose(observe(db)) if found.level == "warning"]


def examine(folder: Path) -> tuple[list[str], list[str]]:
    """Write and diagnose all; the names of the sick ones that were not named, and of alarmed healthy ones."""
    missed, alarmed = [], []
    for name, patient, seed in patients():
        found = warnings_of(write(folder / name, patient, seed))
        print(f"{name:<22} {', '.join(found) or '-'}")
        if patient.sickness and found[:1] != [patient.sickness]:
            missed.append(f"{name}: {found}")
        if not patient.sickness and found:
            alarmed.append(f"{name}: {found}")
    return missed, alarmed


def main() -> int:
    """Examine all, in a folder that is kept where one is given."""
    with tempfile.TemporaryDirectory() as aside:
        missed, alarmed = examine(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(aside))
    print(f"named rightly: {30 - len(missed)} of 30; alarm in {len(alarmed)} of 20 healthy ones")
    return 0 if 30 - len(missed) >= LEAST_NAMED and not alarmed else 1


if __name__ == "__main__":
    sys.exit(main())
