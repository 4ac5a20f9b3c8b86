"""Intervals and pass@k against scipy, against enumeration, and at their edges."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from scipy import stats  # type: ignore[import-untyped]

from cohort.data.store import Answer
from cohort.report.statistics import (
    clustered_share_interval,
    deviation,
    mean,
    mean_interval,
    pass_at_k,
    summarize_evaluation,
    wilson_interval,
)


def answer(problem: str, sample: int, success: bool | None) -> Answer:
    reward = None if success is None else float(success)
    return Answer(problem, sample, "2+2=", "4", reward, success)


@pytest.mark.parametrize(("successes", "trials"), [(0, 7), (7, 7), (1, 2), (130, 200), (1, 1000)])
def test_wilson_interval_is_scipys(successes: int, trials: int) -> None:
    expected = stats.binomtest(successes, trials).proportion_ci(method="wilson")
    assert wilson_interval(successes, trials) == pytest.approx((expected.low, expected.high))


def test_wilson_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    trials, truth = 40, 0.9
    covered = sum(
        stats.binom.pmf(successes, trials, truth)
        for successes in range(trials + 1)
        if wilson_interval(successes, trials)[0] <= truth <= wilson_interval(successes, trials)[1]
    )
    assert covered == pytest.approx(0.95, abs=0.03)


def test_certainty_is_never_claimed() -> None:
    assert wilson_interval(0, 5)[0] == 0.0 < wilson_interval(0, 5)[1]
    assert wilson_interval(5, 5)[0] < 1.0 == wilson_interval(5, 5)[1]
    assert clustered_share_interval([1.0] * 5, 40) == wilson_interval(5, 5)


def test_one_answer_per_problem_gives_wilsons_interval() -> None:
    shares = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0]
    assert clustered_share_interval(shares, 7) == pytest.approx(wilson_interval(4, 7))


def test_answers_that_copy_each_other_do_not_narrow_the_interval() -> None:
    shares = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0]
    assert clustered_share_interval(shares, 7 * 8) == pytest.approx(wilson_interval(4, 7))


def test_problems_that_are_all_alike_count_at_most_every_answer() -> None:
    assert clustered_share_interval([0.5, 0.625], 16) == pytest.approx(wilson_interval(9, 16))


def test_clustered_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    source, covered = random.Random(1), 0
    for _ in range(1000):
        chances = [source.betavariate(0.5, 0.5) for _ in range(60)]
        shares = [sum(source.random() < c for _ in range(4)) / 4 for c in chances]
        low, high = clustered_share_interval(shares, 240)
        covered += low <= 0.5 <= high
    assert covered / 1000 == pytest.approx(0.95, abs=0.02)


def test_mean_interval_is_scipys() -> None:
    values = [0.2, 1.0, 0.7, 0.4, 0.45]
    expected = stats.norm.interval(0.95, loc=mean(values), scale=stats.sem(values))
    assert mean_interval(values) == pytest.approx(expected)
    assert mean_interval([0.5]) is None


def test_pass_at_k_is_the_share_of_draws_with_a_right_answer() -> None:
    for answers, k in itertools.product(range(1, 7), range(1, 7)):
        for correct in range(answers + 1 if k <= answers else 0):
            draws = list(itertools.combinations(range(answers), k))
            right = sum(any(number < correct for number in draw) for draw in draws)
            assert pass_at_k(answers, correct, k) == right / len(draws)


def test_pass_at_k_does_not_overflow() -> None:
    assert pass_at_k(10_000, 1, 5_000) == 0.5


def test_deviation_is_of_the_population_and_survives_a_large_mean() -> None:
    assert deviation([1e9 + 1, 1e9 + 3]) == 1.0
    assert deviation([0.1 + 0.2] * 3) == 0.0


def test_a_summary_tells_greedy_from_sampled() -> None:
    answers = [answer("a", 0, True), answer("a", 1, False), answer("a", 2, True)]
    answers += [answer("b", 0, False), answer("b", 1, False), answer("b", 2, False)]
    summary = summarize_evaluation(answers, samples=2)
    assert (summary["problems"], summary["greedy"], summary["pass_at_1"]) == (2, 0.5, 0.25)
    assert summary["pass_at"] == {"1": 0.25, "2": 0.5}
    assert summary["greedy_interval"] == list(wilson_interval(1, 2))
    assert (summary["greedy_reward"], summary["mean_reward"]) == (0.5, 0.25)


def test_answers_that_nobody_could_judge_do_not_count_as_wrong() -> None:
    answers = [
        answer("a", 0, None),
        answer("a", 1, None),
        answer("b", 0, True),
        answer("b", 1, True),
    ]
    summary = summarize_evaluation(answers, samples=1)
    assert (summary["greedy"], summary["pass_at_1"], summary["unscored"]) == (1.0, 1.0, 2)


def test_a_summary_of_unjudged_answers_has_no_shares() -> None:
    summary = summarize_evaluation([answer("a", 0, None), answer("a", 1, None)], samples=1)
    assert summary["greedy"] is None
    assert summary["greedy_interval"] is None
    assert summary["pass_at_1_interval"] is None
    assert summary["pass_at"] == {}
    assert not any(isinstance(v, float) and math.isnan(v) for v in summary.values())


def test_an_evaluation_with_an_answer_missing_is_not_summarized() -> None:
    with pytest.raises(AssertionError, match="'a', \\[0\\], 1"):
        summarize_evaluation([answer("a", 0, True)], samples=1)
