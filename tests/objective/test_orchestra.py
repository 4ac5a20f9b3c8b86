"""Rewards by preference: the worked example, and what holds for any group."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.objective.advantages import group_normalized
from cohort.objective.orchestra import adherence, preferred, stretched
from tests.numbers import F64, I64

# Calls of search, small and big; outcome, -cost, -latency.
DONE = torch.tensor(
    [
        [1, 1, 0, 1, -2, -3],
        [0, 0, 2, 1, -20, -10],
        [2, 0, 0, 0, -1, -2],
        [0, 1, 0, 1, -1, -1],
    ],
    dtype=torch.float64,
)
STRETCHED = [
    [0.5, 1, 0, 1, 18 / 19, 7 / 9],
    [0, 0, 1, 1, 0, 0],
    [1, 0, 0, 0, 1, 8 / 9],
    [0, 1, 0, 1, 1, 1],
]
CASES = [
    ((0, 0, 0, 1, 1, 0.5), (2.336257, 1, 0, 2.5), (0.742015, -0.388321, -1.234219, 0.880525)),
    ((0, 1, 0, 1, 0, 0), (2, 1, 0, 2), (0.783349, -0.261116, -1.305582, 0.783349)),
    ((0, 0, 1, 1, 0, 0), (1, 2, 0, 1), (0, 1.224745, -1.224745, 0)),
    ((0, 0, 0, 1, 0, 0), (1, 1, 0, 1), (0.5, 0.5, -1.5, 0.5)),
]
ONE_GROUP = I64([0, 0, 0, 0])
COST, LATENCY = -2, -1


def worth(matrix, preference, group=None):
    group = torch.zeros(len(matrix), dtype=torch.long) if group is None else group
    wanted = F64(preference).expand(len(matrix), -1)
    return preferred(matrix, group, solved=matrix[:, -3] > 0, preference=wanted)


def test_the_worked_example_is_stretched_column_by_column():
    expected = torch.tensor(STRETCHED, dtype=torch.float64)
    torch.testing.assert_close(stretched(DONE, ONE_GROUP), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize(("preference", "rewards", "advantages"), CASES)
def test_the_worked_example_has_its_rewards_and_advantages(preference, rewards, advantages):
    found = worth(DONE, preference)
    torch.testing.assert_close(found, F64(rewards), atol=1e-6, rtol=0)
    compared = group_normalized(found, ONE_GROUP, correction=1, epsilon=0.0)
    torch.testing.assert_close(compared, F64(advantages), atol=1e-6, rtol=0)


def test_a_group_is_stretched_by_its_own_extremes_alone():
    both, group = torch.cat((DONE, DONE * 7.0)), I64([0] * 4 + [1] * 4)
    torch.testing.assert_close(stretched(both, group), stretched(DONE, ONE_GROUP).repeat(2, 1))
    mixed = I64([5, 3, 1, 7, 0, 2, 6, 4])
    torch.testing.assert_close(stretched(both[mixed], group[mixed]), stretched(both, group)[mixed])


numbers = st.floats(0.0, 1e4, allow_nan=False, width=32)
rows = st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 1), numbers, numbers)
groups = st.lists(rows, min_size=1, max_size=8)
wishes = st.lists(st.floats(0.0, 1.0), min_size=5, max_size=5)


def matrix_of(drawn):
    """Rows of [calls, calls, outcome, -cost, -latency]."""
    return torch.tensor([[a, b, o, -c, -t] for a, b, o, c, t in drawn], dtype=torch.float64)


@settings(max_examples=200)
@given(groups)
def test_every_entry_is_from_0_to_1_and_a_constant_column_is_0(drawn):
    matrix = matrix_of(drawn)
    found = stretched(matrix, torch.zeros(len(drawn), dtype=torch.long))
    assert bool(((found >= 0.0) & (found <= 1.0)).all())
    for column in range(matrix.shape[1]):
        if len(set(matrix[:, column].tolist())) == 1:
            assert not found[:, column].any()


@settings(max_examples=200)
@given(groups, wishes)
def test_what_failed_is_worth_nothing_whatever_is_preferred(drawn, wish):
    matrix = matrix_of(drawn)
    assert not worth(matrix, wish)[matrix[:, 2] == 0].any()


@settings(max_examples=200)
@given(groups, wishes, st.floats(0.01, 1.0), st.sampled_from([COST, LATENCY]))
def test_of_two_solved_ones_the_cheaper_and_the_faster_is_never_worse(drawn, wish, share, column):
    matrix = matrix_of(drawn)
    matrix[0, 2] = 1.0
    thrifty = matrix[:1].clone()
    thrifty[0, column] *= 1.0 - share
    wish[column] = max(wish[column], 0.1)
    found = worth(torch.cat((matrix, thrifty)), wish)
    assert found[-1] >= found[0]
    if float(thrifty[0, column] - matrix[0, column]) > 1e-6 * float(matrix[:, column].abs().max()):
        assert found[-1] > found[0]


def test_the_released_sign_would_be_caught():
    """It takes the extremes of -cost and stretches +cost: (1.158, 2.105, 1.105, 1.105)."""
    cost = -DONE[:, COST]
    wrong = (cost - (-cost).min()) / ((-cost).max() - (-cost).min())
    assert wrong.tolist() == pytest.approx([22 / 19, 40 / 19, 21 / 19, 21 / 19])
    right = stretched(DONE, ONE_GROUP)[:, COST]
    assert wrong[1] > wrong[3]
    assert right[1] < right[3]


def test_costs_that_are_equal_up_to_rounding_are_equal():
    matrix = torch.tensor([[1.0, -(0.1 + 0.2), -1.0], [1.0, -0.3, -1.0]], dtype=torch.float64)
    assert not stretched(matrix, I64([0, 0])).any()


def test_adherence_is_more_of_what_is_wanted_and_less_of_what_is_spent():
    # Calls of one tool, outcome, cost, latency.
    asked = torch.tensor([[3.0, 1, 2, 5], [3, 0, 2, 5], [0, 1, 0, 0]], dtype=torch.float64)
    unasked = torch.tensor([[2.0, 1, 8, 5], [2, 1, 8, 5], [0, 0, 3, 2]], dtype=torch.float64)
    preference = F64([1.0, 0.5, 1.0, 0.1]).expand(3, -1)
    found = adherence(asked, unasked, preference)
    expected = [1.5 + 0.5 + 4.0 + 0.1, 0.0, 0.0 + 0.5 + 3.0 + 0.2]
    assert found.tolist() == pytest.approx(expected)
