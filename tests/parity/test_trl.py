"""Side by side with TRL 1.16, live: `make parity` installs it in an environment of its own.

Every case is computed by TRL and by us on the same answers, with the gradient of the weights of the
model. Then what TRL refuses, and TRL's own training loop with TRL's own head.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cohort.objective.advantages import group_centred, group_normalized
from cohort.objective.step_advantages import lite_ppo
from tests.parity import composition
from tests.parity.cases import (
    CASES,
    GRPO,
    LOSS_TYPES,
    TOLERANCE,
    TOLERANCE_OF_SINGLE,
    Case,
    of_each,
)
from tests.parity.trl_step import MEMBERS, REWARDS, step_of, tiny_model

trl = pytest.importorskip("trl", minversion="1.16")
if not trl.__version__.startswith("1.16."):
    pytest.skip(f"TRL is {trl.__version__}, and not 1.16", allow_module_level=True)

from tests.parity import trl_runs  # noqa: E402  # imports TRL

VESPO = Case(loss_type="vespo", other_sampler=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reference")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """In continuous integration TRL does not report that it is used."""
    monkeypatch.setenv("CI", "1")


def ours(case: Case, model: Any, inputs: dict[str, Any]) -> tuple[float, Tensor]:
    """Our loss, and its gradient with respect to the weights of the model."""
    model.zero_grad()
    loss = composition.loss(case, step_of(model, inputs))
    loss.backward()
    return loss.item(), trl_runs.weight_gradient(model)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_loss_and_gradient_are_those_of_trl(case: Case, folder: Path) -> None:
    sampled = trl_runs.sample(case, folder)
    theirs = trl_runs.update(sampled)
    loss, gradient = ours(case, sampled.model, sampled.inputs)
    assert abs(loss - theirs.loss) <= TOLERANCE
    assert (gradient - theirs.by_weight).abs().max() <= TOLERANCE


@pytest.mark.parametrize("case", of_each(beta=0.04, micro_batches=2), ids=lambda c: c.loss_type)
def test_two_updates_of_trls_own_loop_have_our_gradients(case: Case, folder: Path) -> None:
    sampled, updates = trl_runs.train(case, folder)
    assert len(updates) == 2
    for weights, gradient in updates:
        sampled.model.load_state_dict(weights)
        found = ours(case, sampled.model, sampled.inputs)[1]
        assert (found - gradient).abs().max() <= TOLERANCE_OF_SINGLE < 0.1 * gradient.abs().max()
    assert sampled.inputs["old_per_token_logps"].dtype == torch.float32


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_the_advantages_are_those_of_trl(scale: str, folder: Path) -> None:
    rewards = torch.tensor(REWARDS, dtype=torch.float64)
    group = torch.arange(len(REWARDS)) // MEMBERS
    ours = {
        "group": group_normalized(rewards, group, correction=1, epsilon=1e-4),
        "batch": lite_ppo(rewards, group, correction=1, epsilon=1e-4),
        "none": group_centred(rewards, group),
    }
    theirs = trl_runs.sample(GRPO, folder, scale_rewards=scale).inputs["advantages"]
    assert (ours[scale] - theirs).abs().max() <= TOLERANCE_OF_SINGLE


def test_these_are_all_loss_types_that_trl_has() -> None:
    source = inspect.getsource(trl_runs.GRPOTrainer._compute_loss)
    compared = re.findall(r"self\.loss_type (?:==|in) (\[.*?\]|\".*?\")", source)
    assert set(re.findall(r"\w+", " ".join(compared))) == set(LOSS_TYPES)


@pytest.mark.parametrize("mode", ["sequence_truncate", "sequence_mask"])
def test_vespo_refuses_a_correction_of_sequences(mode: str, folder: Path) -> None:
    case = replace(VESPO, vllm_importance_sampling_mode=mode)
    with pytest.raises(ValueError, match="VESPO"):
        trl_runs.new_trainer(case, tiny_model(folder), folder, use_vllm=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"num_generations": 1}, "at least 2"),
        ({"num_generations": 3}, "divisible"),
        ({"generation_batch_size": 8}, "same time"),
        ({"sync_ref_model": True}, "sync_ref_model"),
        (
            {
                "vllm_importance_sampling_mode": "token_truncate",
                "vllm_importance_sampling_clip_max": None,
            },
            "At least one",
        ),
        ({"vllm_importance_sampling_clip_min": 2.0}, "less than"),
    ],
)
def test_trl_refuses_before_it_trains(options: dict[str, Any], said: str, folder: Path) -> None:
    with pytest.raises(ValueError, match=said):
        trl_runs.new_trainer(GRPO, tiny_model(folder), folder, **options)


@pytest.mark.parametrize(
    "case",
    [replace(GRPO, loss_type="ppo"), replace(GRPO, importance_sampling_level="word")],
    ids=["loss_type", "level"],
)
def test_trl_refuses_an_unknown_choice_at_its_first_loss(case: Case, folder: Path) -> None:
    sampled = trl_runs.sample(case, folder)
    with pytest.raises(ValueError, match="Unknown"):
        trl_runs.update(sampled)


def test_trl_refuses_an_unknown_correction_once_it_has_sampled(folder: Path) -> None:
    case = replace(GRPO, other_sampler=True, vllm_importance_sampling_mode="token_geometric")
    with pytest.raises(ValueError, match="Unknown"):
        trl_runs.sample(case, folder)
