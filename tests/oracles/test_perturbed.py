"""The functions behind the cases with other numbers, shapes and masks than those of the file."""

import json
import math

import pytest
import torch

from tests.oracles.compare import differences
from tests.oracles.perturb import perturbed
from tests.oracles.runner import CASES, HERE, OUT_OF_SCOPE, SINGLE
from tests.oracles.slow import RESULTS

CONTENT = json.loads(HERE.read_text())
IDS = [case["id"] for case in CONTENT["cases"] if case["id"] not in OUT_OF_SCOPE]


def asked(content, case_id):
    case = next(case for case in content["cases"] if case["id"] == case_id)
    return case["inputs"], content["fixtures"].get(case["inputs"].get("fixture"), {})


def plain(value):
    if isinstance(value, torch.Tensor):
        return value.detach().tolist()
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def numbers(value):
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return [number for part in inner for number in numbers(part)]
    return [value] if isinstance(value, float) else []


@pytest.mark.parametrize("case_id", RESULTS)
def test_the_slow_formula_gives_what_the_file_expects(case_id):
    inputs, fixture = asked(CONTENT, case_id)
    expected = next(case["expected"] for case in CONTENT["cases"] if case["id"] == case_id)
    slow = {
        key: value for key, value in RESULTS[case_id](inputs, fixture).items() if key in expected
    }
    assert slow
    expected = {key: expected[key] for key in slow}
    assert not list(differences(slow, expected, rtol=1e-9, atol=1e-12))


@pytest.mark.parametrize("case_id", RESULTS)
def test_with_other_numbers_it_is_still_the_slow_formula(case_id):
    for seed in range(8):
        inputs, fixture = asked(perturbed(CONTENT, seed), case_id)
        got = CASES[case_id](inputs, fixture, torch.float64)
        slow = RESULTS[case_id](inputs, fixture)
        assert not list(differences(got, slow, rtol=1e-8, atol=1e-11)), (seed, inputs, fixture)


@pytest.mark.parametrize("case_id", [name for name in IDS if name != "adv_grpo_near_equal_rewards"])
def test_with_other_numbers_both_precisions_agree_and_are_finite(case_id):
    for seed in range(3):
        inputs, fixture = asked(perturbed(CONTENT, seed), case_id)
        double, single = (
            plain(CASES[case_id](inputs, fixture, dtype))
            for dtype in (torch.float64, torch.float32)
        )
        assert all(map(math.isfinite, numbers(double)))
        assert not list(differences(single, double, **SINGLE)), (seed, inputs, fixture)
