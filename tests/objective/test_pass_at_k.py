"""Advantages for pass@k against going through all subsets."""

from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.objective import pass_at_k
from tests.numbers import F64, I64


def one(values):
    return F64(values), I64([0] * len(values))


def test_only_the_best_has_an_advantage_and_it_is_its_lead():
    rewards, group = F64([0.2, 5.0, 0.9, 6.0, 0.5, 6.0]), I64([0, 1, 0, 1, 0, 1])
    assert pass_at_k.best_only(rewards, group).tolist() == pytest.approx([0, 0, 0.4, 0, 0, 0])


def test_best_only_may_be_negative_rewards():
    assert pass_at_k.best_only(*one([-3.0, -1.0, -2.0])).tolist() == [0.0, 1.0, 0.0]


def test_the_lead_is_divided_by_the_groups_deviation():
    found = pass_at_k.best_only_normalized(*one([1.0, 0.0]), correction=1, epsilon=0.5)
    assert found.tolist() == pytest.approx([1.0 / (0.5**0.5 + 0.5), 0.0])


@settings(deadline=None, max_examples=40)
@given(right=st.lists(st.booleans(), min_size=1, max_size=7), k=st.integers(1, 7))
def test_pass_at_k_training_is_the_mean_of_the_normalized_subsets(right, k):
    size, k = len(right), min(k, len(right))
    subsets = list(combinations(range(size), k))
    outcomes = F64([float(any(right[i] for i in subset)) for subset in subsets])
    deviation = outcomes.std(correction=0)
    expected = [
        sum(
            (outcomes[n] - outcomes.mean()) / (deviation + 0.1)
            for n, s in enumerate(subsets)
            if i in s
        )
        / sum(i in s for s in subsets)
        for i in range(size)
    ]
    found = pass_at_k.pass_at_k_training(
        *one(list(map(float, right))), k=k, right_above=0.5, epsilon=0.1
    )
    torch.testing.assert_close(found, F64(expected), rtol=1e-9, atol=1e-9)


def test_right_is_what_is_above_the_threshold():
    options = {"k": 2, "epsilon": 0.0}
    low = pass_at_k.pass_at_k_training(*one([1.0, -1.0, -1.0]), right_above=0.0, **options)
    same = pass_at_k.pass_at_k_training(*one([1.0, 0.5, 0.0]), right_above=0.5, **options)
    assert torch.equal(low, same)
    assert low[0] > 0.0 > low[1]


def test_a_group_smaller_than_k_counts_as_all_of_it():
    rewards = F64([1.0, 0.0, 1.0, 0.0, 0.0])
    rate = pass_at_k.pass_rate_of_subsets(rewards, I64([0, 0, 1, 1, 1]), k=3, right_above=0.5)
    assert rate.tolist() == [1.0] * 5
    rate = pass_at_k.pass_rate_of_subsets(rewards, I64([0, 0, 1, 1, 1]), k=2, right_above=0.5)
    assert rate.tolist() == pytest.approx([1.0, 1.0, 2 / 3, 2 / 3, 2 / 3])


@settings(deadline=None, max_examples=40)
@given(
    rewards=st.lists(st.floats(-2, 2), min_size=3, max_size=6),
    k=st.integers(2, 5),
    baseline=st.sampled_from(["none", "k-1"]),
)
def test_pkpo_is_the_mean_over_all_subsets(rewards, k, baseline):
    k = min(k, len(rewards))
    subsets = list(combinations(range(len(rewards)), k))

    def credit(i):
        with_i = [[rewards[j] for j in s] for s in subsets if i in s]
        less = [[rewards[j] for j in s if j != i] for s in subsets if i in s]
        taken = sum(map(max, less)) if baseline == "k-1" else 0.0
        return (sum(map(max, with_i)) - taken) / len(subsets)

    found = pass_at_k.pkpo(*one(rewards), k=k, baseline=baseline)
    torch.testing.assert_close(
        found, F64([credit(i) for i in range(len(rewards))]), rtol=1e-9, atol=1e-9
    )


def test_the_best_of_one_is_the_reward_itself():
    found = pass_at_k.pkpo(*one([0.5, 2.0, -1.0, 0.5]), k=1, baseline="none")
    assert found.tolist() == pytest.approx([0.125, 0.5, -0.25, 0.125])


@settings(deadline=None, max_examples=40)
@given(rewards=st.lists(st.floats(-2, 2), min_size=3, max_size=6), k=st.integers(1, 5))
def test_pkpo_leaves_one_out_of_what_the_others_have_without_it(rewards, k):
    k = min(k, len(rewards) - 1)
    found = pass_at_k.pkpo(*one(rewards), k=k, baseline="leave-one-out")
    alone = pass_at_k.pkpo(*one(rewards), k=k, baseline="none")
    for i in range(len(rewards)):
        rest = rewards[:i] + rewards[i + 1 :]
        others = pass_at_k.pkpo(*one(rest), k=k, baseline="none")
        assert found[i].item() == pytest.approx((alone[i] - others.mean()).item(), abs=1e-9)


def test_pkpo_of_a_group_too_small_is_zero():
    assert pass_at_k.pkpo(*one([1.0, 0.0]), k=3, baseline="none").tolist() == [0.0, 0.0]
    assert pass_at_k.pkpo(*one([1.0, 0.0]), k=2, baseline="leave-one-out").tolist() == [0.0, 0.0]
    assert pass_at_k.pkpo(*one([1.0, 0.0]), k=2, baseline="none").tolist() == [1.0, 1.0]


def test_the_best_of_none_is_refused():
    with pytest.raises(AssertionError, match="best of 0"):
        pass_at_k.pkpo(*one([1.0, 0.0]), k=1, baseline="k-1")


def test_pkpo_of_a_large_group_overflows_nowhere():
    rewards = torch.linspace(0.0, 1.0, 300, dtype=torch.float64)
    found = pass_at_k.pkpo(rewards, torch.zeros(300, dtype=torch.int64), k=150, baseline="k-1")
    assert torch.isfinite(found).all()
    assert found.argmax() == 299
