"""PPO with a critic of its own beside GRPO on `chain`: the same start, the same number of answers.

python docs/ppo.py FOLDER [--seeds 1 2 3 4 5] [--sides grpo ppo] [--draw]

The start of a seed is the supervised stage of the `chain` recipe; the GRPO side is the first 25 steps of
that recipe's stage `reinforce`, the PPO side the same with what is below. Every fifth step 200 held-out
problems are answered, once greedily and four times sampled. A run that is in FOLDER already is not
made again. With `--draw` nothing is trained: the table is printed and docs/ppo.svg drawn.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cohort
from cohort.config.load import packaged_recipes
from cohort.config.stages import Evaluate, Mixture, Reinforce, Reward
from cohort.objective.algorithms import Algorithm
from cohort.policy.policy import Policy
from cohort.report import read
from cohort.report.statistics import deviation, mean
from cohort.train import run as train_run
from cohort.train.evaluate import measure
from cohort.train.stage import StageContext
from cohort.train.state import Cost

EVERY, STEPS = 5, 25
SIDES: dict[str, dict[str, Any]] = {
    "grpo": {},
    "ppo": {
        "algorithm": {"name": "ppo", "beta": 0.0},
        "critic": {"pretraining_steps": 3, "optimizer": {"learning_rate": 1e-3, "beta2": 0.99}},
        "minibatches_per_step": 4,
        "optimizer": {"learning_rate": 7.5e-5, "warmup_steps": 20, "beta2": 0.99},
    },
}
"""What each side changes in the recipe's stage `reinforce`. A critic that makes one update a step learns
no more than the mean of 40 of them: PPO has four minibatches, and half the learning rate for each."""

STUDENT = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365}
"""Standard errors that a two-sided interval of 95 % reaches, by the number of seeds."""

CURVE = "curve.json"
WIDTH, HEIGHT, GAP, LEFT, TOP = 300, 150, 40, 34, 26
INK, COLOURS = "#57606a", {"grpo": "#2f6fde", "ppo": "#d9803c"}


def main(arguments: list[str]) -> int:
    """Train what is missing, or draw and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--draw", action="store_true")
    given = parser.parse_args(arguments)
    if not given.draw:
        for seed in given.seeds:
            for side in given.sides:
                train(given.folder, side, seed, SIDES[side])
        return 0
    curves = {side: [_curve(given.folder, side, s) for s in given.seeds] for side in given.sides}
    (Path(__file__).parent / "ppo.svg").write_text(_figure(curves))
    print(_table(curves, given.seeds))
    return 0


def train(folder: Path, side: str, seed: int, changes: Mapping[str, Any]) -> list[dict[str, float]]:
    """The curve of one side from the start of its seed; trained unless it is there."""
    start, run = folder / f"start-{seed}", folder / f"{side}-{seed}"
    chain = tomllib.loads(packaged_recipes()["chain"].read_text(encoding="utf-8"))
    common: dict[str, Any] = {"seed": seed, "threads": 1, "quiet": True}
    if not _finished(start):
        cohort.train(model=chain["model"], stages=[chain["stage"][0]], run=start, **common)
    if not _finished(run):
        model = str((start / "model").resolve())
        with _watched(run / CURVE):
            stages = [chain["stage"][2] | {"steps": STEPS} | changes]
            cohort.train(model=model, stages=stages, run=run, **common)
    return _curve(folder, side, seed)


def _finished(run: Path) -> bool:
    """Whether a run is there and went to its end; half a run is removed."""
    if (run / "run.db").is_file():
        with read.opened(run) as db:
            if read.facts(db).get("status") == "finished":
                return True
    shutil.rmtree(run, ignore_errors=True)
    return False


@contextmanager
def _watched(file: Path) -> Iterator[None]:
    """While it lasts, stages `reinforce` answer held-out problems before the first step and every fifth."""
    plain = train_run.reinforce

    def reinforce(
        options: Reinforce, algorithm: Algorithm, policy: Policy, context: StageContext
    ) -> Cost:
        watching: Any = _Watching(context, policy, file)
        watching.look(0)
        return plain(options, algorithm, policy, replace(context, console=watching))

    train_run.reinforce = reinforce
    try:
        yield
    finally:
        train_run.reinforce = plain


class _Watching:
    """A console that looks at held-out problems now and then."""

    def __init__(self, context: StageContext, policy: Policy, file: Path) -> None:
        self._context, self._policy, self._file = context, policy, file
        self._seen: list[dict[str, float]] = []
        self._options = Evaluate(
            kind="evaluate",
            problems=Mixture(source="chain"),
            rewards={"correct": Reward()},
            samples_per_problem=4,
            max_new_tokens=48,
            slots=256,
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context.console, name)

    def step(self, step: int, metrics: Mapping[str, float], seconds: float) -> None:
        """Show a step, and look after every fifth."""
        self._context.console.step(step, metrics, seconds)
        if step % EVERY == 0:
            self.look(step, metrics.get("num_tokens", 0.0))

    def look(self, step: int, tokens: float = 0.0) -> None:
        """Answer the held-out problems, and write down how many were right."""
        context = self._context
        answers, _ = measure(
            self._options,
            self._policy,
            context.source.held_out(),
            context.rewards,
            seed=context.seed,
            runner=context.runner,
        )
        greedy = [float(bool(answer.success)) for answer in answers if answer.sample == 0]
        sampled = [float(bool(answer.success)) for answer in answers if answer.sample > 0]
        found = {"step": step, "tokens": tokens, "greedy": mean(greedy), "sampled": mean(sampled)}
        self._seen.append(found)
        self._file.write_text(json.dumps(self._seen))


def _curve(folder: Path, side: str, seed: int) -> list[dict[str, float]]:
    found: list[dict[str, float]] = json.loads((folder / f"{side}-{seed}" / CURVE).read_text())
    return found


Curves = Mapping[str, Sequence[Sequence[Mapping[str, float]]]]


def _table(curves: Curves, seeds: Sequence[int]) -> str:
    """Held-out shares by step, means over the seeds, and sampled ones less the first side's; every end."""
    sides = list(curves)
    heads = [f"{side} {kind}" for kind in ("greedy", "sampled") for side in sides]
    heads += [f"{side} - {sides[0]}, sampled" for side in sides[1:]]
    lines = ["| step | " + " | ".join(heads) + " |", "| ---: |" + " --- |" * len(heads)]
    steps = [point["step"] for point in curves[sides[0]][0]]
    for place, step in enumerate(steps):
        by_kind = {
            kind: [[curve[place][kind] for curve in curves[side]] for side in sides]
            for kind in ("greedy", "sampled")
        }
        first, *others = by_kind["sampled"]
        gaps = [[b - a for a, b in zip(first, own, strict=True)] for own in others]
        cells = [_shown(own) for own in [*by_kind["greedy"], *by_kind["sampled"], *gaps]]
        lines.append(f"| {step:g} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "| side | " + " | ".join(f"seed {seed}" for seed in seeds) + " | tokens sampled |",
    ]
    lines.append("| --- |" + " --- |" * (len(seeds) + 1))
    for side, own in curves.items():
        ends = [f"{curve[-1]['greedy']:.3f}, {curve[-1]['sampled']:.3f}" for curve in own]
        tokens = mean([curve[-1]["tokens"] for curve in own])
        lines.append(f"| {side} | " + " | ".join(ends) + f" | {tokens:,.0f} |")
    return "\n".join(lines)


def _shown(values: Sequence[float]) -> str:
    """A mean over seeds with its interval, by Student's distribution: seeds are few."""
    reach = STUDENT[len(values)] * deviation(values) / (len(values) - 1) ** 0.5
    return f"{mean(values):.3f} +- {reach:.3f}"


def _figure(curves: Curves) -> str:
    """Two panels, greedy and sampled: a line per seed and side."""
    total = LEFT + 2 * (WIDTH + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {HEIGHT + TOP + 24}" '
        f'font-family="system-ui, sans-serif" font-size="11" fill="{INK}">'
    ]
    for number, kind in enumerate(("greedy", "sampled")):
        parts += _panel(kind, LEFT + number * (WIDTH + GAP), curves)
    return "\n".join([*parts, "</svg>\n"])


def _panel(kind: str, left: float, curves: Curves) -> list[str]:
    parts = [f'<text x="{left}" y="14" font-weight="600">right answers, {kind}, held out</text>']
    for share in (0.0, 0.5, 1.0):
        y = TOP + HEIGHT * (1 - share)
        parts.append(f'<path d="M{left} {y}h{WIDTH}" stroke="{INK}" stroke-opacity=".25"/>')
        parts.append(f'<text x="{left - 4}" y="{y + 4}" text-anchor="end">{share:g}</text>')
    for number, (side, own) in enumerate(curves.items()):
        for curve in own:
            last = curve[-1]["step"]
            line = " ".join(
                f"{left + WIDTH * p['step'] / last:.1f},{TOP + HEIGHT * (1 - p[kind]):.1f}"
                for p in curve
            )
            parts.append(
                f'<polyline points="{line}" fill="none" stroke="{COLOURS[side]}" '
                'stroke-opacity=".7" stroke-width="1.5"/>'
            )
        x, y = left + WIDTH - 90 + 50 * number, TOP + HEIGHT + 16
        parts.append(f'<text x="{x}" y="{y}" fill="{COLOURS[side]}">{side}</text>')
    return parts


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
