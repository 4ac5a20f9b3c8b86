"""Runs are compared problem by problem, and chance is called chance."""

from __future__ import annotations

from pathlib import Path

import pytest

from cohort.data.store import Store
from cohort.errors import RunError
from cohort.report.compare import compare, comparison, paired
from tests.report.runs import write_run


def test_equal_evaluations_do_not_differ() -> None:
    shares = {str(i): i % 2 * 1.0 for i in range(20)}
    told = paired(shares, shares)
    assert told is not None
    assert (told.gain, told.p, told.problems) == (0.0, 1.0, 20)


def test_the_test_is_the_exact_one_where_all_problems_gained() -> None:
    told = paired({str(i): 0.0 for i in range(6)}, {str(i): 1.0 for i in range(6)})
    assert told is not None
    assert told.gain == 1.0
    assert told.p == pytest.approx(2 / 2**6, rel=0.15)


def test_a_gain_that_chance_explains_has_a_large_p() -> None:
    told = paired({"a": 0.0, "b": 1.0, "c": 0.0}, {"a": 1.0, "b": 0.0, "c": 1.0})
    assert told is not None
    assert told.p > 0.5


def test_problems_of_one_evaluation_alone_do_not_count() -> None:
    told = paired({"a": 0.0, "b": 0.0}, {"b": 1.0, "c": 1.0})
    assert told is not None
    assert told.problems == 1
    assert paired({"a": 0.0}, {"b": 1.0}) is None


def test_runs_are_held_against_their_begin_and_the_first_run(tmp_path: Path) -> None:
    one, two = write_run(tmp_path / "one"), write_run(tmp_path / "two", finished=False)
    results = compare([one, two])
    assert results[0].since_begin is not None
    assert results[0].since_begin.gain == 0.5
    assert results[0].against_first is None
    assert results[1].since_begin is None
    assert results[1].against_first is not None
    assert results[1].against_first.gain == -0.5
    text = "\n".join(" ".join(row) for row in comparison(results))
    assert "against the first run" in text
    assert "-50.0 points" in text


def test_a_run_without_held_out_results_is_refused(tmp_path: Path) -> None:
    Store(tmp_path / "run.db").close()
    with pytest.raises(RunError, match="no held-out results"):
        compare([tmp_path])
