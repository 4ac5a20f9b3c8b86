"""The stage `preference`: DPO written out slowly, pairs that are rows or sampled, and resuming."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from cohort.config.checks import check_recipe
from cohort.config.preferences import Preference
from cohort.config.stages import Optimizer
from cohort.errors import DataError, RecipeError
from cohort.report.metrics import describe_metric
from cohort.train.optim import Updater
from cohort.train.pair_rows import PairTokens, in_rows, learn_pairs, measure_pairs
from cohort.train.preference import paired
from cohort.train.run import train_recipe
from proofs.compare import differences
from tests.tiny import gradients, plain_logprobs, tiny_policy
from tests.train import runs
from tests.train.runs import REINFORCE, SUPERVISED, metrics, rows

SHAPE = [(3, 5, 1), (8, 1, 1), (1, 7, 12), (6, 3, 4)]
"""Lengths of prompt, chosen and rejected."""


class Cut(BaseException):
    """The process is gone."""


def _options(**changes):
    return Preference.model_validate({"kind": "preference", "problems": "x", "steps": 1, **changes})


def _pairs(seed=0):
    draw = np.random.default_rng(seed)

    def tokens(length):
        return draw.integers(0, 40, size=length).astype(np.int32)

    return [PairTokens(f"p{n}", *map(tokens, lengths)) for n, lengths in enumerate(SHAPE)]


def _learned(options, budget=10_000):
    """Metrics and gradient of an update, which is not made."""
    caught = []

    class Catch(Updater):
        def update(self):
            caught.append(gradients(policy.model).double())
            return {"grad_norm": 0.0}

    policy, _ = tiny_policy()
    reference, _ = tiny_policy(seed=5)
    pairs = in_rows(_pairs(), policy, tokens_per_row=budget)
    found = learn_pairs(policy, reference, pairs, options, Catch(policy, Optimizer(), updates=1))
    return found, caught[0]


def _slow(loss, *, mean=False, beta=0.1):
    """The mean loss in float64 by full logits of one answer at a time, and its gradient."""
    _, model = tiny_policy()
    _, held = tiny_policy(seed=5)
    model, held = model.double(), held.double()
    total = torch.zeros((), dtype=torch.float64)
    for pair in _pairs():
        gains = []
        for answer in (pair.chosen, pair.rejected):
            own = plain_logprobs(model, pair.prompt, answer)
            other = plain_logprobs(held, pair.prompt, answer).detach()
            gain = (own - other).sum() / (len(answer) if mean else 1)
            gains.append(gain)
        total = total + loss(beta * (gains[0] - gains[1])) / len(SHAPE)
    total.backward()
    return total.item(), gradients(model)


def _logistic(margin):
    return torch.log1p(torch.exp(-margin))


@pytest.mark.parametrize(
    ("changes", "loss"),
    [
        ({}, _logistic),
        ({"label_smoothing": 0.2}, lambda m: 0.8 * _logistic(m) + 0.2 * _logistic(-m)),
        (
            {"loss": "robust", "label_smoothing": 0.2},
            lambda m: (0.8 * _logistic(m) - 0.2 * _logistic(-m)) / 0.6,
        ),
        ({"loss": "ipo"}, lambda m: (m / 0.1 - 5.0) ** 2),
        ({"loss": "hinge"}, lambda m: torch.clamp(1 - m, min=0)),
        ({"length_normalized": True}, _logistic),
    ],
)
def test_an_update_is_the_papers_formula_written_out_slowly(changes, loss):
    found, ours = _learned(_options(**changes))
    value, theirs = _slow(loss, mean=bool(changes.get("length_normalized")))
    assert found["loss"] == pytest.approx(value, rel=1e-5)
    assert (ours - theirs).norm() / theirs.norm() < 1e-4


@pytest.mark.parametrize("budget", [1, 20, 45])
def test_cutting_a_step_into_rows_does_not_change_its_gradient(budget):
    whole, gradient = _learned(_options())
    parts, other = _learned(_options(), budget)
    assert parts == pytest.approx(whole, rel=1e-5)
    assert (gradient - other).norm() / gradient.norm() < 1e-5


def test_the_metrics_are_those_of_the_pairs():
    policy, model = tiny_policy()
    reference, held = tiny_policy(seed=5)
    pairs = in_rows(_pairs(), policy, tokens_per_row=10_000)
    found = measure_pairs(policy, reference, pairs, _options(beta=0.5))
    own, other = (
        partial(plain_logprobs, model.requires_grad_(False)),
        partial(plain_logprobs, held.requires_grad_(False)),
    )
    gains = [
        [float((own(p.prompt, a) - other(p.prompt, a)).sum()) * 0.5 for a in (p.chosen, p.rejected)]
        for p in _pairs()
    ]
    chosen, rejected = torch.tensor(gains).double().T
    assert found["rewards/chosen"] == pytest.approx(float(chosen.mean()), abs=1e-4)
    assert found["rewards/rejected"] == pytest.approx(float(rejected.mean()), abs=1e-4)
    assert found["rewards/margins"] == pytest.approx(float((chosen - rejected).mean()), abs=1e-4)
    assert found["rewards/accuracies"] == float((chosen > rejected).double().mean())
    first = sum(float(own(p.prompt, p.chosen).sum()) for p in _pairs()) / 4
    assert found["logps/chosen"] == pytest.approx(first, abs=1e-4)


def test_a_policy_that_is_its_reference_has_no_margin():
    policy, _ = tiny_policy()
    pairs = in_rows(_pairs(), policy, tokens_per_row=10_000)
    found = measure_pairs(policy, policy, pairs, _options())
    assert (found["rewards/margins"], found["rewards/accuracies"]) == (0.0, 0.0)
    assert found["loss"] == pytest.approx(np.log(2.0))


def test_a_pair_that_is_longer_than_the_context_is_refused():
    policy, _ = tiny_policy()
    long = PairTokens("p", *(np.zeros(n, dtype=np.int32) for n in (50, 3, 47)))
    with pytest.raises(DataError, match="'p' with its longer answer has 97 tokens"):
        in_rows([long], policy, tokens_per_row=100)


@pytest.mark.parametrize(
    ("rewards", "most", "expected"),
    [
        ([0.0, 2.0, 1.0, 3.0], 1, [(3, 0)]),
        ([0.0, 2.0, 1.0, 3.0], 3, [(3, 0), (1, 2), (3, 2)]),
        ([0.0, 2.0, 1.0, 3.0], 99, [(3, 0), (1, 2), (3, 2), (1, 0), (3, 1), (2, 0)]),
        ([1.0, 0.0, 1.0, 0.0], 2, [(0, 3), (2, 1)]),
        ([1.0, 1.0], 9, []),
        ([None, 1.0, None, 0.0], 9, [(1, 3)]),
        ([None], 9, []),
    ],
)
def test_the_best_answers_are_paired_with_the_worst(rewards, most, expected):
    assert paired(rewards, most=most) == expected


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Pairs of right and wrong sums, for a model that knows the task's pieces."""
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    lines = [
        {
            "prompt": f"{a}+{b}=",
            "chosen": f"<answer>{a + b}</answer>",
            "rejected": "<answer>0</answer>",
        }
        for a in range(1, 8)
        for b in range(1, 7)
    ]
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return str(path)


def _given(file, **changes):
    optimizer = {"learning_rate": 3e-3}
    return {
        "kind": "preference", "problems": file, "steps": 4, "pairs_per_step": 8,
        "evaluate_every": 2, "optimizer": optimizer, **changes,
    }  # fmt: skip


def _online(**changes):
    asked = {
        name: REINFORCE[name] for name in ("problems", "rewards", "max_new_tokens", "optimizer")
    }
    return {
        **asked, "kind": "preference", "steps": 3, "prompts_per_step": 4,
        "rollouts_per_prompt": 4, "pairs_per_prompt": 2, **changes,
    }  # fmt: skip


def _run(folder, *stages):
    made = runs.recipe(*stages)
    saving = made.checkpoints.model_copy(update={"every_steps": 1})
    made = made.model_copy(update={"checkpoints": saving})
    return train_recipe(made, run=folder, base=Path.cwd(), name="test", quiet=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, file):
    return _run(tmp_path_factory.mktemp("whole") / "run", SUPERVISED, _given(file), _online())


def test_pairs_are_learned_and_held_out_ones_are_measured(whole):
    first, last = metrics(whole, stage=1, step=1), metrics(whole, stage=1, step=4)
    assert first["loss"] == pytest.approx(np.log(2.0), abs=1e-5)
    assert last["rewards/margins"] > 0.0
    assert "eval_rewards/accuracies" not in first
    assert last["eval_rewards/accuracies"] > 0.8
    assert metrics(whole, stage=1, step=2)["eval_loss"] > last["eval_loss"]


def test_a_step_has_as_many_pairs_as_it_is_asked_for(tmp_path, whole, file):
    few = runs.run(tmp_path / "run", SUPERVISED, _given(file, steps=1, pairs_per_step=4))
    tokens = [metrics(folder, stage=1)["num_tokens"] for folder in (few, whole)]
    assert 0 < tokens[0] < tokens[1]


def test_sampled_pairs_are_of_answers_with_different_rewards(whole):
    advantages = rows(
        whole,
        "SELECT reward, advantage, group_id FROM rollouts JOIN groups ON id = group_id "
        "WHERE stage = 2 AND discarded = ''",
    )
    assert metrics(whole, stage=2)["pairs"] > 0
    by_group = {}
    for reward, advantage, group in advantages:
        by_group.setdefault(group, []).append((reward, advantage))
    for answers in by_group.values():
        assert sum(advantage for _, advantage in answers) == 0
        assert sum(reward * advantage for reward, advantage in answers) > 0


def test_every_metric_of_a_step_is_explained(whole):
    for stage, step in ((1, 4), (2, 3)):
        found = metrics(whole, stage=stage, step=step)
        assert all(describe_metric(name, "preference") for name in found)


@pytest.mark.parametrize("update", [5, pytest.param(9, marks=pytest.mark.slow)])
def test_a_run_that_was_cut_goes_on_to_the_same_bits(tmp_path, monkeypatch, whole, file, update):
    made, calls = Updater.update, []

    def cut(self):
        calls.append(None)
        if len(calls) == update:
            raise Cut
        return made(self)

    stages = SUPERVISED, _given(file), _online()
    monkeypatch.setattr(Updater, "update", cut)
    with pytest.raises(Cut):
        _run(tmp_path / "run", *stages)
    monkeypatch.setattr(Updater, "update", made)
    assert differences(whole, _run(tmp_path / "run", *stages)) == []


@pytest.fixture(scope="module")
def as_it_is(tmp_path_factory):
    return runs.run(tmp_path_factory.mktemp("as_it_is") / "run", _online(steps=2))


@pytest.mark.parametrize(
    "change",
    [
        {"beta": 0.5},
        {"loss": "ipo"},
        {"label_smoothing": 0.1},
        {"length_normalized": True},
        {"pairs_per_prompt": 1},
        {"sampled_from": "reference"},
        {"temperature": 0.7},
        {"rollouts_per_prompt": 3},
        {"prompts_per_step": 3},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_option_changes_what_is_learned(tmp_path, as_it_is, change):
    folder = runs.run(tmp_path / "run", _online(steps=2, **change))
    same = zip(runs.weights(folder).values(), runs.weights(as_it_is).values(), strict=True)
    assert not all(left.equal(right) for left, right in same)


@pytest.mark.parametrize(
    ("stage", "match"),
    [
        (_given("x.jsonl", pairs_per_prompt=2), "pairs_per_prompt is for pairs that are sampled"),
        (_given("x.jsonl", max_new_tokens=9), "max_new_tokens is for pairs that are sampled"),
        (_online(pairs_per_step=9), "pairs_per_step is for pairs that are rows"),
        (_online(loss="ipo", label_smoothing=0.1), "the loss ipo does not read it"),
        (_online(rollouts_per_prompt=1), "a pair has two answers"),
        (_online(rewards={"format": 0.0}), "all have weight 0"),
    ],
)
def test_what_would_be_ignored_is_refused(stage, match):
    with pytest.raises(RecipeError, match=match):
        check_recipe(runs.recipe(SUPERVISED, stage))


def test_problems_without_pairs_are_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(DataError, match="has no answer in the column chosen"):
        runs.run(tmp_path / "run", _given("chain"))
    assert not (tmp_path / "run").exists()
