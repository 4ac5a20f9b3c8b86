"""Rewards that fail within runs: counted, said, and from the stated share on the end of the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from cohort.data.asked import Asked
from cohort.data.store import Store
from cohort.errors import RewardError, RewardsFailedError
from cohort.report.read import group_places, opened, reasons, with_rollouts
from tests.train.runs import REINFORCE, metrics, recipe, rows, run

FAILS = """
import os
from cohort.rewards.outcome import Failed, Unscorable

def some(*, completions, **_):
    failed = Failed("unreachable", "503")
    return [failed if n < {failing} else 0.1 * len(t) for n, t in enumerate(completions)]

def unsure(*, completions, **_):
    return [Unscorable("no gold") if n == 15 else 1.0 for n, _ in enumerate(completions)]

def once(*, completions, journal, **_):
    if journal.recall("k") is None:
        with open(os.path.join(os.path.dirname(__file__), "asked.txt"), "a") as file:
            file.write("x")
        journal.keep("k", "1")
    return [float(len(t)) for t in completions]
"""


def stage(folder: Path, *names: str, failing: int = 3, **more: object) -> dict[str, object]:
    file = folder / "fails.py"
    file.write_text(FAILS.format(failing=failing))
    return REINFORCE | {"rewards": {f"{file}:{name}": 1.0 for name in names}, **more}


def test_failures_are_counted_said_and_kept_with_their_reason(tmp_path: Path) -> None:
    folder = run(tmp_path / "run", stage(tmp_path, "some", "unsure"))
    seen = metrics(folder, stage=0)
    counts = {name: seen[f"rewards/some/{name}"] for name in ("scored", "unscorable", "failed")}
    assert counts == {"scored": 13.0, "unscorable": 0.0, "failed": 3.0}
    assert seen["rewards/some/failed_unreachable"] == seen["unscored"] == 3.0
    assert seen["rewards/unsure/unscorable"] == 1.0
    assert seen["rewards/some/slowest_seconds"] > 0.0
    why = rows(folder, "SELECT DISTINCT kind, reason FROM scores WHERE kind != 'scored' ORDER BY 1")
    assert why == [("unreachable", "503"), ("unscorable", "no gold")]
    ((text,),) = rows(folder, "SELECT text FROM events WHERE step = 1")
    assert 'reward "some" failed for 3 of 16 answers' in text
    with opened(folder) as db:
        shown = with_rollouts(db, group_places(db)[0])
    assert reasons(shown.rollouts[0]) == ["some: unreachable: 503"]


@pytest.mark.parametrize(("failing", "allowed"), [(4, 0.2), (3, 0.1), (16, 0.9)])
def test_more_failures_than_allowed_end_the_run(
    tmp_path: Path, failing: int, allowed: float
) -> None:
    ends = stage(tmp_path, "some", failing=failing, failures_allowed=allowed)
    with pytest.raises(
        RewardsFailedError, match=f'"some" failed for {failing} of 16 answers'
    ) as error:
        run(tmp_path / "run", ends)
    assert error.value.exit_code == 75
    assert "503 for rollout 0 of problem" in error.value.message
    assert len(str(error.value).splitlines()) <= 6
    run(tmp_path / "other", ends | {"failures_allowed": 1.0})


def test_a_failure_of_what_has_no_weight_takes_no_score_away(tmp_path: Path) -> None:
    own = stage(tmp_path, "some")
    (name,) = own["rewards"]  # type: ignore[misc]
    own["rewards"] = {name: 0.0, "length": 1.0}
    assert metrics(run(tmp_path / "run", own), stage=0)["unscored"] == 0.0


def test_a_group_with_one_score_is_left_out_and_counted(tmp_path: Path) -> None:
    folder = run(tmp_path / "run", stage(tmp_path, "some", failing=3))
    seen = metrics(folder, stage=0)
    assert (seen["groups/single"], seen["groups/unscored"]) == (1.0, 0.0)
    assert rows(folder, "SELECT discarded FROM groups WHERE step = 1")[0] == ("single",)


def test_what_a_service_answered_is_not_asked_again_by_a_run_that_begins_anew(
    tmp_path: Path,
) -> None:
    own = stage(tmp_path, "once")
    run(tmp_path / "run", own | {"steps": 1})
    assert (tmp_path / "asked.txt").read_text() == "x"
    store = Store(tmp_path / "run" / "run.db")
    store.cut(0, 0)
    store.close()
    book = Asked(tmp_path / "run" / "run.db")
    assert book.recall("k") == "1"
    book.close()


def test_an_option_of_how_a_reward_is_run_must_change_something(tmp_path: Path) -> None:
    for options, says in (
        ({"where": "trainer", "memory_mb": 5}, "memory_mb is for functions in a worker"),
        ({"at_once": 3}, "at_once is for async functions"),
    ):
        with pytest.raises(RewardError, match=says):
            run(tmp_path / "run", REINFORCE | {"rewards": {"length": options}})


def test_the_defaults_of_how_a_reward_is_run_are_in_the_resolved_recipe() -> None:
    reward = recipe(REINFORCE).stage[0].rewards["length"]  # type: ignore[union-attr]
    assert (reward.where, reward.deadline_seconds, reward.retries) == ("worker", 60.0, 2)
    assert reward.arguments == {"words": 3}
