"""What must not matter to an advantage: order, names of groups, other groups, a constant."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.objective.group_methods import METHODS, MOVED_BY_A_SHIFT, NOT_ZERO_WHEN_FLAT, OF_GROUP

every_method = pytest.mark.parametrize("name", METHODS)
close = {"rtol": 1e-9, "atol": 1e-9}


@st.composite
def steps(draw):
    """Rewards in 0 to 1, groups, lengths and a generator, of a step of up to four groups."""
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    group = [number for number, size in enumerate(sizes) for _ in range(size)]
    grid = st.integers(0, 8).map(lambda eighths: eighths / 8)
    rewards = draw(st.lists(grid, min_size=len(group), max_size=len(group)))
    lengths = draw(st.lists(st.integers(1, 9), min_size=len(group), max_size=len(group)))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    return (
        torch.tensor(rewards, dtype=torch.float64),
        torch.tensor(group),
        torch.tensor(lengths),
        generator,
    )


@every_method
@settings(deadline=None, max_examples=25)
@given(step=steps())
def test_the_order_of_rollouts_and_groups_does_not_matter(name, step):
    rewards, group, lengths, generator = step
    order = torch.randperm(len(rewards), generator=generator)
    straight = METHODS[name](rewards, group, lengths)
    mixed = METHODS[name](rewards[order], group[order], lengths[order])
    torch.testing.assert_close(mixed, straight[order], **close)


@every_method
@settings(deadline=None, max_examples=25)
@given(step=steps())
def test_a_group_may_have_any_number(name, step):
    rewards, group, lengths, generator = step
    numbers = torch.randperm(50, generator=generator)[:4]
    straight = METHODS[name](rewards, group, lengths)
    torch.testing.assert_close(METHODS[name](rewards, numbers[group], lengths), straight, **close)


@pytest.mark.parametrize("name", sorted(METHODS.keys() - MOVED_BY_A_SHIFT))
@settings(deadline=None, max_examples=25)
@given(step=steps(), shift=st.sampled_from([-3.0, 0.5, 100.0]))
def test_a_constant_added_to_all_rewards_does_not_matter(name, step, shift):
    rewards, group, lengths, _ = step
    straight = METHODS[name](rewards, group, lengths)
    shifted = METHODS[name](rewards + shift, group, lengths)
    torch.testing.assert_close(shifted, straight, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", sorted(METHODS.keys() - {"bnpo"}))
@settings(deadline=None, max_examples=25)
@given(step=steps())
def test_the_same_groups_twice_have_the_same_advantages(name, step):
    rewards, group, lengths, _ = step
    straight = METHODS[name](rewards, group, lengths)
    twice = METHODS[name](rewards.repeat(2), torch.cat([group, group + 9]), lengths.repeat(2))
    torch.testing.assert_close(twice, straight.repeat(2), **close)


@pytest.mark.parametrize("name", OF_GROUP)
@settings(deadline=None, max_examples=25)
@given(step=steps())
def test_what_belongs_to_a_group_needs_no_other(name, step):
    rewards, group, lengths, _ = step
    straight = OF_GROUP[name](rewards, group, lengths)
    for number in torch.unique(group):
        own = group == number
        alone = OF_GROUP[name](rewards[own], group[own], lengths[own])
        torch.testing.assert_close(alone, straight[own], **close)


@every_method
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("rewards", [[0.3] * 4, [0.3, 0.1 + 0.2, 0.3, 0.3], [0.7, 0.1 * 7, 0.7]])
def test_rewards_equal_up_to_rounding_have_no_advantage(name, dtype, rewards):
    values = torch.tensor([*rewards, 1.0, 0.0], dtype=dtype)
    group = torch.tensor([0] * len(rewards) + [1, 1])
    found = METHODS[name](values, group, torch.ones(len(values), dtype=torch.int64))
    assert found.dtype == dtype
    assert torch.isfinite(found).all()
    if name not in NOT_ZERO_WHEN_FLAT:
        assert found[: len(rewards)].tolist() == [0.0] * len(rewards)


@every_method
@pytest.mark.parametrize("reward", [0.0, 1.0, 0.4])
def test_a_step_of_one_rollout_is_finite(name, reward):
    one = torch.tensor([reward], dtype=torch.float64)
    found = METHODS[name](one, torch.tensor([5]), torch.tensor([1]))
    assert found.tolist() == [0.0]
