"""The cases of `cases.json`, and that the runner is not satisfied with less."""

import copy
import json

import pytest
import torch

from tests.oracles.compare import differences
from tests.oracles.runner import CASES, HERE, OUT_OF_SCOPE, failures, main, read

FIXTURES, ALL = read(HERE)
COVERED = [case for case in ALL if case["id"] not in OUT_OF_SCOPE]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("case", COVERED, ids=lambda case: case["id"])
def test_the_numbers_are_those_of_the_papers(case, dtype):
    assert failures(case, FIXTURES, dtype) == []


def test_every_case_is_covered_or_out_of_scope_by_name():
    named = {case["id"] for case in ALL}
    assert named == CASES.keys() | OUT_OF_SCOPE.keys()
    assert len(ALL) == 149


def run(tmp_path, capsys, cases):
    path = tmp_path / "cases.json"
    path.write_text(json.dumps({"fixtures": FIXTURES, "cases": cases}))
    code = main([str(path)])
    return code, capsys.readouterr().out.splitlines()


def planted(case_id, key, value):
    case = copy.deepcopy(next(case for case in ALL if case["id"] == case_id))
    case["expected"][key] = value
    return case


def test_the_runner_passes_what_is_right(tmp_path, capsys):
    code, lines = run(tmp_path, capsys, [case for case in ALL if case["id"] == "adv_rloo"])
    assert (code, lines) == (0, ["1 passed, 0 failed, 0 not covered"])


@pytest.mark.parametrize(
    ("case_id", "key", "value"),
    [
        ("adv_rloo", "adv", [0.8333333333333334, -0.5, 0.16666666666666669, -0.50000001]),
        ("adv_rloo", "adv", [0.8333333333333334, -0.5, 0.16666666666666669]),
        ("adv_rloo", "another", 1.0),
        ("adv_grpo_near_equal_rewards", "max_abs_adv_less_than", 0.0),
        ("filter_dynamic_sampling", "keep", [0, 0, 1, 1]),
        ("loss_dapo_clip_higher", "loss", None),
    ],
)
def test_the_runner_fails_on_a_wrong_expectation(tmp_path, capsys, case_id, key, value):
    code, lines = run(tmp_path, capsys, [planted(case_id, key, value)])
    assert code == 1
    assert lines[0].startswith(f"failed  {case_id}  float64  {key}")
    assert lines[-1] == "0 passed, 1 failed, 0 not covered"


def test_the_runner_fails_on_a_case_that_nothing_computes(tmp_path, capsys):
    unknown = {"id": "adv_unheard_of", "inputs": {}, "expected": {"adv": []}}
    code, lines = run(tmp_path, capsys, [unknown])
    assert (code, lines[-1]) == (1, "0 passed, 0 failed, 1 not covered")


def test_a_case_that_raises_is_a_failure_with_its_message(tmp_path, capsys):
    broken = planted("adv_rloo", "adv", [])
    broken["inputs"] = {"fixture": "F9"}
    code, lines = run(tmp_path, capsys, [broken])
    assert (code, lines[0]) == (1, "failed  adv_rloo  float64  raised KeyError: 'F9'")


def test_what_is_out_of_scope_is_listed_and_counted_nowhere(tmp_path, capsys):
    left_out = [case for case in ALL if case["id"] in OUT_OF_SCOPE]
    code, lines = run(tmp_path, capsys, [*left_out, planted("adv_dr_grpo", "adv", [0.0])])
    assert [line for line in lines if line.startswith("out of scope")]
    assert (code, lines[-1]) == (1, "0 passed, 1 failed, 0 not covered")


def test_a_file_that_is_none_is_said_and_not_passed(tmp_path, capsys):
    assert main([str(tmp_path / "missing.json")]) == 2
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("got", [float("nan"), float("inf"), True, "1.0", None])
def test_what_is_no_number_equals_none(got):
    assert list(differences({"x": got}, {"x": 1.0}, rtol=1e-9, atol=1e-12))
