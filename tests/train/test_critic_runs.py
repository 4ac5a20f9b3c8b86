"""Runs with a critic: every option changes them, they go on to the same bits, the metrics are explained."""

import shutil
from pathlib import Path

import pytest
import torch

from cohort.errors import RecipeError
from cohort.report.metrics import describe_metric
from cohort.train import state
from cohort.train.optim import Updater
from cohort.train.run import train_recipe
from proofs.compare import differences
from tests.train.runs import REINFORCE, metrics, recipe, run, weights

STAGE = REINFORCE | {
    "rewards": {"tests/train/mine.py:even_length": 1.0},
    "algorithm": {"name": "ppo", "gae_lambda": 0.5},
    "critic": {"optimizer": {"learning_rate": 1e-2}, "clip": 0.0},
    "steps": 2,
    "updates_per_step": 2,
}
HEAD = STAGE | {"critic": {"kind": "head"} | STAGE["critic"]}
KINDS = {"own": STAGE, "head": HEAD}


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """The weights after both stages as they are."""
    folder = tmp_path_factory.mktemp("usual")
    return {kind: weights(run(folder / kind, stage)) for kind, stage in KINDS.items()}


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("own", {"clip": 1e-3}),
        ("own", {"optimizer": {"learning_rate": 1e-3}}),
        ("head", {"coefficient": 2.0}),
        ("head", {"optimizer": {"learning_rate": 1e-3}}),
    ],
    ids=str,
)
def test_an_option_of_the_critic_changes_the_run(kind, changes, tmp_path, usual):
    stage = KINDS[kind]
    found = weights(run(tmp_path / "run", stage | {"critic": stage["critic"] | changes}))
    assert any(not torch.equal(found[name], usual[kind][name]) for name in found)


def test_a_head_is_another_critic_than_a_model_of_its_own(usual):
    assert any(not torch.equal(usual["own"][name], usual["head"][name]) for name in usual["own"])


@pytest.mark.parametrize("kind", KINDS)
def test_while_the_critic_is_pretrained_the_policy_stays_as_it_is(kind, tmp_path):
    stage = KINDS[kind] | {"critic": KINDS[kind]["critic"] | {"pretraining_steps": 1, "clip": 0.2}}
    folder = run(tmp_path / "run", stage)
    first, last = (metrics(folder, stage=0, step=step) for step in (1, 2))
    assert "grad_norm" not in first
    assert first["kl"] == last["kl"] == 0.0
    assert last["grad_norm"] > 0.0
    assert first["val/mean"] != last["val/mean"]
    own = {"loss/value_avg", "val/clipfrac_avg", "val/grad_norm", "val/mean", "val/returns"}
    assert own | {"val/explained_variance", "time/values"} <= first.keys()
    assert all(describe_metric(name) for name in first | last)


class Cut(BaseException):
    """The process is gone."""


def _run(folder, stage):
    made = recipe(stage)
    every = made.checkpoints.model_copy(update={"every_steps": 1})
    made = made.model_copy(update={"checkpoints": every})
    return train_recipe(made, run=folder, base=Path.cwd(), name="test", quiet=True)


def _cut_at(monkeypatch, number):
    """End the run at its update of this number, the critic's counted with the policy's."""
    update, calls = Updater.update, []

    def cut(self):
        calls.append(None)
        if len(calls) == number:
            raise Cut
        return update(self)

    monkeypatch.setattr(Updater, "update", cut)
    return lambda: monkeypatch.setattr(Updater, "update", update)


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_with_a_critic_that_was_cut_goes_on_to_the_same_bits(kind, tmp_path, monkeypatch):
    stage = KINDS[kind]
    whole = _run(tmp_path / "whole", stage)
    again = _cut_at(monkeypatch, 6)
    with pytest.raises(Cut):
        _run(tmp_path / "cut", stage)
    again()
    shutil.copytree(tmp_path / "cut", tmp_path / "again")
    assert differences(whole, _run(tmp_path / "cut", stage)) == []
    _forget(monkeypatch, "critic-optimizer" if kind == "own" else "critic")
    assert differences(whole, _run(tmp_path / "again", stage)) != [], "each part is needed"


def _forget(monkeypatch, part):
    """From here on a checkpoint is read with half of what this part of it is."""
    decoded = state.decoded

    def forgetful(files):
        taken = decoded(files)
        for tensor in taken.tensors[part].values():
            tensor.mul_(0.5)
        return taken

    monkeypatch.setattr("cohort.train.resume.decoded", forgetful)


def test_a_critic_without_a_name_of_a_reward_model_is_refused(tmp_path):
    with pytest.raises(RecipeError, match=r"critic\.start names the stage nobody"):
        run(tmp_path / "run", STAGE | {"critic": {"start": "stage:nobody"}})
