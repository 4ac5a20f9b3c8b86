"""The page over a long run: 10,000 steps and 1,000,000 answers, and how long its questions take.

    python benchmarks/viewer.py [--steps 10000] [--rollouts 1000000] [--folder FOLDER]

Writes such a run (some 400 MB; kept where a folder is given), asks what the page asks and prints the slowest
of five askings of each question, then the memory of a process that has answered all of them. Exits with 1
where a first painting would wait for more than 2 s, a click for more than 0.3 s, or for more than 300 MB.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cohort.data.store import Store
from cohort.report import read
from cohort.report.views.answers import answer

GROUP = 8
TOKENS = 24
NAMES = (
    "reward", "reward_std", "frac_reward_zero_std", "unscored", "entropy", "kl", "loss",
    "grad_norm", "learning_rate", "num_tokens", "completions/mean_length",
    "completions/min_length", "completions/max_length", "completions/clipped_ratio",
    "clip_ratio/low_mean", "clip_ratio/high_mean", "clip_ratio/region_mean", "threads_used",
    "rewards/correct/mean", "rewards/correct/std", "rewards/correct/scored",
    "rewards/correct/failed", "rewards/correct/unscorable", "rewards/correct/slowest_seconds",
    "rewards/format/mean", "rewards/format/std", "rewards/format/scored",
    "rewards/format/failed", "time/sampling", "time/rewards", "time/old_logprobs",
    "time/reference_logprobs", "time/values", "time/update", "time/saving", "time/other",
    "sampling/sampling_logp_difference/mean", "sampling/effective_sample_share",
)  # fmt: skip
WORK = "processor "
LIMITS = {"paint": 2.0, "click": 0.3, "memory": 300.0}


def write_long_run(folder: Path, *, steps: int, rollouts: int, seed: int = 1) -> Path:
    """A run of one stage with as many answers, in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    store = Store(folder / "run.db")
    store.set_fact("status", "finished")
    store.set_fact("recipe", "long")
    store.begin_stage(0, name="reinforce", kind="reinforce", steps=steps)
    store.close()
    db = sqlite3.connect(folder / "run.db", isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")
    draw = random.Random(seed)
    groups = max(1, rollouts // GROUP // steps)
    for first in range(1, steps + 1, 500):
        db.execute("BEGIN")
        for step in range(first, min(first + 500, steps + 1)):
            _write_step(db, draw, step, groups)
        db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return folder


def _write_step(db: sqlite3.Connection, draw: random.Random, step: int, groups: int) -> None:
    db.execute("INSERT INTO steps VALUES (0, ?, ?)", (step, draw.uniform(1, 2)))
    values = {name: draw.random() for name in NAMES} | {"num_tokens": 5000.0 * step}
    db.executemany(
        "INSERT INTO metrics VALUES (0, ?, ?, ?)", [(step, *item) for item in values.items()]
    )
    tokens = np.arange(TOKENS, dtype="<i4").tobytes()
    logprobs = np.full(TOKENS, -0.5, "<f4").tobytes()
    for number in range(groups):
        problem = f"problem-{draw.randrange(5000)}"
        cursor = db.execute(
            "INSERT INTO groups (stage, step, problem, prompt, prompt_tokens, columns, discarded) "
            "VALUES (0, ?, ?, ?, ?, '{}', '')",
            (step, problem, f"What is {step} + {number}? Think first.", tokens),
        )
        rewards = [float(draw.random() < 0.5) for _ in range(GROUP)]
        db.executemany(
            "INSERT INTO rollouts VALUES (?, ?, ?, ?, ?, 'end', ?, 1.0, ?, ?, NULL, NULL, ?, ?, ?)",
            _answers(cursor.lastrowid, step, tokens, logprobs, rewards),
        )
        db.executemany(
            "INSERT INTO scores VALUES (?, ?, 'correct', ?, 'scored', '')",
            [(cursor.lastrowid, i, reward) for i, reward in enumerate(rewards)],
        )


def _answers(
    group: int | None, step: int, tokens: bytes, logprobs: bytes, rewards: list[float]
) -> Iterator[tuple[object, ...]]:
    halves, flags = np.ones(TOKENS, "<f2").tobytes(), bytes(TOKENS)
    for i, reward in enumerate(rewards):
        text = f"<think>{step} and {i} are {step + i}</think><answer>{step + i}</answer>"
        yield group, i, text, tokens, logprobs, step, reward, reward - 0.5, halves, halves, flags


def questions(steps: int) -> list[tuple[str, dict[str, str]]]:
    """What the page asks: at first, then with clicks here and there."""
    middle = str(steps // 2)
    found: list[tuple[str, dict[str, str]]] = [("run", {})]
    found += [("curve", {"stage": "0", "metric": name}) for name in NAMES[:8]]
    found += [("curve", {"stage": "0", "metric": "step/tokens_per_second"})]
    found += [("groups", {"stage": "0", "step": middle}), ("groups", {"stage": "0"})]
    found += [("group", {"id": middle}), ("tokens", {"id": middle})]
    found += [("history", {"problem": "problem-7"}), ("machine", {"stage": "0"}), ("pulse", {})]
    found += [("health", {})]
    return [*found, ("search", {"text": "no such words anywhere"})]


def measure(folder: Path, steps: int) -> dict[str, float]:
    """The slowest of five askings, by question and parameters, and the memory in MB."""
    found: dict[str, float] = {}
    for question, given in questions(steps):
        name = " ".join([question, *given.values()])
        for _ in range(5):
            began, worked = time.perf_counter(), time.process_time()
            with read.opened(folder) as db:
                json.dumps(answer(db, folder, question, given))
            found[name] = max(found.get(name, 0.0), time.perf_counter() - began)
            found[f"{WORK}{name}"] = max(
                found.get(f"{WORK}{name}", 0.0), time.process_time() - worked
            )
    found["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def main() -> int:
    """Write the run where it is not there yet, ask, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--rollouts", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--ask", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.ask:
        print(json.dumps(measure(given.ask, given.steps)))
        return 0
    with tempfile.TemporaryDirectory() as aside:
        folder = given.folder or Path(aside) / "long"
        if not (folder / "run.db").is_file():
            began = time.perf_counter()
            write_long_run(folder, steps=given.steps, rollouts=given.rollouts)
            size = (folder / "run.db").stat().st_size / 1e6
            print(f"written in {time.perf_counter() - began:.0f} s, {size:.0f} MB")
        # In a process of its own, so that writing the run is not in its memory.
        command = [sys.executable, __file__, "--ask", folder, "--steps", str(given.steps)]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return _judge(json.loads(told))


def _judge(found: dict[str, float]) -> int:
    memory = found.pop("memory")
    work = {name: found.pop(f"{WORK}{name}") for name in list(found) if f"{WORK}{name}" in found}
    print("   clock  processor")
    for name, seconds in found.items():
        print(f"{1000 * seconds:5.0f} ms  {1000 * work[name]:6.0f} ms  {name}")
    first = [s for name, s in found.items() if name.split()[0] in ("run", "curve")]
    clicks = [s for name, s in found.items() if name.split()[0] not in ("run", "health")]
    paint, click = sum(first), max(clicks)
    processor = sum(s for name, s in work.items() if name.split()[0] in ("run", "curve"))
    print(f"of processor time: first painting {processor:.2f} s, slowest click", end=" ")
    print(f"{max(s for name, s in work.items() if name.split()[0] not in ('run', 'health')):.2f} s")
    print(f"first painting {paint:.2f} s (at most {LIMITS['paint']}), slowest click {click:.2f} s")
    print(f"memory {memory:.0f} MB (at most {LIMITS['memory']:.0f})")
    good = paint < LIMITS["paint"] and click < LIMITS["click"] and memory < LIMITS["memory"]
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
