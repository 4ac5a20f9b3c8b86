"""What becomes of rollouts where a function runs in a worker, whatever the function does."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cohort.config.stages import Reward
from cohort.data.asked import Asked
from cohort.data.records import Problem
from cohort.data.store import Store
from cohort.errors import RewardError
from cohort.rewards.functions import RewardFunction, load_rewards
from cohort.rewards.isolation import tree
from cohort.rewards.isolation.runner import Runner
from cohort.rewards.score import score_groups
from tests.rewards.isolation import mine
from tests.rewards.test_score import group

HERE = Path(__file__).parent
PROBLEM = Problem("p", "?", {"pair": (1, {2: b"x"})})
TEXTS = ("a", "b", "bad", "c", "d")


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with Runner() as own:
        yield own


def reward(runner: Runner, name: str, **options: Any) -> RewardFunction:
    specs = {f"mine.py:{name}": Reward.model_validate(options)}
    return runner.house(load_rewards(specs, task_rewards={}, base=HERE))[0]


def asked(runner: Runner, own: RewardFunction, *texts: str, strict: bool = False) -> list[Any]:
    """The value of each answer, or the kind of the failure."""
    (scored,) = score_groups([group(PROBLEM, *(texts or TEXTS))], [own], runner, strict=strict)
    return [s.total if s.total is not None else s.unsaid[own.name][0] for s in scored.scores]


def test_a_function_that_can_be_imported_runs_in_another_process(runner: Runner) -> None:
    given = [RewardFunction(f.__name__, 1.0, f) for f in (mine.module_level, mine.in_trainer)]
    elsewhere, here = (asked(runner, own, "a")[0] for own in runner.house(given))
    assert elsewhere != float(os.getpid()) == here


def test_where_says_in_which_process_a_function_runs(runner: Runner) -> None:
    own = [reward(runner, "module_level", where=where) for where in ("worker", "trainer")]
    pids = [asked(runner, one, "a")[0] for one in own]
    assert pids[0] != float(os.getpid()) == pids[1]


def test_an_answer_that_ends_its_process_is_found_and_the_others_are_scored(runner: Runner) -> None:
    own = reward(runner, "dies")
    (scored,) = score_groups([group(PROBLEM, *TEXTS)], [own], runner, strict=False)
    assert [s.total for s in scored.scores] == [1.0, 1.0, None, 1.0, 1.0]
    kind, why = scored.scores[2].unsaid["dies"]
    assert kind == "crashed"
    assert "exit code 3" in why
    assert "about to die" in why


def test_a_deadline_is_kept_by_killing_the_process(runner: Runner) -> None:
    own = reward(runner, "hangs", deadline_seconds=0.2)
    asked(runner, own, "a")
    began = time.monotonic()
    assert asked(runner, own, "bad") == ["deadline"]
    assert 0.4 <= time.monotonic() - began < 5.0


def test_more_memory_than_is_allowed_ends_the_call(runner: Runner) -> None:
    assert asked(runner, reward(runner, "takes_memory", memory_mb=150), "a") == ["memory"]


def test_what_ended_its_process_twice_is_never_tried_again(tmp_path: Path) -> None:
    Store(tmp_path / "run.db").close()
    seconds = []
    for _ in range(2):
        book = Asked(tmp_path / "run.db")
        with Runner() as own:
            own.belong_to(book, lambda _: None)
            hangs = reward(own, "hangs", deadline_seconds=0.5)
            asked(own, hangs, "a")
            began = time.monotonic()
            assert asked(own, hangs, "bad") == ["deadline"]
            seconds.append(time.monotonic() - began)
        book.close()
    assert seconds[0] >= 1.0 > seconds[1]


def test_an_exception_is_the_end_of_a_first_step_and_a_failure_of_one_answer_later(
    runner: Runner,
) -> None:
    own = reward(runner, "raises")
    assert asked(runner, own) == [1.0, 1.0, "raised", 1.0, 1.0]
    with pytest.raises(RewardError, match=r"raised ValueError: a bad one \(mine.py, line") as error:
        asked(runner, own, strict=True)
    trace = str(error.value.__cause__)
    assert "mine.py" in trace
    assert "isolation/worker.py" not in trace


def test_a_value_outside_of_the_declared_range_is_no_reward(runner: Runner) -> None:
    assert asked(runner, reward(runner, "bounded")) == [0.5, 0.5, "invalid", 0.5, 0.5]


def test_a_journal_s_answers_are_kept_by_the_trainer(tmp_path: Path) -> None:
    Store(tmp_path / "run.db").close()
    book = Asked(tmp_path / "run.db")
    with Runner() as own:
        own.belong_to(book, lambda _: None)
        assert asked(own, reward(own, "asks"), "a") == [7.0]
    assert book.recall("asked") == "7"
    book.keep("asked", "8")
    assert book.recall("asked") == "7"
    book.close()


def test_a_group_reward_sees_one_group_at_a_time(runner: Runner) -> None:
    groups = [group(PROBLEM, "b", "a"), group(replace(PROBLEM, id="q"), "z")]
    scored = score_groups(groups, [reward(runner, "ranks")], runner)
    assert [g.rewards for g in scored] == [(0.5, 0.0), (0.0,)]


@pytest.mark.parametrize(("at_once", "beside"), [(0, 1.0), (2, 2.0), (5, 5.0)])
def test_an_async_function_runs_as_often_at_once_as_is_asked(
    runner: Runner, tmp_path: Path, at_once: int, beside: float
) -> None:
    (tmp_path / "own.py").write_text((HERE / "mine.py").read_text())
    specs = {"own.py:waits": Reward(at_once=at_once)}
    (own,) = runner.house(load_rewards(specs, task_rewards={}, base=tmp_path))
    assert max(asked(runner, own)) == beside


def test_steps_may_end_at_tokens(runner: Runner) -> None:
    (scored,) = score_groups(
        [group(PROBLEM, "abc")], [reward(runner, "by_token", weight=2.0)], runner
    )
    assert scored.scores[0].token_steps == ((1, 2.0), (4, 0.0))
    assert scored.scores[0].steps == ()


def test_a_worker_that_died_gets_the_last_memory_back(runner: Runner) -> None:
    own = reward(runner, "counts")
    assert asked(runner, own, "a", "b") == [1.0, 2.0]
    assert asked(runner, own, "bad", "c") == ["crashed", 3.0]
    assert own.remembered() == {"seen": 3}
    own.remember({"seen": 10})
    assert asked(runner, own, "d") == [11.0]


def test_values_that_json_does_not_know_arrive_as_they_are(runner: Runner) -> None:
    assert asked(runner, reward(runner, "knows_tuples"), "a", "b") == [1.0, 1.0]


def test_no_process_outlives_the_runner(tmp_path: Path) -> None:
    (tmp_path / "leaves.py").write_text(
        "import os, time\n"
        "def f(completions, **_):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        os.fork()\n"
        "        time.sleep(60)\n"
        "    return [1.0 for _ in completions]\n"
    )
    before = set(tree.below(os.getpid()))
    with Runner() as own:
        (f,) = own.house(load_rewards({"leaves.py:f": Reward()}, task_rewards={}, base=tmp_path))
        assert asked(own, f, "a") == [1.0]
        assert len(set(tree.below(os.getpid())) - before) >= 3
    assert set(tree.below(os.getpid())) <= before


def test_a_value_that_no_worker_can_be_sent_is_named(runner: Runner) -> None:
    odd = replace(PROBLEM, columns={"pair": object()})
    with pytest.raises(RewardError, match="pair holds a value of type object"):
        score_groups([group(odd, "a")], [reward(runner, "knows_tuples")], runner)
