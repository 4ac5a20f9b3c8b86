"""What the sandbox costs: a Python program in it beside the bare interpreter, in turn, in one run.

    python benchmarks/sandbox.py [--json] [--rounds N]

The bare interpreter is `python -I -S -c pass`, started by `subprocess` and waited for. The cost of a
tier is the difference of the medians. The launcher, which a worker starts once, is given apart.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import time
from collections.abc import Callable

from cohort.errors import RewardError
from cohort.rewards.sandbox.program import Program
from cohort.rewards.sandbox.sandbox import Sandbox
from cohort.rewards.sandbox.starter import interpreter
from cohort.rewards.sandbox.tiers import OWN

PROGRAM = Program(files={"main.py": b"pass"})


def main() -> None:
    """Measure every tier that is here and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=100)
    asked = parser.parse_args()
    results = measure(asked.rounds)
    if asked.json:
        print(json.dumps(results))
        return
    print(f"{'':14}{'median':>10}{'over bare':>11}{'95 %':>10}{'launcher':>11}   (milliseconds)")
    for name, row in results.items():
        print(
            f"{name:14}{row['median']:>10.1f}{row['over_bare']:>11.1f}{row['p95']:>10.1f}"
            f"{row['first']:>11.1f}"
        )


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds by what was run; `first` is the first run of a sandbox, beyond its median."""
    ways: dict[str, Callable[[], object]] = {"bare": bare}
    boxes = []
    for tier in OWN:
        try:
            box = Sandbox(tier)
        except RewardError as error:
            print(f"{tier} is not here: {error.message}")
            continue
        boxes.append(box)
        ways[tier] = lambda box=box: run(box)
    first = {name: timed(way) for name, way in ways.items()}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name in list(ways) if number % 2 else reversed(ways):
            times[name].append(timed(ways[name]))
    for box in boxes:
        box.close()
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {
        name: {
            "median": medians[name],
            "over_bare": medians[name] - medians["bare"],
            "p95": statistics.quantiles(values, n=20)[-1],
            "first": first[name] - medians[name],
        }
        for name, values in times.items()
    }


def bare() -> None:
    """The interpreter by itself."""
    subprocess.run([interpreter(), "-I", "-S", "-c", "pass"], env={}, check=True)


def run(box: Sandbox) -> None:
    """The same in a sandbox, from the order to the report."""
    report = box.run(PROGRAM)
    assert (report.end, report.code) == ("exited", 0), report


def timed(way: Callable[[], object]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    way()
    return 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    main()
