"""Options that an algorithm would ignore, or be silently wrong with, are refused with the remedy."""

import pytest

from cohort.config.load import read_recipe
from cohort.errors import RecipeError
from cohort.objective.presets import choose
from cohort.train.suits import check_suits
from tests.train.runs import REINFORCE


def check(algorithm, **options):
    stage = REINFORCE | {"algorithm": algorithm} | options
    read = read_recipe({"model": {"path": "x"}, "stage": [stage]}, source="test").stage[0]
    check_suits(read, choose(read.algorithm.name, read.algorithm.changes), "stage.0")


@pytest.mark.parametrize(
    ("algorithm", "options", "message"),
    [
        ("grpo", {"rollouts_per_prompt": 1}, "rollouts_per_prompt is 1: a group of one has no advantage."),
        ("rloo", {"updates_per_step": 2}, "2 updates per step"),
        ("opo", {"minibatches_per_step": 4}, "4 updates per step"),
        ("grpo", {"reward_scale": 2.0}, "reward_scale is 2"),
        ("gdpo", {"reward_bounds": [0.0, 1.0]}, "scaled or bounded"),
        ({"name": "grpo-process", "advantage": "process-mean"}, {"reward_scale": 2.0}, "scaled or bounded"),
        ({"name": "gdpo", "beta": 0.1, "kl": "in-reward"}, {}, "kl is in-reward"),
        ({"name": "grpo-process", "kl": "in-reward"}, {}, "kl is in-reward"),
        ("pkpo", {"rollouts_per_prompt": 4}, "needs 5 answers"),
        ({"name": "pkpo", "pkpo_baseline": "none"}, {"rollouts_per_prompt": 3}, "needs 4 answers"),
        ("ppo", {}, "ppo makes advantages of a critic's values, and there is no critic"),
        ("grpo", {"critic": "own"}, "there is a critic, and nobody asks it"),
        ("ppo", {"critic": {"kind": "head", "start": "rm"}}, "critic.start is 'rm', and a head"),
        ("ppo", {"critic": {"start": "base"}}, "critic.start is 'base'"),
        ("ppo", {"critic": {"coefficient": 1.0}}, "critic.coefficient is 1"),
        ("ppo", {"critic": {"pretraining_steps": 2}}, "the policy would never learn"),
        ({"name": "a2c"}, {"critic": "head", "updates_per_step": 2}, "2 updates per step"),
        (
            {"name": "hybrid-grpo", "advantage": "hybrid-centred"},
            {"critic": "own", "rollouts_per_prompt": 1},
            "a group of one has no advantage",
        ),
        ({"name": "rloo-turns", "turn_gamma": 0.9}, {}, "without an environment an answer is one turn"),
        ({"name": "pkpo", "pkpo_baseline": "k-1", "k": 1}, {"rollouts_per_prompt": 3}, "the best of 1"),
    ],
)  # fmt: skip
def test_what_does_not_suit_is_refused(algorithm, options, message):
    with pytest.raises(RecipeError) as refusal:
        check(algorithm, **options)
    assert message in refusal.value.message
    assert refusal.value.hint


@pytest.mark.parametrize(
    ("algorithm", "options"),
    [
        ("grpo", {"rollouts_per_prompt": 2, "updates_per_step": 2}),
        ("reinforce", {"rollouts_per_prompt": 1}),
        ("remax", {"rollouts_per_prompt": 1}),
        ("dr-grpo", {"reward_scale": 2.0}),
        ("pkpo", {"rollouts_per_prompt": 5}),
        ("ppo", {"critic": "own", "rollouts_per_prompt": 1, "updates_per_step": 4}),
        ("hybrid-grpo", {"critic": {"kind": "head", "coefficient": 0.0}, "rollouts_per_prompt": 1}),
        ({"name": "grpo", "advantage": "gae"}, {"critic": {"clip": 0.0, "pretraining_steps": 1}}),
        ({"name": "pkpo", "pkpo_baseline": "none"}, {"rollouts_per_prompt": 4}),
    ],
)
def test_what_suits_is_not(algorithm, options):
    check(algorithm, **options)
