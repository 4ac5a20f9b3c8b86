"""`python -m proofs.figure5 FOLDER`: figure 5 of DeepSeekMath in miniature, on sums worked out line by line.

From one supervised start of each seed four ways go on, with the same problems per step and the same
number of sampled answers: rejection tuning (all answers from the start, the right ones imitated), its online
form (the answers from the policy as it is), GRPO with the reward of the answer, and GRPO with a reward
for each line. Each makes one update of what a step sampled. Everything but the learning rate is equal;
that was chosen for each by `--tune`, with the same three rates on two other seeds.

What was run is not run again. Results stand in FOLDER/figure5.json; the tables go to stdout.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import cohort
from cohort.objective.metrics import majority_at_k
from cohort.report import read
from cohort.report.statistics import pass_at_k
from cohort.rewards.reading import found_answer

SUMS = {"source": "sums", "options": {"numbers": 3, "largest": 19}, "held_out_problems": 100}
MODEL = {
    "new": {
        "hidden": 64,
        "layers": 2,
        "heads": 4,
        "key_value_heads": 4,
        "feed_forward": 168,
        "context": 64,
    }
}
START = {
    "kind": "supervised",
    "problems": SUMS,
    "rows_per_step": 32,
    "optimizer": {
        "learning_rate": 2e-3,
        "schedule": "constant",
        "warmup_steps": 20,
        "beta2": 0.95,
    },
}
BEGIN, EACH, MOST = 160, 40, 1200
"""Supervised steps before a start is measured for the first time, between two times, and at most."""
RIGHT_LINES = 0.45
"""A start is where so many of its sampled lines are right for the first time: seeds learn to carry at
different times, and all at once."""
STEPS, POINTS = 40, 4
GROUPS = {"prompts_per_step": 48, "rollouts_per_prompt": 8, "max_new_tokens": 40, "slots": 256}
HERE = {"where": "trainer"}  # the functions are quick and ours; a process of their own costs more
TOLD = {"correct": {"weight": 1.0, **HERE}, "right_steps": {"weight": 0.0, **HERE}}
BY_LINE = {"correct": {"weight": 0.0, **HERE}, "right_steps": {"weight": 1.0, **HERE}}

ARMS = ("rejection tuning", "online rejection tuning", "GRPO, outcome", "GRPO, process")
ALGORITHMS = {ARMS[1]: "online-rft", ARMS[2]: "grpo", ARMS[3]: "grpo-process"}
TRIED = (1e-4, 2e-4, 4e-4)
RATES = "rates.json"
"""The learning rate of each way, in FOLDER: the best of those tried on the seeds that are for tuning."""
TUNING = (11, 12)
SAMPLES = 64
# Quantiles 0.975 of Student's t, by the number of seeds.
STUDENT = {
    2: 12.71,
    3: 4.303,
    4: 3.182,
    5: 2.776,
    6: 2.571,
    7: 2.447,
    8: 2.365,
    9: 2.306,
    10: 2.262,
}


def main(arguments: Sequence[str]) -> int:
    """Run what is missing, print the tables."""
    parser = argparse.ArgumentParser(prog="python -m proofs.figure5", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 9)))
    parser.add_argument("--tune", action="store_true", help="learning rates, on seeds of their own")
    asked = parser.parse_args(arguments)
    if asked.tune:
        print("\n".join(_tuned(asked.folder)))
        return 0
    chosen = asked.folder / RATES
    if not chosen.is_file():
        parser.error(f"{chosen} is not there: --tune chooses the learning rates first")
    rates = json.loads(chosen.read_text(encoding="utf-8"))
    found = {
        str(seed): {"start": _start(asked.folder, seed)}
        | {arm: _whole_way(asked.folder, arm, seed, rates[arm]) for arm in ARMS}
        for seed in asked.seeds
    }
    (asked.folder / "figure5.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    print("\n".join([*_accuracies(found, rates), "", *_differences(found), "", *_at_k(found)]))
    return 0


def _tuned(folder: Path) -> list[str]:
    """The share of right answers at the end, by way and learning rate, over the seeds for tuning; the
    best rate of each way is kept for the run."""
    head = " | ".join(f"{rate:g}" for rate in TRIED)
    rows = [f"| way | {head} |", "| --- |" + " ---: |" * len(TRIED)]
    best = {}
    for arm in ARMS:
        ends = [
            fmean(way(folder, arm, seed, rate, 1)[-1]["sampled"] for seed in TUNING)
            for rate in TRIED
        ]
        rows.append(f"| {arm} | " + " | ".join(f"{end:.3f}" for end in ends) + " |")
        best[arm] = TRIED[ends.index(max(ends))]
    (folder / RATES).write_text(json.dumps(best, indent=1), encoding="utf-8")
    return rows


def _start(folder: Path, seed: int) -> dict[str, Any]:
    """The supervised start of a seed, measured."""
    run = folder / f"start-{seed}"
    if _finished(run.with_name(f"{run.name}-measured-{SAMPLES}")):
        return _measured(run, seed, SAMPLES)
    shutil.rmtree(run, ignore_errors=True)
    for steps in range(BEGIN, MOST, EACH):
        cohort.train(
            model=MODEL, stages=[START | {"steps": steps}], seed=seed, threads=1, run=run,
            quiet=True, accept_changes=True,
        )  # fmt: skip
        if _measured(run, seed, 4)["lines"] >= RIGHT_LINES:
            break
    return _measured(run, seed, SAMPLES)


def _whole_way(folder: Path, arm: str, seed: int, rate: float) -> dict[str, Any]:
    """One way from the start of a seed: its curve, and the measures at its end."""
    curve = way(folder, arm, seed, rate)
    return {"curve": curve, **_measured(_run(folder, arm, seed, rate), seed, SAMPLES)}


def way(
    folder: Path, arm: str, seed: int, rate: float, points: int = POINTS
) -> list[dict[str, Any]]:
    """The curve of a way: measures of held-out problems, and the tokens sampled until then."""
    _start(folder, seed)
    run = _run(folder, arm, seed, rate)
    kept = run.with_name(f"{run.name}.json")
    if kept.is_file():
        curve: list[dict[str, Any]] = json.loads(kept.read_text(encoding="utf-8"))
        return curve
    shutil.rmtree(run, ignore_errors=True)
    model, curve = str((folder / f"start-{seed}" / "model").resolve()), []
    for point in range(1, points + 1):
        steps = STEPS * point // points
        # The same run, a part longer every time; its model is measured in between.
        cohort.train(
            model=model, stages=_stages(arm, steps, rate), seed=seed, threads=1, run=run,
            quiet=True, accept_changes=True,
        )  # fmt: skip
        curve.append(
            _measured(run, seed, 4) | {"tokens": _tokens(run) * steps // _done(arm, steps)}
        )
    kept.write_text(json.dumps(curve), encoding="utf-8")
    return curve


def _run(folder: Path, arm: str, seed: int, rate: float) -> Path:
    return folder / f"{arm.replace(', ', '-').replace(' ', '-')}-{rate:g}-{seed}"


def _stages(arm: str, steps: int, rate: float) -> list[dict[str, Any]]:
    optimizer = {"learning_rate": rate, "schedule": "constant", "warmup_steps": 3, "beta2": 0.99}
    if arm in ALGORITHMS:
        rewards = BY_LINE if arm == ARMS[3] else TOLD
        return [
            {"kind": "reinforce", "problems": SUMS, "algorithm": ALGORITHMS[arm], "steps": steps}
            | {"rewards": rewards, "optimizer": optimizer, **GROUPS}
        ]
    select = {"kind": "select", "name": "keep", "problems": SUMS, "rewards": TOLD}
    return [
        select | {"steps": STEPS, "keep": {"correct": 1.0}, "distinct": False, **GROUPS},
        {"kind": "supervised", "problems": "stage:keep"}
        | {"steps": steps, "rows_per_step": 192, "optimizer": optimizer},
    ]


def _done(arm: str, steps: int) -> int:
    """The steps whose sampling a run has done when its training has come so far."""
    return steps if arm in ALGORITHMS else STEPS


def _measured(run: Path, seed: int, samples: int) -> dict[str, Any]:
    """Held-out problems: shares of right answers, and of right ones among K."""
    place = run.with_name(f"{run.name}-measured-{samples}")
    if samples != SAMPLES or not _finished(place):
        shutil.rmtree(place, ignore_errors=True)
        evaluate = {"kind": "evaluate", "problems": SUMS, "rewards": TOLD, "max_new_tokens": 40}
        evaluate |= {"samples_per_problem": samples, "slots": 256}
        model = str((run / "model").resolve())
        cohort.train(model=model, stages=[evaluate], seed=seed, threads=1, run=place, quiet=True)
    with read.opened(place) as db:
        (made,) = read.evaluations(db)
        answers = read.answers(db, made.id)
    functions: Any = made.summary["functions"]
    found = {
        "sampled": made.summary["pass_at_1"],
        "greedy": made.summary["greedy"],
        "lines": functions["sampled"]["rewards/right_steps/mean"],
        "length": functions["sampled"]["completions/mean_length"],
    }
    return found if samples != SAMPLES else found | _among(answers)


def _among(answers: Sequence[read.Answer]) -> dict[str, Any]:
    """Pass@K by its unbiased estimator, and Maj@K over the blocks of K that the samples make."""
    said: dict[str, list[read.Answer]] = {}
    for answer in answers:
        if answer.sample:
            said.setdefault(answer.problem, []).append(answer)
    counts = [2**power for power in range(SAMPLES.bit_length())]
    passed = {
        str(k): fmean(
            pass_at_k(len(own), sum(bool(a.success) for a in own), k) for own in said.values()
        )
        for k in counts
    }
    agreed = {str(k): fmean(_majority(own, k) for own in said.values()) for k in counts}
    return {"pass@k": passed, "maj@k": agreed}


def _majority(own: Sequence[read.Answer], k: int) -> float:
    terms = own[0].prompt.removesuffix("=").split("+")
    texts = [found_answer(answer.text) or "" for answer in own]
    blocks = [texts[begin : begin + k] for begin in range(0, len(texts), k)]
    gold = str(sum(map(int, terms)))
    return fmean(majority_at_k(block, gold, ties="shared") for block in blocks)


def _tokens(run: Path) -> int:
    """The tokens that a run sampled to learn from."""
    with read.opened(run) as db:
        return sum(row.sampled_tokens or 0 for row in read.stages(db))


def _finished(run: Path) -> bool:
    """Whether a run is there and went to its end; half a run is removed."""
    if (run / "run.db").is_file():
        with read.opened(run) as db:
            if read.facts(db).get("status") == "finished":
                return True
    shutil.rmtree(run, ignore_errors=True)
    return False


def _interval(values: Sequence[float]) -> str:
    """The mean with the half-width of its 95 % interval, by Student's t over the seeds."""
    if len(values) < 2:
        return f"{fmean(values):.3f}"
    reach = STUDENT.get(len(values), 1.96) * stdev(values) / math.sqrt(len(values))
    return f"{fmean(values):.3f} ± {reach:.3f}"


def _accuracies(found: Mapping[str, Any], rates: Mapping[str, float]) -> list[str]:
    """The share of right answers among four sampled ones to held-out problems, by sampled tokens."""
    tokens = [
        fmean(f[a]["curve"][p]["tokens"] for f in found.values() for a in ARMS)
        for p in range(POINTS)
    ]
    head = " | ".join(f"{count / 1000:,.0f}k tokens" for count in tokens)
    before = _interval([f["start"]["sampled"] for f in found.values()])
    rows = [f"| way | learning rate | start | {head} | greedy | right lines |"]
    rows.append("| --- |" + " ---: |" * (POINTS + 4))
    for arm in ARMS:
        points = [
            _interval([f[arm]["curve"][p]["sampled"] for f in found.values()])
            for p in range(POINTS)
        ]
        ends = [_interval([f[arm][key] for f in found.values()]) for key in ("greedy", "lines")]
        rows.append(f"| {arm} | {rates[arm]:g} | " + " | ".join([before, *points, *ends]) + " |")
    return rows


def _differences(found: Mapping[str, Any]) -> list[str]:
    """What each way has over the one before it, seed by seed, in the paper's order."""
    rows = [
        "| difference at the end, by seed | mean, 95 % interval | seeds above 0 |",
        "| --- | ---: | ---: |",
    ]
    for one, other in zip(ARMS[1:], ARMS, strict=False):
        values = [f[one]["sampled"] - f[other]["sampled"] for f in found.values()]
        above = f"{sum(value > 0 for value in values)} of {len(values)}"
        rows.append(f"| {one} less {other} | {_interval(values)} | {above} |")
    return rows


def _at_k(found: Mapping[str, Any]) -> list[str]:
    """Maj@K and Pass@K before and after."""
    counts = list(next(iter(found.values()))["start"]["pass@k"])
    rows = [
        "| | " + " | ".join(f"K = {k}" for k in counts) + " |",
        "| --- |" + " ---: |" * len(counts),
    ]
    for name in ("maj@k", "pass@k"):
        for way in ("start", *ARMS):
            cells = [_interval([f[way][name][k] for f in found.values()]) for k in counts]
            rows.append(f"| {name.capitalize()}, {way} | " + " | ".join(cells) + " |")
    return rows


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
