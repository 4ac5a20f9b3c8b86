"""Every algorithm trains, and what a recipe changes around the loss changes the run."""

import pytest
import torch

from cohort.objective.presets import ALGORITHMS
from tests.train.runs import REINFORCE, metrics, run, weights

STAGE = REINFORCE | {"rewards": {"tests/train/mine.py:even_length": 1.0}, "rollouts_per_prompt": 8}


def moved(folder, algorithm, **options):
    """The weights after a stage with this algorithm, as one vector."""
    stage = STAGE | {"algorithm": algorithm} | options
    return torch.cat([w.flatten() for w in weights(run(folder, stage)).values()])


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_moves_the_policy(name, tmp_path):
    asks = {"critic": "own"} if ALGORITHMS[name].asks_critic else {}
    stage = STAGE | {"algorithm": name} | asks
    folder = run(tmp_path / "run", stage)
    seen = metrics(folder, stage=0)
    assert all(torch.isfinite(torch.tensor(value)) for value in seen.values())
    assert seen["grad_norm"] > 0.0


def test_with_rewards_of_steps_the_tokens_of_an_answer_are_worth_different_things(tmp_path):
    by_step = STAGE | {"rewards": {"tests/train/mine.py:by_character": 1.0}}
    process = moved(tmp_path / "process", "grpo-process", **by_step)
    assert torch.isfinite(process).all()
    assert not torch.equal(process, moved(tmp_path / "outcome", "grpo", **by_step))
