"""Learning without labels: a small model that reconciles its own answers, seed by seed.

The recipe `cat`: a cold start that solves and reconciles, then Compute as Teacher, whose labels are sealed.
Held-out labels measure, on the same 400 problems each time. Held of every seed:

    synthesis   at the start, the synthesis of 8 answers is right more often than a single one and than
                their majority, with intervals (95 %) that do not touch
    learned     single answers end at least 0.15 above their start (4 of 5 seeds are asked)
    majority    and above the majority of 8 at the start (4 of 5 seeds are asked)
    random      with a random answer as the reference they end clearly lower: intervals that do not touch
    cost        a reference takes at most 1.3 of an answer's tokens
    minutes     cold start and training took at most 20, of processor time

Beside them, without a claim for a seed: the anchor that moves with the policy, the vote of TTRL, what
references take in seconds. Of the seeds together: the synthesis of 2, 4 and 8 answers is right more
often each time.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cohort.config.load import load_recipe, packaged_recipes, read_recipe
from cohort.config.overrides import apply_overrides
from cohort.config.recipe import Recipe
from cohort.config.toml import read_toml
from cohort.report import read
from cohort.train.run import train_recipe
from cohort.train.synthesize_model import synthesize_model

SEEDS, SHORT_SEEDS = (1, 2, 3, 4, 5), (1,)
HELD_OUT = 400
GROUPS = (1, 2, 4, 8)
LEAST_GAIN, MOST_COST, MOST_MINUTES, FEWEST_SEEDS = 0.15, 1.3, 20.0, 4
T_95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776}
"""Student's t for 95 % on both sides, by degrees of freedom."""
COLD, CAT = 0, 2
"""The stages of the recipe that train."""
VARIANTS: Mapping[str, dict[str, Any]] = {
    "frozen": {},
    "random": {"reference": "random", "equality": "text"},
    "moving": {"anchor": "policy"},
    "vote": {"reference": "majority", "equality": "text"},
}
"""What of the teacher is another than in the recipe; a whole table where the reference is."""
CLAIMS = ("synthesis", "learned", "majority", "random", "cost", "minutes")


def held_out(table: dict[str, Any]) -> dict[str, Any]:
    """A stage's table with the problems that are measured on."""
    return {**table, "problems": {"source": "slips", "held_out_problems": HELD_OUT}}


def cold_start(seed: int, folder: Path) -> Path:
    """The model that solves and reconciles."""
    data = read_toml(packaged_recipes()["cat"])
    data |= {"seed": seed, "stage": [data["stage"][COLD]]}
    run = folder / f"cold-{seed}"
    done = run / "model"
    return done if done.exists() else carried_out(read_recipe(data), run)


def carried_out(recipe: Recipe, folder: Path) -> Path:
    """The model of a recipe's run."""
    return train_recipe(recipe, run=folder, base=folder.parent, name="cat", quiet=True) / "model"


def variant(name: str, seed: int, model: Path, folder: Path) -> Path:
    """The run of a teacher from the cold start on, measured before and after."""
    data = read_toml(packaged_recipes()["cat"])
    before, cat, after = data["stage"][1:]
    change = VARIANTS[name]
    cat["teacher"] = change if "reference" in change else {**cat["teacher"], **change}
    stages = [held_out(before), held_out(cat), held_out(after)]
    made = read_recipe({"seed": seed, "threads": 1, "model": str(model), "stage": stages})
    run = folder / f"{name}-{seed}"
    carried_out(made, run)
    return run


def compared(seed: int, model: Path, group: int) -> dict[str, Any]:
    """The rules at inference, over so many answers to each problem."""
    recipe = load_recipe(packaged_recipes()["cat"])
    stage = {
        "kind": "select",
        "problems": {"source": "slips", "held_out_problems": HELD_OUT},
        "rewards": {"agrees": 1.0},
        "teacher": recipe.stage[CAT].teacher.model_dump(),  # type: ignore[union-attr]
        "steps": 1,
        "rollouts_per_prompt": group,
        "max_new_tokens": 16,
    }
    data = {"seed": seed, "threads": 1, "model": str(model), "stage": [stage]}
    return synthesize_model(
        read_recipe(apply_overrides(data, [])), base=Path.cwd(), reward="correct"
    )


def single(run: Path, which: int) -> tuple[float, list[float]]:
    """The share of sampled answers that are right, before (0) or after (1), and its interval."""
    with read.opened(run) as db:
        summary: Any = read.evaluations(db)[which].summary
    return summary["pass_at_1"], summary["pass_at_1_interval"]


def signals(run: Path) -> dict[str, float]:
    """What references took, beside a group's answers, and how alike these are at the end."""
    with read.opened(run) as db:

        def column(name: str) -> list[float]:
            return [value for _, value in read.series(db, 1, name) if value is not None]

        tokens, lengths = column("teacher/tokens"), column("completions/mean_length")
        teacher, sampling = column("teacher/seconds"), column("time/sampling")
        return {
            "tokens": statistics.fmean(tokens) / 32 / statistics.fmean(lengths),
            "seconds": sum(teacher) / (sum(sampling) / 8),
            "alike": column("teacher/alike")[-1],
            "entropy": column("entropy")[-1],
        }


def begun(seed: int, kept: Path) -> dict[str, Any]:
    """The cold start, and what the rules take of its answers."""
    began = time.process_time()
    model = cold_start(seed, kept)
    minutes = (time.process_time() - began) / 60
    start = {group: compared(seed, model, group) for group in GROUPS}
    return {
        "cold minutes": minutes,
        "start": {name: own["right"] for name, own in start[8]["rules"].items()},
        "intervals": {name: own["interval"] for name, own in start[8]["rules"].items()},
        "differs": start[8]["differs from majority"],
        "all wrong": start[8]["all answers wrong"],
        "groups": {str(n): own["rules"]["synthesis"]["right"] for n, own in start.items()},
    }


def taught(name: str, seed: int, kept: Path) -> dict[str, Any]:
    """What a teacher makes of the cold start."""
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        run = variant(name, seed, cold_start(seed, kept), Path(folder))
        minutes = (time.process_time() - began) / 60
        before, _ = single(run, 0)
        after, spread = single(run, 1)
        return {
            name: after,
            f"{name} before": before,
            f"{name} interval": spread,
            f"{name} signals": signals(run),
            f"{name} minutes": minutes,
        }


def holds(seen: dict[str, Any]) -> dict[str, bool]:
    """Which claims hold of a seed."""
    start, spread = seen["start"], seen["intervals"]
    lowest = spread["synthesis"][0]
    return {
        "synthesis": lowest > max(spread["single"][1], spread["majority"][1]),
        "learned": seen["frozen"] >= seen["frozen before"] + LEAST_GAIN,
        "majority": seen["frozen"] > start["majority"],
        "random": "random" not in seen or seen["random interval"][1] < seen["frozen interval"][0],
        "cost": seen["frozen signals"]["tokens"] <= MOST_COST,
        "minutes": seen["cold minutes"] + seen["frozen minutes"] <= MOST_MINUTES,
    }


def interval(values: Sequence[float]) -> str:
    """A mean over seeds and its 95 % interval."""
    mean = statistics.fmean(values)
    if len(values) - 1 not in T_95:
        return f"{mean:.3f}"
    half = T_95[len(values) - 1] * statistics.stdev(values) / len(values) ** 0.5
    return f"{mean:.3f} [{mean - half:.3f}, {mean + half:.3f}]"


def table(found: dict[int, dict[str, Any]], names: Sequence[str]) -> dict[str, str]:
    """The figures over all seeds."""
    every = list(found.values())
    rows = {f"start: {rule}": [s["start"][rule] for s in every] for rule in every[0]["start"]}
    rows |= {f"start: synthesis of {n}": [s["groups"][str(n)] for s in every] for n in GROUPS}
    rows |= {f"end: {name}": [s[name] for s in every] for name in names}
    return {name: interval(values) for name, values in rows.items()}


def rises(found: dict[int, dict[str, Any]]) -> bool:
    """Whether more answers make a better synthesis, on the mean of the seeds."""
    means = [statistics.fmean(s["groups"][str(n)] for s in found.values()) for n in GROUPS]
    return all(less < more for less, more in itertools.pairwise(means))


def found_of(seed: int, kept: Path, names: Sequence[str]) -> dict[str, Any]:
    """The figures of a seed: as they were kept, and measured where they were not."""
    file = kept / f"{seed}.json"
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    for part in ("start", *names):
        if part not in found:
            found |= begun(seed, kept) if part == "start" else taught(part, seed, kept)
            file.write_text(json.dumps(found), encoding="utf-8")
    print(f"seed {seed}: {json.dumps(found)}", file=sys.stderr, flush=True)
    return found


def prove(seeds: Sequence[int], kept: Path, names: Sequence[str]) -> dict[str, Any]:
    """These seeds; some claims are asked of four in five of them."""
    kept.mkdir(parents=True, exist_ok=True)
    found = {seed: found_of(seed, kept, names) for seed in seeds}
    held = {seed: holds(seen) for seed, seen in found.items()}
    failures = [f"seed {s}: {c}" for s, own in held.items() for c, ok in own.items() if not ok]
    allowed = len(seeds) // len(SEEDS) * (len(SEEDS) - FEWEST_SEEDS)
    missed = {c: sum(f.endswith(f": {c}") for f in failures) for c in ("learned", "majority")}
    excused = [c for c, count in missed.items() if count <= allowed]
    failures = [f for f in failures if f.rpartition(": ")[2] not in excused]
    failures += [] if rises(found) else ["more answers make no better synthesis"]
    asked = len(CLAIMS) * len(seeds) + 1
    return {
        "name": "learning without labels",
        "asked": asked,
        "held": asked - len(failures),
        "failures": failures,
        "figures": table(found, names),
        "seeds": found,
        "claims": held,
    }


def main() -> int:
    """1 where a claim fails."""
    parser = argparse.ArgumentParser(prog="python -m proofs.teacher", description=__doc__)
    parser.add_argument("--short", action="store_true", help="the first seed, the recipe alone")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--found", type=Path, help="a folder that keeps what was found of a seed")
    parser.add_argument("--teachers", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    asked = parser.parse_args()
    seeds, names = asked.seeds, tuple(asked.teachers)
    if asked.short:
        seeds, names = SHORT_SEEDS, ("frozen",)
    with tempfile.TemporaryDirectory() as name:
        return told(prove(seeds, asked.found or Path(name), names))


if __name__ == "__main__":
    from proofs.command import main as told

    raise SystemExit(main())
