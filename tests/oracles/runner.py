"""Runs the cases of a file, in float64 at the tolerance of each case and in float32 at 2e-5."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from tests.oracles import advantages, losses, others
from tests.oracles.compare import differences

Case = dict[str, Any]
Compute = Callable[[dict[str, Any], dict[str, Any], torch.dtype], dict[str, object]]

HERE = Path(__file__).parent / "cases.json"
SINGLE = {"rtol": 2e-5, "atol": 1e-6}
CASES: dict[str, Compute] = {**losses.CASES, **advantages.CASES, **others.CASES}
OUT_OF_SCOPE: dict[str, str] = {**losses.OUT_OF_SCOPE, **others.OUT_OF_SCOPE}
MOST_OUT_OF_SCOPE = 10


def read(path: Path) -> tuple[dict[str, dict[str, Any]], list[Case]]:
    content = json.loads(path.read_text())
    return content["fixtures"], content["cases"]


def failures(case: Case, fixtures: Mapping[str, dict[str, Any]], dtype: torch.dtype) -> list[str]:
    """What is wrong with a covered case in one precision; nothing where it passes."""
    tolerance = SINGLE
    if dtype == torch.float64:
        tolerance = {"rtol": case.get("rtol", 1e-9), "atol": case.get("atol", 1e-12)}
    inputs = case["inputs"]
    try:
        fixture = fixtures[inputs["fixture"]] if "fixture" in inputs else {}
        got = CASES[case["id"]](inputs, fixture, dtype)
    except Exception as error:  # noqa: BLE001  # whatever it raises, the case fails and says so
        return [f"raised {type(error).__name__}: {error}"]
    return [str(found) for found in differences(got, case["expected"], **tolerance)]


def main(arguments: list[str]) -> int:
    """0 where all cases pass, 1 where one fails or is not covered, 2 where there is nothing to run."""
    path = Path(arguments[0]) if arguments else HERE
    try:
        fixtures, cases = read(path)
    except (OSError, ValueError, KeyError) as error:
        print(f"{path} cannot be read as a file of cases: {error!r}", file=sys.stderr)
        return 2
    assert len(OUT_OF_SCOPE) <= MOST_OUT_OF_SCOPE, sorted(OUT_OF_SCOPE)
    assert not OUT_OF_SCOPE.keys() & CASES.keys()
    passed = failed = uncovered = 0
    for case in cases:
        if case["id"] in OUT_OF_SCOPE:
            print(f"out of scope  {case['id']}: {OUT_OF_SCOPE[case['id']]}")
        elif case["id"] not in CASES:
            uncovered += 1
            print(f"not covered  {case['id']}")
        elif run(case, fixtures):
            passed += 1
        else:
            failed += 1
    print(f"{passed} passed, {failed} failed, {uncovered} not covered")
    return 0 if passed and not failed and not uncovered else 1


def run(case: Case, fixtures: Mapping[str, dict[str, Any]]) -> bool:
    """Whether a case passes in both precisions; what is wrong is printed."""
    passes = True
    for dtype in (torch.float64, torch.float32):
        for message in failures(case, fixtures, dtype):
            passes = False
            print(f"failed  {case['id']}  {str(dtype).removeprefix('torch.')}  {message}")
    return passes
