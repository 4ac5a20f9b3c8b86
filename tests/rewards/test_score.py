"""Scores: each function is called once, what it returns is checked, and no failure becomes a 0."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cohort.config.stages import Reward
from cohort.data.records import Group, Problem, Rollout
from cohort.errors import RewardError
from cohort.rewards.functions import RewardFunction, load_rewards
from cohort.rewards.score import check_columns, score_groups

CHAT = Problem("chat", ({"role": "user", "content": "hi"},), {"answer": "x", "level": 1})
TEXT = Problem("text", "2+2=", {"answer": "4"})


def group(problem: Problem, *texts: str) -> Group:
    rollouts = tuple(
        Rollout(
            tokens=np.arange(len(text) + 1, dtype=np.int32),
            logprobs=np.zeros(len(text) + 1, dtype=np.float32),
            stop="end",
            text=text,
        )
        for text in texts
    )
    return Group(problem, np.array([1], dtype=np.int32), rollouts)


GROUPS = [group(TEXT, "4", "55"), group(CHAT, "x", "yyy", "")]


def reward(
    function: Callable[..., object], weight: float = 1.0, **arguments: Any
) -> RewardFunction:
    return RewardFunction(function.__name__, weight, function, arguments)


def returning(value: Any) -> RewardFunction:
    def says(*, completions: list[object]) -> Any:
        return value

    return reward(says)


def refusal(*rewards: RewardFunction) -> str:
    with pytest.raises(RewardError) as caught:
        score_groups(GROUPS, rewards)
    assert len(str(caught.value).splitlines()) <= 6
    return str(caught.value)


def test_a_function_is_called_once_with_everything_aligned() -> None:
    calls: list[dict[str, Any]] = []

    def watch(**given: Any) -> list[float]:
        calls.append(given)
        return [float(i) for i in range(5)]

    scored = score_groups(GROUPS, [reward(watch, bonus=7)])
    (given,) = calls
    hi = [{"role": "user", "content": "hi"}]
    assert given == {
        "prompts": ["2+2=", "2+2=", hi, hi, hi],
        "completions": [
            "4",
            "55",
            *([{"role": "assistant", "content": t}] for t in ("x", "yyy", "")),
        ],
        "completion_ids": [[0, 1], [0, 1, 2], [0, 1], [0, 1, 2, 3], [0]],
        "answer": ["4", "4", "x", "x", "x"],
        "level": [None, None, 1, 1, 1],
        "bonus": 7,
    }
    assert [g.rewards for g in scored] == [(0.0, 1.0), (2.0, 3.0, 4.0)]


def test_only_what_the_signature_names_is_passed() -> None:
    def narrow(completions: list[object], level: list[object], limit: int = 2) -> list[float]:
        return [0.0 if one is None else float(limit) for one in level]

    scored = score_groups(GROUPS, [reward(narrow, limit=9)])
    assert [g.rewards for g in scored] == [(0.0, 0.0), (9.0, 9.0, 9.0)]


def test_the_total_is_the_weighted_sum_of_what_was_said() -> None:
    def first(**_: Any) -> list[float | None]:
        return [1.0, None, None, 2.0, 0.0]

    def second(**_: Any) -> list[float | None]:
        return [3.0, 4.0, None, None, 0.0]

    scored = score_groups(GROUPS, [reward(first, 0.5), reward(second, -1.0)])
    assert [g.rewards for g in scored] == [(-2.5, -4.0), (None, 1.0, 0.0)]
    assert scored[0].scores[1].parts == {"first": None, "second": 4.0}
    assert scored[0].problem is TEXT
    assert GROUPS[0].scores == ()


@pytest.mark.parametrize(
    "values",
    [
        (True, 0, 1.5, None, Fraction(1, 2)),
        np.array([1.0, 0.0, 1.5, 2.0, 0.5], dtype=np.float32),
        [np.float64(1), np.int64(0), np.bool_(True), np.float16(2), 3],
    ],
)
def test_any_finite_numbers_are_rewards(values: Any) -> None:
    scored = score_groups(GROUPS, [returning(values)])
    said = [value for g in scored for value in g.rewards]
    assert said == [None if v is None else float(v) for v in values]
    assert all(value is None or type(value) is float for value in said)


def test_coroutines_run_to_their_end_also_inside_a_running_loop() -> None:
    async def slowly(*, completions: list[object]) -> list[float]:
        await asyncio.sleep(0)
        return [1.0 for _ in completions]

    async def notebook() -> list[Group]:
        return score_groups(GROUPS, [reward(slowly)])

    assert score_groups(GROUPS, [reward(slowly)])[0].rewards == (1.0, 1.0)
    assert asyncio.run(notebook())[1].rewards == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        ([1.0, 2.0], "returned 2 values for 5 completions"),
        ([], "returned 0 values for 5 completions"),
        (1.0, "returned 1.0, not a list"),
        (None, "returned None (NoneType), not a list"),
        ("12345", "returned '12345', not a list"),
        ({1: 1, 2: 2, 3: 3, 4: 4, 5: 5}, "not a list"),
        ([0, 0, 0, "1.0", 0], "returned '1.0' for rollout 1 of problem \"chat\""),
        ([0, float("nan"), 0, 0, 0], 'returned nan for rollout 1 of problem "text"'),
        ([0, 0, float("-inf"), 0, 0], 'returned -inf for rollout 0 of problem "chat"'),
        ([0, 0, 0, 0, [1]], "returned [1] (list) for rollout 2 of problem"),
        ([10**400, 0, 0, 0, 0], 'for rollout 0 of problem "text"'),
    ],
)
def test_what_is_not_a_reward_is_refused_by_name_and_place(returned: Any, says: str) -> None:
    message = refusal(returning(returned))
    assert 'reward "says"' in message
    assert says in message


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (
            "return [1 / 0 for _ in completions]",
            "ZeroDivisionError: division by zero (mine.py, line 3)",
        ),
        ("raise SystemExit(3)", "SystemExit: 3 (mine.py, line 3)"),
        ("return math.sqrt('a')", "(mine.py, line 3)"),
        ("return undefined", "NameError: name 'undefined' is not defined (mine.py, line 3)"),
    ],
)
def test_a_function_that_raises_is_named_with_its_line(
    tmp_path: Path, body: str, says: str
) -> None:
    (tmp_path / "mine.py").write_text(f"import math\ndef f(completions, **_):\n    {body}\n")
    rewards = load_rewards({"mine.py:f": Reward()}, task_rewards={}, base=tmp_path)
    with pytest.raises(RewardError) as caught:
        score_groups(GROUPS, rewards)
    assert 'reward "f" raised' in str(caught.value)
    assert says in str(caught.value)
    assert caught.value.__cause__ is not None


def test_an_interruption_is_not_taken_for_a_mistake_of_the_function() -> None:
    def interrupted(**_: Any) -> list[float]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_groups(GROUPS, [reward(interrupted)])


def test_a_missing_column_is_refused_before_anything_is_called() -> None:
    def needs(completions: list[object], solution: list[object]) -> list[float]:
        raise AssertionError("called")

    with pytest.raises(RewardError, match='needs the column "solution"; the problems have answer'):
        check_columns([reward(needs)], [TEXT])
    assert 'needs the column "solution"' in refusal(reward(needs))


def test_groups_without_rollouts_are_left_as_they_are() -> None:
    empty = [group(TEXT)]
    assert score_groups(empty, [returning("never asked")]) == empty
    assert score_groups([], []) == []


def steps_of(value: Any) -> tuple[tuple[int, float], ...]:
    made = score_groups([group(TEXT, "1 2 3")], [returning([value])])
    return made[0].scores[0].steps


def test_steps_of_an_answer_have_rewards_of_their_own() -> None:
    def by_step(*, completions: list[str]) -> list[list[tuple[int, float]]]:
        return [[(3, 0.5), (1, 1.0)] if text == "4" else [] for text in completions]

    def outcome(*, completions: list[str]) -> list[float]:
        return [float(len(text)) for text in completions]

    made = score_groups([GROUPS[0]], [reward(by_step, 2.0), reward(outcome, 0.1)])[0]
    first, second = made.scores
    assert first.steps == ((1, 2.0), (3, 1.0))
    assert (first.parts["by_step"], first.whole) == (0.75, 0.1)
    assert first.total == pytest.approx(2.0 * 0.75 + 0.1)
    assert (second.steps, second.parts["by_step"]) == ((), None)
    assert second.total == pytest.approx(0.2)


def test_an_answer_that_its_template_began_is_shown_whole_and_its_steps_counted_without() -> None:
    def judge(*, completions: list[list[dict[str, str]]]) -> Any:
        texts = [completion[0]["content"] for completion in completions]
        assert texts == ["<think>\nso</think>2", "<think>\n"]
        return [[(8 + 2, 0.5), (len(text), 1.0)] if "so" in text else [] for text in texts]

    begun = replace(group(CHAT, "so</think>2", ""), begun="<think>\n")
    (scored,) = score_groups([begun], [reward(judge)])
    assert [score.steps for score in scored.scores] == [((2, 0.5), (11, 1.0)), ()]


def test_a_step_that_cannot_be_judged_has_no_reward() -> None:
    assert steps_of([(1, None), (3, 0.0)]) == ((3, 0.0),)


def test_a_measure_makes_no_reward_where_the_rewards_say_nothing() -> None:
    measure = returning([7.0, 7.0])
    measure = RewardFunction("measure", 0.0, measure.function)
    (silent,) = score_groups(GROUPS[:1], [returning([None, 2.0]), measure])
    assert silent.rewards == (None, 2.0)
    (alone,) = score_groups(GROUPS[:1], [measure])
    assert alone.rewards == (0.0, 0.0)


def test_a_reward_of_weight_0_is_no_reward_of_steps_either() -> None:
    def watched(*, completions: list[str]) -> list[list[tuple[int, float]]]:
        return [[(1, 1.0)] for _ in completions]

    for score in score_groups([GROUPS[0]], [reward(watched, 0.0)])[0].scores:
        assert (score.steps, score.parts["watched"]) == ((), 1.0)


def test_a_reward_of_weight_0_is_no_reward_of_the_whole_answer() -> None:
    def watched(*, completions: list[str]) -> list[float]:
        return [1.0 for _ in completions]

    assert score_groups([GROUPS[0]], [reward(watched, 0.0)])[0].scores[0].whole is None


@pytest.mark.parametrize("step", [3, (1,), ("a", 1.0), (-1, 1.0), (True, 1.0), (1, float("nan"))])
def test_what_is_no_step_is_refused(step: Any) -> None:
    with pytest.raises(RewardError, match="says"):
        steps_of([step])
