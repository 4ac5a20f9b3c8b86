"""Counts of what is done when, and of what several answers say together."""

import pytest

from cohort.objective import metrics, schedules


def test_the_reference_is_reset_after_every_so_many_steps():
    assert [s for s in range(1, 10) if schedules.resets_reference(s, every=4)] == [4, 8]
    assert not any(schedules.resets_reference(s, every=0) for s in range(10))


def test_an_iteration_starts_with_its_reference_and_ends_with_the_reward_model():
    events = list(schedules.iterative_grpo(2, 3, 2))
    half = len(events) // 2
    assert events[:half] == events[half:]
    assert (events[0], events[half - 1]) == ("reference", "reward model")
    assert (events.count("rollouts"), events.count("update")) == (6, 12)
    assert events[1:8] == [
        "sample problems", "old", "rollouts", "rewards", "advantages", "update", "update"
    ]  # fmt: skip


@pytest.mark.parametrize(("rollouts", "updates"), [(512, 1), (8192, 16), (513, 2)])
def test_the_last_update_may_be_smaller(rollouts, updates):
    assert schedules.updates_of_step(rollouts, rollouts_per_update=512) == updates


def test_the_most_frequent_answer_counts():
    for ties in ("first", "shared"):
        assert metrics.majority_at_k(["4", "5", "4"], "4", ties=ties) == 1.0
        assert metrics.majority_at_k(["5", "4", "5"], "4", ties=ties) == 0.0


def test_a_tie_is_broken_or_shared():
    assert metrics.majority_at_k(["4", "5"], "4", ties="first") == 1.0
    assert metrics.majority_at_k(["5", "4"], "4", ties="first") == 0.0
    assert metrics.majority_at_k(["5", "4", "6"], "4", ties="shared") == pytest.approx(1 / 3)
    assert metrics.majority_at_k(["5", "6"], "4", ties="shared") == 0.0
    assert metrics.majority_at_k([], "4", ties="shared") == 0.0


def test_problems_weigh_alike_whatever_their_number_of_answers():
    assert metrics.mean_at_n([[1.0, 0.0, 0.0, 0.0], [1.0], []]) == pytest.approx(0.625)
