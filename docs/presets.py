"""Every algorithm on the same task from the same start: trains, draws docs/presets.svg, prints a table.

python docs/presets.py FOLDER [--seeds 1 2 3] [--only NAME ...] [--draw]

The start of a seed is the supervised stage of the `chain` recipe; every algorithm then has ten of its
steps, 64 problems with 8 answers each, two updates a step where it is right for more than one. A run
that is in FOLDER already is not made again. With `--draw` nothing is trained.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

import cohort
from cohort.config.load import packaged_recipes
from cohort.objective.presets import ALGORITHMS
from cohort.report import read
from cohort.report.statistics import mean

STEPS = 10
ROW = 6
WIDTH, HEIGHT, GAP, TOP, LEFT = 116, 64, 14, 20, 24
LOW = 0.2  # of the vertical axis; its top is 1
INK, LINE, FAINT = "#57606a", "#2f6fde", "#b8bec6"


def main(arguments: list[str]) -> int:
    """Train what is missing, then draw and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--only", nargs="+", default=list(ALGORITHMS))
    parser.add_argument("--draw", action="store_true")
    given = parser.parse_args(arguments)
    names, seeds, folder = given.only, given.seeds, given.folder
    if not given.draw:
        for seed in seeds:
            for name in names:
                _run(folder, name, seed)
        return 0
    (Path(__file__).parent / "presets.svg").write_text(_figure(folder, names, seeds))
    print(_table(folder, names, seeds))
    return 0


def _run(folder: Path, name: str, seed: int) -> None:
    """One algorithm from the start of its seed; unless it is there."""
    start, run = folder / f"start-{seed}", folder / f"{name}-{seed}"
    chain = tomllib.loads(packaged_recipes()["chain"].read_text(encoding="utf-8"))
    evaluate = chain["stage"][1] | {"name": "held-out", "samples_per_problem": 4}
    if not _finished(start):
        stages = [chain["stage"][0], evaluate]
        cohort.train(model=chain["model"], stages=stages, seed=seed, threads=1, run=start)
    if _finished(run):
        return
    on_policy = ALGORITHMS[name].has("surrogate", "on policy")
    reinforce: dict[str, Any] = chain["stage"][2] | {
        "algorithm": name,
        "steps": STEPS,
        "minibatches_per_step": 1 if on_policy else 2,
    }
    if ALGORITHMS[name].asks_critic:
        reinforce["critic"] = "own"
    if ALGORITHMS[name].has("advantage", "steps"):
        reinforce["rewards"] = {"correct": 1.0, "right_steps": 0.5}
    model = str((start / "model").resolve())
    cohort.train(model=model, stages=[reinforce, evaluate], seed=seed, threads=1, run=run)


def _finished(run: Path) -> bool:
    """Whether a run is there and whole; half a run is removed."""
    if (run / "report.html").is_file():
        return True
    shutil.rmtree(run, ignore_errors=True)
    return False


def _curve(folder: Path, name: str, seed: int) -> list[float]:
    with read.opened(folder / f"{name}-{seed}") as db:
        return [v for _, v in read.series(db, 0, "rewards/correct/mean") if v is not None]


def _held_out(folder: Path, name: str, seed: int) -> float:
    with read.opened(folder / f"{name}-{seed}") as db:
        return float(read.evaluations(db)[-1].summary["pass_at_1"])


def _table(folder: Path, names: list[str], seeds: list[int]) -> str:
    """Held-out share of right answers before and after, a row per algorithm, the best first."""
    before = [_held_out(folder, "start", seed) for seed in seeds]
    head = " | ".join(f"seed {seed}" for seed in seeds)
    lines = [
        f"| algorithm | {head} | mean gain |",
        "| --- |" + " ---: |" * (len(seeds) + 1),
        "| (start) | " + " | ".join(f"{value:.3f}" for value in before) + " | |",
    ]
    rows = []
    for name in names:
        after = [_held_out(folder, name, seed) for seed in seeds]
        rows.append((mean(after) - mean(before), name, after))
    for gain, name, after in sorted(rows, reverse=True):
        values = " | ".join(f"{value:.3f}" for value in after)
        lines.append(f"| `{name}` | {values} | {gain:+.3f} |")
    return "\n".join(lines)


def _figure(folder: Path, names: list[str], seeds: list[int]) -> str:
    """A panel per algorithm: a line per seed, and the mean of `grpo` behind them."""
    columns = zip(*[_curve(folder, "grpo", seed) for seed in seeds], strict=True)
    usual = [mean(column) for column in columns]
    rows = -(-len(names) // ROW)
    width, height = LEFT + ROW * (WIDTH + GAP), rows * (HEIGHT + TOP + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="system-ui, sans-serif" font-size="10" fill="{INK}">'
    ]
    for number, name in enumerate(names):
        left = LEFT + number % ROW * (WIDTH + GAP)
        top = TOP + number // ROW * (HEIGHT + TOP + GAP)
        parts.append(f'<text x="{left}" y="{top - 5}" font-weight="600">{name}</text>')
        parts.append(
            f'<rect x="{left}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" '
            f'stroke="{FAINT}" stroke-width=".5"/>'
        )
        if left == LEFT:
            marks = ((1.0, top + 8), (LOW, top + HEIGHT))
            parts += [
                f'<text x="{LEFT - 4}" y="{y}" text-anchor="end">{value:g}</text>'
                for value, y in marks
            ]
        parts.append(_line(usual, left, top, FAINT))
        parts += [_line(_curve(folder, name, seed), left, top, LINE) for seed in seeds]
    return "\n".join([*parts, "</svg>\n"])


def _line(values: list[float], left: float, top: float, colour: str) -> str:
    last = max(1, len(values) - 1)
    points = " ".join(
        f"{left + WIDTH * place / last:.1f},{top + HEIGHT * (1 - value) / (1 - LOW):.1f}"
        for place, value in enumerate(values)
    )
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.2"/>'


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
