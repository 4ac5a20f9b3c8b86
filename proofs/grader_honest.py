"""A thousand right programs: each passes all of its tests.

    python -m proofs.grader_honest [--short]

The reference solutions of HumanEval and MBPP (`../shared/data`; left out where it is not there), each
against the tests of its own, and then programs made by template, functions and whole programs, until there
are a thousand. A program held when the verdict was that all of its tests were passed.
"""

from __future__ import annotations

import itertools
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from cohort.data import keyed
from cohort.rewards.code.python import verdict_on
from cohort.rewards.code.trial import Bounds
from cohort.rewards.sandbox.sandbox import Sandbox
from proofs.command import main
from tests.rewards.code import honest

DATA = Path(__file__).parents[2] / "shared" / "data"
WHOLE, SHORT = 1000, 40
LEAST_TEMPLATES = 100
BOUNDS = Bounds(seconds=30.0)
"""Some references take seconds for an answer, and the machine may have other work."""

Asked = tuple[str, str, object, dict[str, str]]
"""Where it is from and its name, the completion, the tests, and what else the columns hold."""


def prove(short: bool, seed: int) -> dict[str, object]:
    """Judge them all, or some that the seed chooses."""
    asked = [*_humaneval(), *_mbpp()]
    asked += itertools.islice(_templates(), max(WHOLE - len(asked), LEAST_TEMPLATES))
    asked = keyed.shuffled(asked, [name for name, *_ in asked], seed, "honest")
    asked = asked[:SHORT] if short else asked
    failures, seconds = [], []
    sandbox = Sandbox()
    try:
        for name, text, tests, columns in asked:
            began = time.monotonic()
            verdict = verdict_on(sandbox, text, tests, columns, bounds=BOUNDS, whole=False)
            seconds.append(time.monotonic() - began)
            if verdict.tampered or not 0 < verdict.total == verdict.passed:
                failures.append(f"{name}: {verdict.passed} of {verdict.total}, {verdict.reason}")
    finally:
        sandbox.close()
    slowest = max(range(len(asked)), key=lambda number: seconds[number])
    return {
        "name": "right programs",
        "asked": len(asked),
        "held": len(asked) - len(failures),
        "failures": failures,
        "from": dict(Counter(name.partition(" ")[0] for name, *_ in asked)),
        "tier": sandbox.tier,
        "median_milliseconds": round(1000 * statistics.median(seconds)),
        "slowest": f"{seconds[slowest]:.1f} s ({asked[slowest][0]})",
    }


def _rows(name: str) -> list[dict[str, object]]:
    path = DATA / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def _fenced(source: object) -> str:
    return f"Here it is.\n\n```python\n{source}\n```\n"


def _humaneval() -> Iterator[Asked]:
    for row in _rows("humaneval/HumanEval.jsonl"):
        columns = {"entry_point": str(row["entry_point"]), "before": str(row["prompt"])}
        text = _fenced(f"{row['prompt']}{row['canonical_solution']}")
        yield f"{row['task_id']}".replace("/", " "), text, row["test"], columns


def _mbpp() -> Iterator[Asked]:
    for row in _rows("mbpp/mbpp.jsonl"):
        tests = {"tests": row["test_list"], "setup": row["test_setup_code"]}
        yield f"MBPP {row['task_id']}", _fenced(row["code"]), tests, {}


def _templates() -> Iterator[Asked]:
    pairs = itertools.zip_longest(honest.spoken(), honest.functions())
    for name, source, tests, entry_point in filter(None, itertools.chain.from_iterable(pairs)):
        yield f"template {name}", _fenced(source), tests, {"entry_point": entry_point}


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv, seed=1)))
