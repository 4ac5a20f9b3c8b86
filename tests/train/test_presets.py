"""Every algorithm trains, and what a recipe changes around the loss changes the run."""

import pytest
import torch

from cohort.errors import RecipeError
from cohort.objective.presets import ALGORITHMS
from tests.train.runs import REINFORCE, metrics, run, weights

NEEDS_STEPS = {"grpo-process"}
STAGE = REINFORCE | {"rewards": {"tests/train/mine.py:even_length": 1.0}, "rollouts_per_prompt": 8}


def moved(folder, algorithm, **options):
    """The weights after a stage with this algorithm, as one vector."""
    stage = STAGE | {"algorithm": algorithm} | options
    return torch.cat([w.flatten() for w in weights(run(folder, stage)).values()])


@pytest.mark.parametrize("name", sorted(ALGORITHMS.keys() - NEEDS_STEPS))
def test_every_algorithm_moves_the_policy(name, tmp_path):
    stage = STAGE | {"algorithm": name}
    folder = run(tmp_path / "run", stage)
    seen = metrics(folder, stage=0)
    assert all(torch.isfinite(torch.tensor(value)) for value in seen.values())
    assert seen["grad_norm"] > 0.0


@pytest.mark.parametrize("name", sorted(NEEDS_STEPS))
def test_what_needs_rewards_of_steps_says_so(name, tmp_path):
    with pytest.raises(RecipeError, match="rewards of the steps"):
        run(tmp_path / "run", STAGE | {"algorithm": name})
