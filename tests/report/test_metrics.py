"""The metrics of groups, by hand-computed values."""

from __future__ import annotations

import math

import pytest

from cohort.data.records import Group, Score
from cohort.report.metric_table import METRICS
from cohort.report.metrics import describe_groups, describe_metric
from cohort.report.phases import PHASES
from tests.report.runs import group, rollout


def test_reward_std_is_the_mean_of_the_deviations_inside_groups() -> None:
    metrics = describe_groups([group("a", (1.0, 0.0)), group("b", (5.0, 5.0))])
    assert metrics["reward"] == pytest.approx(2.75)
    assert metrics["reward_std"] == pytest.approx(0.25)
    assert metrics["rewards/correct/std"] == pytest.approx(math.sqrt(5.1875))


def test_scores_that_are_none_do_not_count() -> None:
    metrics = describe_groups([group("a", (1.0, None, 0.5)), group("b", (None, None, None))])
    assert (metrics["reward"], metrics["reward_std"]) == (0.75, 0.25)
    assert (metrics["unscored"], metrics["frac_reward_zero_std"]) == (4.0, 0.5)


def test_rewards_equal_up_to_rounding_are_no_signal() -> None:
    metrics = describe_groups([group("a", (0.1 + 0.2, 0.3)), group("b", (0.3, 0.3001))])
    assert metrics["frac_reward_zero_std"] == 0.5


def test_what_nobody_can_compute_is_absent() -> None:
    metrics = describe_groups([group("a", (None, None))])
    assert "reward" not in metrics
    assert "rewards/correct/mean" not in metrics
    assert describe_groups([]) == {}


def test_groups_that_are_not_scored_have_lengths_only() -> None:
    unscored = Group(
        group().problem, group().prompt_tokens, (rollout("x", 3), rollout("y", 5, "length"))
    )
    assert describe_groups([unscored]) == {
        "completions/mean_length": 4.0,
        "completions/min_length": 3.0,
        "completions/max_length": 5.0,
        "completions/mean_terminated_length": 3.0,
        "completions/min_terminated_length": 3.0,
        "completions/max_terminated_length": 3.0,
        "completions/clipped_ratio": 0.5,
    }


def test_a_function_that_cannot_say_does_not_pull_its_own_mean() -> None:
    scores = (
        Score(1.0, {"correct": 1.0, "style": None}),
        Score(0.5, {"correct": 0.0, "style": 0.5}),
    )
    mixed = Group(group().problem, group().prompt_tokens, group().rollouts, scores)
    metrics = describe_groups([mixed])
    assert (metrics["rewards/style/mean"], metrics["rewards/style/std"]) == (0.5, 0.0)
    assert metrics["rewards/correct/mean"] == 0.5


def test_every_metric_of_a_group_is_in_the_table() -> None:
    for name in describe_groups([group()]):
        assert describe_metric(name) is not None, name


def test_every_phase_of_a_step_is_in_the_table() -> None:
    for name in PHASES:
        assert METRICS[f"time/{name}"].unit == "seconds"


def test_every_meaning_is_one_sentence() -> None:
    for name, row in METRICS.items():
        assert (row.meaning[-1], row.meaning.count(". ")) == (".", 0), name


def test_loss_means_another_thing_in_a_supervised_stage() -> None:
    assert describe_metric("loss", "supervised") != describe_metric("loss", "reinforce")
    assert describe_metric("my own/metric") is None
    function = describe_metric("rewards/file.py:brevity/mean")
    assert function is not None
    assert "file.py:brevity" in function.meaning
