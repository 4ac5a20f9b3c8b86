"""What TRL 1.16 computed and `golden.json` keeps, by functions of `cohort.objective`; without TRL."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.parity import composition
from tests.parity.cases import CASES, LOSS_TYPES, TOLERANCE, Case
from tests.parity.composition import Step
from tests.parity.deviations import DEVIATIONS, OF_OPTIONS

CONTENT = json.loads((Path(__file__).parent / "golden.json").read_text())
FOUND = {Case(**record["case"]): record for record in CONTENT["cases"]}
CLIPPED = ("grpo", "dr_grpo", "dapo", "bnpo", "luspo")

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
every_loss_type = pytest.mark.parametrize("loss_type", LOSS_TYPES)


def step() -> Step:
    """The step of the file, asking for the gradient of the new log-probabilities."""
    given = {
        name: torch.tensor(values, dtype=torch.float64 if "." in str(values) else torch.int64)
        for name, values in CONTENT["step"].items()
    }
    return Step(**{**given, "new": given["new"].requires_grad_()})


def theirs(case: Case) -> tuple[float, Tensor]:
    """TRL's loss and gradient."""
    return FOUND[case]["loss"], torch.tensor(FOUND[case]["gradient"], dtype=torch.float64)


def ours(case: Case) -> tuple[float, Tensor]:
    """Our loss and gradient."""
    given = step()
    loss = composition.loss(case, given)
    loss.backward()
    assert given.new.grad is not None
    return loss.item(), given.new.grad


@every_case
def test_the_loss_and_its_gradient_are_those_of_trl(case: Case) -> None:
    (loss, gradient), (expected, expected_gradient) = ours(case), theirs(case)
    assert abs(loss - expected) <= TOLERANCE
    assert (gradient - expected_gradient).abs().max() <= TOLERANCE


def test_the_file_has_these_cases_and_no_others() -> None:
    assert list(FOUND) == CASES
    assert len({case.name for case in CASES}) == len(CASES)


@every_loss_type
def test_delta_is_read_by_the_clipped_losses_alone(loss_type: str) -> None:
    """And not refused elsewhere."""
    for case in FOUND:
        if case.loss_type == loss_type and case.delta is not None:
            same = torch.equal(theirs(case)[1], theirs(replace(case, delta=None))[1])
            assert same == (loss_type not in CLIPPED), case.name


@every_loss_type
def test_the_split_changes_what_looks_at_a_micro_batch(loss_type: str) -> None:
    for case in FOUND:
        whole = replace(case, micro_batches=1)
        if case.loss_type == loss_type and case != whole and whole in FOUND:
            same = (theirs(case)[1] - theirs(whole)[1]).abs().max() < TOLERANCE
            assert same == (loss_type != "bnpo" and case.top_entropy_quantile == 1.0), case.name


def test_uncut_bnpo_is_the_mean_of_all_tokens() -> None:
    assert_same(Case(loss_type="bnpo"), Case(loss_type="dapo"))
    given = step()
    cut = composition.by_token_of_micro_batch(Case(loss_type="bnpo", micro_batches=4), given, given)
    tokens = given.lengths.double().view(4, 2).sum(1)
    torch.testing.assert_close(cut, (0.25 / tokens).repeat_interleave(2))


def test_the_default_bound_of_cispo_takes_four_fifths_of_the_gradient() -> None:
    default = Case(loss_type="cispo", epsilon_high=None, on_policy=True)
    bounded = theirs(default)[1]
    torch.testing.assert_close(bounded, 0.2 * theirs(replace(default, epsilon_high=1.28))[1])


def test_the_updates_of_what_was_sampled_share_its_tokens() -> None:
    case, given = Case(loss_type="dapo", updates=2), step()
    first = given.first(4)
    total = (composition.by_token(case, given, first) * first.lengths).sum()
    assert total.item() == pytest.approx(2 * 18 / 35)


def test_vespo_is_of_rollouts_at_either_level() -> None:
    case = Case(loss_type="vespo")
    assert_same(case, replace(case, importance_sampling_level="sequence"))


def test_a_token_that_vespo_masks_silences_its_rollout() -> None:
    options = {"other_sampler": True, "vllm_importance_sampling_mode": "token_mask"}
    case, given = Case(loss_type="vespo", **options), step()
    masked = composition.sampler_weight(case, given) == 0.0
    silenced = torch.isin(given.rollout, given.rollout[masked])
    composition.kernel(case, given).sum().backward()
    assert given.new.grad is not None
    size = given.new.grad.abs()
    assert 0 < silenced.sum() < len(size)
    assert size[silenced].max() < 1e-14 < 1e-6 < size[~silenced].min()


def test_the_kl_term_has_another_gradient_by_default() -> None:
    case = Case(loss_type="grpo", beta=0.04, micro_batches=2)
    plain = theirs(replace(case, use_bias_correction_kl=False))[1]
    assert (theirs(case)[1] - plain).abs().max() > 1e-4


def assert_same(case: Case, other: Case) -> None:
    """That TRL has the same loss and gradient for both."""
    for found, expected in zip(theirs(case), theirs(other), strict=True):
        torch.testing.assert_close(found, expected, rtol=0.0, atol=1e-11)


def test_every_loss_type_says_where_it_deviates() -> None:
    assert tuple(DEVIATIONS) == LOSS_TYPES
    assert all(sentence.endswith(".") for sentence in {**DEVIATIONS, **OF_OPTIONS}.values())
