"""What holds for every surrogate: on policy, at the edges, in any order, in any cut."""

import pytest
import torch

from tests.numbers import F64, I64
from tests.objective.family import ALL, KL, POLICY, TOKEN, WHOLE

ROLLOUT = I64([7, 7, 7, 2, 5, 5, 2, 7])
NOW = [-1.0, -0.4, -2.0, -0.7, -1.5, -0.2, -3.0, -0.9]
THEN = [-1.3, -0.1, -2.2, -1.9, -1.4, -0.8, -2.1, -1.2]
ADVANTAGES = F64([1.2, 1.2, 1.2, -0.8, 0.4, 0.4, -0.8, 1.2])


def gradient(losses, *, now=NOW, then=THEN, advantages=ADVANTAGES, rollout=ROLLOUT, weights=None):
    leaf = F64(now, grad=True)
    values = losses(leaf, F64(then), advantages, rollout)
    weights = torch.ones_like(values) if weights is None else weights
    torch.dot(weights, values).backward()
    return values.detach(), leaf.grad


@pytest.mark.parametrize("name", POLICY)
def test_on_policy_every_surrogate_is_the_policy_gradient(name):
    share = 1.0 / F64([4, 4, 4, 2, 2, 2, 2, 4])
    _, found = gradient(POLICY[name], then=NOW, weights=share)
    torch.testing.assert_close(found, -share * ADVANTAGES)


@pytest.mark.parametrize("name", ALL)
def test_nothing_flows_into_the_policy_that_it_is_compared_with(name):
    now, then = F64(NOW, grad=True), F64(THEN, grad=True)
    ALL[name](now, then, ADVANTAGES, ROLLOUT).sum().backward()
    assert then.grad is None
    assert now.grad.abs().sum() > 0


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("gap", [200.0, -200.0])
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_log_ratios_of_200_are_finite_in_value_and_gradient(name, gap, sign, dtype):
    now = torch.full((3,), min(0.0, gap), dtype=dtype, requires_grad=True)
    then = torch.full((3,), min(0.0, -gap), dtype=dtype)
    losses = ALL[name](now, then, torch.full((3,), sign, dtype=dtype), I64([0, 0, 1]))
    losses.sum().backward()
    assert losses.dtype == dtype
    assert torch.isfinite(losses).all()
    assert torch.isfinite(now.grad).all()


@pytest.mark.parametrize("name", ALL)
def test_another_order_of_the_tokens_is_another_order_of_the_losses(name):
    order = I64([3, 0, 6, 1, 4, 2, 5, 7])  # the tokens of a rollout stay in theirs
    losses, slope = gradient(ALL[name])
    mixed, mixed_slope = gradient(
        ALL[name],
        now=F64(NOW)[order],
        then=F64(THEN)[order],
        advantages=ADVANTAGES[order],
        rollout=ROLLOUT[order],
    )
    torch.testing.assert_close(mixed, losses[order], rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(mixed_slope, slope[order], rtol=1e-12, atol=1e-13)


def cut(losses, part):
    return gradient(
        losses,
        now=F64(NOW)[part],
        then=F64(THEN)[part],
        advantages=ADVANTAGES[part],
        rollout=ROLLOUT[part],
    )


@pytest.mark.parametrize("name", TOKEN | KL)
def test_the_loss_of_a_token_does_not_depend_on_its_neighbours(name):
    losses, slope = gradient((TOKEN | KL)[name])
    for place in range(len(NOW)):
        alone, alone_slope = cut((TOKEN | KL)[name], slice(place, place + 1))
        torch.testing.assert_close(alone[0], losses[place])
        torch.testing.assert_close(alone_slope[0], slope[place])


@pytest.mark.parametrize("name", WHOLE)
def test_a_rollout_may_be_anywhere_and_must_be_whole(name):
    losses, slope = gradient(WHOLE[name])
    for number in (2, 5, 7):
        part = number == ROLLOUT
        alone, alone_slope = cut(WHOLE[name], part)
        torch.testing.assert_close(alone, losses[part])
        torch.testing.assert_close(alone_slope, slope[part])
    halves = torch.cat([cut(WHOLE[name], part)[0] for part in (slice(0, 5), slice(5, 8))])
    assert not torch.allclose(halves, losses)


@pytest.mark.parametrize("name", ALL)
def test_no_token_at_all_is_no_loss_at_all(name):
    empty = F64([])
    assert ALL[name](empty, empty, empty, I64([])).shape == (0,)


QUADRATIC = {"dro", "kimi_k1_5", "kimi_k2_5", "prime_rl"}
"""Their square pulls on every token, also without an advantage."""


@pytest.mark.parametrize("name", [name for name in POLICY if name not in QUADRATIC])
def test_without_an_advantage_no_policy_term_pulls(name):
    losses, slope = gradient(POLICY[name], advantages=torch.zeros(8, dtype=torch.float64))
    assert losses.tolist() == [0.0] * 8
    assert slope.tolist() == [0.0] * 8
