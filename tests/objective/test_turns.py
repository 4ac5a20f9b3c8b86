"""Credit by turn: which tokens a turn's reward reaches, and the exact gradient by going through all episodes.

The environment of the enumeration: at each turn the policy says 0 or 1 and then whether to go on; the
second turn is only had by those that went on, and what a turn is worth depends on all before.
"""

from itertools import product

import pytest
import torch

from cohort.objective import segments
from cohort.objective.advantages import group_centred
from cohort.objective.turns import turn_leave_one_out, turn_returns
from tests.numbers import F64, I64

ROLLOUT = I64([0, 0, 0, 0, 1, 1, 2])
TURN = I64([0, 0, 1, 2, 0, 1, 0])
GROUP = I64([5, 5, 5])


def test_a_token_has_the_rewards_of_its_turn_and_of_later_ones():
    found = turn_returns(F64([1, 10, 100]), ROLLOUT, turn=TURN, end=I64([1, 3, 4]), turn_gamma=1.0)
    assert found.tolist() == [11, 11, 10, 10, 100, 0, 0]


def test_a_turn_later_counts_less_however_many_tokens_it_has():
    rewards, end = F64([1, 10, 100]), I64([1, 2, 3])
    found = turn_returns(rewards, ROLLOUT, turn=TURN, end=end, turn_gamma=0.5)
    assert found.tolist() == [31, 31, 60, 100, 0, 0, 0]


def test_rewards_that_end_within_a_turn_are_the_turns():
    found = turn_returns(F64([1, 2]), ROLLOUT, turn=None, end=I64([0, 2]), turn_gamma=0.5)
    assert found.tolist() == [3, 3, 3, 3, 0, 0, 0]


def test_a_turn_is_compared_with_the_same_turn_of_the_others():
    rewards, end = F64([1, 2, 4, 8, 16]), I64([1, 3, 4, 5, 6])
    found = turn_leave_one_out(
        rewards, ROLLOUT, group=GROUP, turn=TURN, end=end, turn_gamma=1.0
    )  # G = 3, 2, 2 | 12, 8 | 16
    assert found.tolist() == [-11, -11, -6, -6, 2.5, 6, 8.5]


def test_with_one_turn_each_it_is_leave_one_out_and_equal_rewards_say_nothing():
    given = {"group": GROUP, "turn": None, "end": I64([3, 5, 6]), "turn_gamma": 1.0}
    found = turn_leave_one_out(F64([1, 0, 0.5]), ROLLOUT, **given)
    assert found.tolist() == [0.75] * 4 + [-0.75] * 2 + [0.0]
    flat = turn_leave_one_out(F64([0.3, 0.1 + 0.2, 0.3]), ROLLOUT, **given)
    assert flat.tolist() == [0.0] * 7


def test_groups_do_not_meet_and_a_group_of_one_says_nothing():
    given = {"turn": TURN, "end": I64([1, 3, 4, 5, 6]), "turn_gamma": 1.0}
    found = turn_leave_one_out(F64([1, 2, 4, 8, 16]), ROLLOUT, group=I64([1, 1, 0]), **given)
    assert found.tolist() == [-9, -9, -6, -6, 9, 6, 0]


CHOICES = list(product((0, 1), (0, 1)))
"""What a turn says, and whether the policy goes on."""
LONGEST = 2


def _episodes(so_far=()):
    for choice in CHOICES:
        told = (*so_far, choice)
        if choice[1] and len(told) < LONGEST:
            yield from _episodes(told)
        else:
            yield told


EPISODES = list(_episodes())
OWNER = torch.tensor([i for i, told in enumerate(EPISODES) for _ in told for _ in range(2)])
PLACE = torch.tensor([k for told in EPISODES for k in range(len(told)) for _ in range(2)])


def _worth(history):
    """The reward of a turn, given all that was said: some turns are worth having, some are not."""
    said = [a for a, _ in history]
    return 0.4 * said[-1] - 0.7 * (len(said) == 2) + 1.3 * (sum(said) == 2) + 0.2


REWARDS = F64([_worth(told[: k + 1]) for told in EPISODES for k in range(len(told))])
TURN_ENDS = torch.arange(1, 2 * len(REWARDS), 2)
TOTAL = torch.zeros(len(EPISODES), dtype=torch.float64).index_add(0, OWNER[TURN_ENDS], REWARDS)
EXACT = {"rtol": 1e-9, "atol": 1e-12}


def _parameters(seed=0):
    """Logits of both tokens of a turn: by turn, by what was said last, and for the second by the first."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(LONGEST, 2, 3, 2, generator=generator, dtype=torch.float64).requires_grad_()


def _token_logprobs(parameters):
    table = parameters.log_softmax(-1)
    found = []
    for told in EPISODES:
        for k, (said, on) in enumerate(told):
            before = told[k - 1][0] if k else 0
            found += [table[k, before, 2, said], table[k, before, said, on]]
    return torch.stack(found)


def _true_gradient(parameters):
    logprobs = _token_logprobs(parameters)
    chance = torch.zeros(len(EPISODES), dtype=torch.float64).index_add(0, OWNER, logprobs).exp()
    return torch.autograd.grad(chance @ TOTAL, parameters)[0]


def _expected_gradient(method, parameters, size):
    """The expectation over all groups of 1/G sum_i sum_t A_t grad log pi_t, group by group."""
    logprobs = _token_logprobs(parameters)
    whole = torch.zeros(len(EPISODES), dtype=torch.float64).index_add(0, OWNER, logprobs).exp()
    slopes = torch.zeros(len(OWNER), dtype=torch.float64)
    for members in product(range(len(EPISODES)), repeat=size):
        tokens = [(member == OWNER).nonzero()[:, 0] for member in members]
        rollout = torch.arange(size).repeat_interleave(torch.tensor([len(own) for own in tokens]))
        flat = torch.cat(tokens)
        rewards = torch.cat([REWARDS[OWNER[TURN_ENDS] == member] for member in members])
        ends = torch.arange(1, len(flat), 2)
        found = method(rewards, rollout, PLACE[flat], ends)
        slopes.index_add_(0, flat, whole[list(members)].detach().prod() / size * found)
    return torch.autograd.grad((slopes * logprobs).sum(), parameters)[0]


def _to_go(rewards, rollout, turn, end):
    return turn_returns(rewards, rollout, turn=turn, end=end, turn_gamma=1.0)


def _one_out(rewards, rollout, turn, end):
    group = torch.zeros(int(rollout.max()) + 1, dtype=torch.long)
    return turn_leave_one_out(rewards, rollout, group=group, turn=turn, end=end, turn_gamma=1.0)


def _naive(rewards, rollout, turn, end):
    """Each turn's reward less the mean of the same turn of the group, then summed from the end."""
    return _to_go(group_centred(rewards, turn[end]), rollout, turn, end)


def _own_mean(rewards, rollout, turn, end):
    """What is to come, less its mean over all that have such a turn, the rollout itself among them."""
    to_go = _to_go(rewards, rollout, turn, end)
    return (to_go[end] - segments.means(to_go[end], turn[end])).repeat_interleave(2)


@pytest.mark.parametrize(("method", "size"), [(_to_go, 1), (_one_out, 2), (_one_out, 3)])
def test_credit_by_turn_has_the_exact_gradient(method, size):
    parameters = _parameters()
    found = _expected_gradient(method, parameters, size)
    torch.testing.assert_close(found, _true_gradient(parameters), **EXACT)


def test_comparing_each_turns_reward_with_the_same_turn_is_biased():
    parameters = _parameters()
    found, true = _expected_gradient(_naive, parameters, 2), _true_gradient(parameters)
    goes_on = (..., slice(0, 2), 1)  # the logits of going on, whatever was said
    assert not torch.allclose(found[goes_on], 0.5 * true[goes_on], rtol=0.1)
    assert not torch.allclose(found[goes_on], true[goes_on], rtol=0.1)


def test_a_mean_that_a_rollout_is_part_of_shrinks_late_turns_more_than_early_ones():
    parameters = _parameters()
    found, true = _expected_gradient(_own_mean, parameters, 2), _true_gradient(parameters)
    share = (found * true).sum((1, 2, 3)) / true.square().sum((1, 2, 3))
    assert float(share[0]) == pytest.approx(0.5)
    assert share[1] < 0.9 * share[0]


def test_where_going_on_is_always_worth_one_the_naive_form_does_not_see_it():
    """Two episodes: one stops, one goes on to a turn that is worth 1."""
    rollout, turn, end = I64([0, 1, 1]), I64([0, 0, 1]), I64([0, 1, 2])
    rewards = F64([0, 0, 1])
    assert _naive(rewards, rollout, turn, end).tolist() == [0, 0, 0]
    assert _one_out(rewards, rollout, turn, end).tolist() == [-1, 1, 1]
