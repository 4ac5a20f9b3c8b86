"""Process supervision: which tokens a step's reward reaches."""

import pytest
import torch

from cohort.objective.process import process_centred, process_normalized, steps_to_come
from tests.numbers import F64, I64

ROLLOUT = I64([0, 0, 0, 1, 1, 2])


def test_a_token_has_the_steps_that_end_there_or_later():
    found = steps_to_come(F64([1.0, 10.0, 100.0]), end=I64([0, 2, 3]), rollout=ROLLOUT)
    assert found.tolist() == [11.0, 10.0, 10.0, 100.0, 0.0, 0.0]


def test_steps_of_a_whole_group_are_normalized_together():
    rewards, end = F64([3.0, 1.0, 1.0]), I64([1, 2, 4])
    found = process_normalized(
        rewards, I64([0, 0, 0]), end=end, rollout=ROLLOUT, correction=0, epsilon=0.0
    )
    z = (rewards - rewards.mean()) / rewards.std(correction=0)
    expected = [z[0] + z[1], z[0] + z[1], z[1], z[2], z[2], 0.0]
    assert found.tolist() == pytest.approx([float(value) for value in expected])


def test_one_step_per_rollout_is_outcome_supervision():
    rewards, end = F64([1.0, 0.0, 0.5]), I64([2, 4, 5])
    found = process_normalized(
        rewards, I64([0, 0, 0]), end=end, rollout=ROLLOUT, correction=1, epsilon=1e-4
    )
    outcome = (rewards - 0.5) / (0.5 + 1e-4)
    torch.testing.assert_close(found, outcome[ROLLOUT])


def test_without_the_deviation_rewards_keep_their_scale():
    found = process_centred(
        F64([4.0, 1.0, 1.0]), I64([0, 0, 0]), end=I64([1, 2, 4]), rollout=ROLLOUT
    )
    assert found.tolist() == pytest.approx([1.0, 1.0, -1.0, -1.0, -1.0, 0.0])


def test_equal_step_rewards_say_nothing():
    found = process_normalized(
        F64([0.3, 0.1 + 0.2]),
        I64([0, 0]),
        end=I64([0, 5]),
        rollout=ROLLOUT,
        correction=0,
        epsilon=0.0,
    )
    assert found.tolist() == [0.0] * 6


def test_groups_have_steps_of_their_own():
    found = process_centred(
        F64([4.0, 2.0, 1.0, 3.0]), I64([7, 7, 2, 2]), end=I64([0, 2, 3, 5]), rollout=ROLLOUT
    )
    assert found.tolist() == pytest.approx([0.0, -1.0, -1.0, -1.0, 0.0, 1.0])


def test_a_step_without_step_rewards_is_zero():
    none = torch.zeros(0, dtype=torch.int64)
    found = process_centred(F64([]), none, end=none, rollout=ROLLOUT)
    assert found.tolist() == [0.0] * 6
