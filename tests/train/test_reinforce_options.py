"""Every option of the stage changes the run, and in the way it says."""

import pytest
import torch

from cohort.report.metrics import describe_metric
from tests.train.runs import REINFORCE, metrics, rows, run, weights

STAGE = REINFORCE | {
    "rewards": {"tests/train/mine.py:even_length": 1.0},
    "rollouts_per_prompt": 8,
    "algorithm": {"name": "dr-grpo", "clip_low": 1e-5, "clip_high": 1e-5},
    "optimizer": {"learning_rate": 1e-2},
}


def result(folder, changes):
    algorithm = STAGE["algorithm"] | changes.get("algorithm", {})
    return weights(run(folder, STAGE | changes | {"algorithm": algorithm}))


KL = {"beta": 0.5}
SOME_FLAT = {"rewards": {"tests/train/mine.py:flat_for_most": 1.0}}


@pytest.mark.parametrize(
    ("base", "changes"),
    [
        ({}, {"updates_per_step": 2}),
        ({}, {"minibatches_per_step": 2}),
        ({}, {"temperature": 0.7}),
        ({}, {"stop": ["1", "2", "3"]}),
        ({}, {"temperature": {"start": 1.0, "end": 0.5}}),
        ({}, {"temperature": {"factors": [0.7, 1.3]}}),
        ({"algorithm": KL}, {"reward_bounds": [0.0, 0.5]}),
        ({"algorithm": KL}, {"reward_scale": 3.0}),
        ({"algorithm": KL}, {"algorithm": {"reference": "reset", "reference_every": 1}}),
        ({"algorithm": KL}, {"algorithm": {"adaptive_beta": "doubling", "kl_target": 1e-6}}),
        ({"algorithm": KL}, {"algorithm": {"kl": "in-reward"}}),
        ({}, {"algorithm": {"entropy": "bonus", "entropy_coefficient": 0.5}}),
        ({}, {"algorithm": {"entropy": "most-uncertain"}}),
        ({}, {"algorithm": {"overlong": "mask"}}),
        ({}, {"algorithm": {"overlong": "penalty", "overlong_margin": 1.0}}),
        (SOME_FLAT, {"algorithm": {"groups": "with-signal"}}),
    ],
    ids=str,
)
def test_an_option_changes_the_run(base, changes, tmp_path):
    both = base | changes
    both["algorithm"] = base.get("algorithm", {}) | changes.get("algorithm", {})
    usual, found = result(tmp_path / "usual", base), result(tmp_path / "changed", both)
    assert any(not torch.equal(found[name], usual[name]) for name in usual)


def test_without_a_change_the_run_is_the_same(tmp_path):
    one, other = result(tmp_path / "a", {}), result(tmp_path / "b", {})
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_temperature_moves_over_the_steps_and_within_a_group(tmp_path):
    heat = {"start": 2.0, "end": 1.0, "factors": [1.0, 0.5]}
    folder = run(tmp_path / "run", STAGE | {"temperature": heat, "steps": 2})
    for step in (1, 2):
        gap = metrics(folder, stage=0, step=step)["sampling/sampling_logp_difference/max"]
        assert gap < 1e-4, "the trainer takes log-probabilities at the rollout's own temperature"


def test_reset_every_step_the_reference_is_the_policy_that_sampled(tmp_path):
    grpo = {"name": "grpo", "beta": 0.5}
    kept = run(tmp_path / "kept", STAGE | {"algorithm": grpo})
    reset = {"reference": "reset", "reference_every": 1}
    fresh = run(tmp_path / "reset", STAGE | {"algorithm": grpo | reset})
    assert metrics(kept, stage=0, step=2)["kl"] > 1e-6
    assert metrics(fresh, stage=0, step=2)["kl"] == pytest.approx(0.0, abs=1e-9)


def test_in_the_reward_the_divergence_is_paid_by_those_that_diverge(tmp_path):
    rloo = {"name": "rloo", "beta": 2.0}
    seen = metrics(run(tmp_path / "run", STAGE | {"algorithm": rloo}), stage=0, step=2)
    assert abs(seen["kl"]) > 1e-6
    assert seen["beta"] == 2.0


def test_remax_samples_one_more_answer_per_problem(tmp_path):
    folder = run(tmp_path / "run", STAGE | {"algorithm": "remax", "steps": 1})
    ((own,),) = rows(folder, "SELECT SUM(LENGTH(tokens)) / 4 FROM rollouts")
    assert metrics(folder, stage=0)["num_tokens"] >= own + STAGE["prompts_per_step"]


@pytest.mark.parametrize(
    ("algorithm", "names"),
    [
        ("grpo", {"kl", "beta", "clip_ratio/region_mean"}),
        ("cispo", {"cispo_clip_ratio"}),
        ("icepop", {"sampling/rejected_share"}),
        ("dapo", {"groups/rounds", "rewards/overlong/mean"}),
        ({"name": "grpo", "entropy": "bonus"}, {"entropy_coef"}),
    ],
    ids=lambda given: ",".join(sorted(given)) if isinstance(given, set) else str(given),
)
def test_what_is_measured_belongs_to_the_algorithm(algorithm, names, tmp_path):
    seen = metrics(run(tmp_path / "run", STAGE | {"algorithm": algorithm}), stage=0)
    assert names <= seen.keys()
    assert all(describe_metric(name) for name in seen), "every number is explained"
    always = {"entropy", "loss", "sampling/importance_sampling_ratio/mean", "reward_std"}
    assert always <= seen.keys()
    assert seen["sampling/effective_sample_share"] == pytest.approx(1.0, abs=1e-3)
