"""Tokens laid out by rollout, and back."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.objective import rows
from tests.numbers import F64, I64

MIXED = I64([4, 1, 4, 4, 1])


def test_a_token_knows_its_place_among_those_of_its_rollout():
    assert rows.place_in_rollout(MIXED).tolist() == [0, 0, 1, 2, 1]
    assert rows.is_last(MIXED).tolist() == [False, False, False, True, True]


def test_rows_are_padded_with_zero_at_the_end():
    found = rows.as_rows(F64([1.0, 2.0, 3.0, 4.0, 5.0]), MIXED)
    assert found.tolist() == [[2.0, 5.0, 0.0], [1.0, 3.0, 4.0]]


def test_sums_so_far_stay_in_their_rollout():
    found = rows.sum_so_far(F64([1.0, 2.0, 3.0, 4.0, 5.0]), MIXED)
    assert found.tolist() == [1.0, 2.0, 4.0, 8.0, 7.0]


@settings(deadline=None, max_examples=25)
@given(rollout=st.lists(st.integers(0, 4), max_size=12))
def test_back_from_rows_is_where_we_were(rollout):
    numbers = torch.arange(len(rollout), dtype=torch.float64)
    assert torch.equal(rows.as_tokens(rows.as_rows(numbers, I64(rollout)), I64(rollout)), numbers)
