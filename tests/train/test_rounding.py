"""Rounding by chance: only to a neighbour, right on average, the same again by the same key."""

import pytest
import torch

from cohort.config.stages import Optimizer
from cohort.train.optim import Updater
from cohort.train.rounding import CHUNK, round_into
from tests.tiny import tiny_policy


def _rounded(wide, *key):
    narrow = torch.empty(wide.shape, dtype=torch.bfloat16)
    round_into(narrow, wide, key or ("a test",))
    return narrow


def test_a_number_becomes_one_of_its_two_neighbours():
    wide = torch.randn(1000, generator=torch.Generator().manual_seed(1)) * 10.0 ** torch.arange(
        -20, 20
    ).repeat(25)
    lower = (wide.view(torch.int32) & -(1 << 16)).view(torch.float32)  # toward 0
    upper = ((wide.view(torch.int32) & -(1 << 16)) + (1 << 16)).view(torch.float32)
    found = _rounded(wide).float()
    assert bool(((found == lower) | (found == upper)).all())
    assert bool((found == lower).any() and (found == upper).any())


def test_what_bfloat16_can_say_stays():
    exact = torch.randn(500, generator=torch.Generator().manual_seed(2)).bfloat16()
    assert torch.equal(_rounded(exact.float()), exact)
    special = torch.tensor([0.0, -0.0, float("inf"), -float("inf")])
    assert torch.equal(_rounded(special).float(), special)
    assert bool(_rounded(torch.tensor([float("nan")])).isnan().all())


@pytest.mark.parametrize("value", [1.001, -1.001, 0.0123, 3e-5, -255.3])
def test_the_mean_is_the_number(value):
    """100,000 draws: the mean is within 4.5 of its own standard errors of the number."""
    count, wide = 100_000, torch.tensor(value, dtype=torch.float32)
    found = _rounded(wide.expand(count).contiguous(), "mean", str(value)).double()
    error = float(found.std()) / count**0.5
    assert error > 0
    assert abs(float(found.mean()) - float(wide)) < 4.5 * error
    nearest = abs(float(wide.bfloat16()) - float(wide))
    assert nearest > 9 * error, "rounding to the nearest would be found out"


def test_draws_are_of_the_key_and_each_number_has_its_own():
    wide = torch.full((CHUNK + 5,), 1.001)
    one, same, other = _rounded(wide, "a"), _rounded(wide, "a"), _rounded(wide, "b")
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert float(one[:1000].float().std()) > 0
    assert not torch.equal(one[:5], one[CHUNK:]) or not torch.equal(other[:5], other[CHUNK:])


def _mean_after(rounding, updates=300, **more):
    policy, _ = tiny_policy()
    policy.model = policy.model.to(torch.bfloat16)
    weight = policy.model.get_output_embeddings().weight
    with torch.no_grad():
        weight.fill_(1.0)
    options = Optimizer(learning_rate=1e-4, rounding=rounding, max_gradient_norm=1e9)
    updater = Updater(policy, options, updates=updates, **more)
    for _ in range(updates):
        for held in updater._held:
            held.grad = torch.ones(held.shape) if held.shape == weight.shape else None
        updater.update()
        updater.clear()
    return float(weight.detach().float().mean()), weight.detach().clone()


def test_small_updates_add_up_by_chance_and_are_lost_to_the_nearest():
    """300 updates of 1e-4 take a weight from 1 to 0.97; each is less than half a step of bfloat16."""
    assert _mean_after("masters")[0] == pytest.approx(0.97, abs=1 / 512)
    assert _mean_after("stochastic")[0] == pytest.approx(0.97, abs=1 / 512)
    assert _mean_after("nearest")[0] == 1.0


def test_the_seed_of_the_run_is_in_the_draws():
    one, other = (_mean_after("stochastic", 20, key=(seed, "a stage"))[1] for seed in (1, 2))
    assert not torch.equal(one, other)
    assert torch.equal(one, _mean_after("stochastic", 20, key=(1, "a stage"))[1])
