"""Reward functions are found, named and checked before anything is sampled."""

from __future__ import annotations

from pathlib import Path

import pytest

from cohort.config.stages import Reward
from cohort.errors import RewardError
from cohort.rewards.functions import load_rewards
from cohort.rewards.rules import correct

MINE = """
import math

def brevity(*, completions, most=10, **kwargs):
    return [float(len(c) <= most) for c in completions]

def by_position(completions, /):
    return [0.0 for _ in completions]

constant = 3
"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "theirs.py").write_text(
        "def brevity(completions): return [1.0 for _ in completions]"
    )
    (tmp_path / "broken.py").write_text("x = 1\ndef f(:\n")
    (tmp_path / "raises.py").write_text("import math\nmath.sqrt(-1)\n")
    return tmp_path


def refusal(base: Path, name: str, **arguments: object) -> str:
    with pytest.raises(RewardError) as caught:
        load_rewards({name: Reward.model_validate(arguments)}, task_rewards={}, base=base)
    assert len(str(caught.value).splitlines()) <= 6
    return str(caught.value)


def test_a_task_s_own_reward_comes_before_the_built_in_one(base: Path) -> None:
    def own(*, completions: list[str], **_: object) -> list[float]:
        return [0.5 for _ in completions]

    specs = {"correct": Reward(weight=2.0), "format": Reward()}
    rewards = load_rewards(specs, task_rewards={"correct": own}, base=base)
    assert [(r.name, r.weight) for r in rewards] == [("correct", 2.0), ("format", 1.0)]
    assert rewards[0].function is own
    assert load_rewards(specs, task_rewards={}, base=base)[0].function is correct


def test_a_function_of_a_file_goes_by_its_own_name_and_takes_arguments(base: Path) -> None:
    specs = {"mine.py:brevity": Reward.model_validate({"weight": 0.1, "most": 2})}
    (reward,) = load_rewards(specs, task_rewards={}, base=base)
    assert (reward.name, reward.weight, reward.arguments) == ("brevity", 0.1, {"most": 2})
    assert reward.function(completions=["ab", "abc"], most=2) == [1.0, 0.0]


def test_two_functions_of_one_file_share_it(base: Path) -> None:
    (base / "twins.py").write_text(
        "seen = []\n"
        "def one(completions): seen.append(1); return [0.0]\n"
        "def two(completions): return [float(len(seen))]\n"
    )
    names = ("twins.py:one", "twins.py:two")
    one, two = load_rewards({n: Reward() for n in names}, task_rewards={}, base=base)
    one.function(completions=["a"])
    assert two.function(completions=["a"]) == [1.0]


def test_required_columns_are_the_parameters_without_a_default(base: Path) -> None:
    (base / "needs.py").write_text(
        "def f(prompts, completions, answer, level, limit=3, **rest): return []\n"
    )
    specs = {"needs.py:f": Reward.model_validate({"level": 2})}
    (reward,) = load_rewards(specs, task_rewards={}, base=base)
    assert reward.requires == ("answer",)


def test_two_rewards_of_one_name_are_refused(base: Path) -> None:
    specs = {"mine.py:brevity": Reward(), "theirs.py:brevity": Reward()}
    with pytest.raises(RewardError, match='two rewards are called "brevity"'):
        load_rewards(specs, task_rewards={}, base=base)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("corect", 'did you mean "correct"?'),
        ("zzz", "there are correct, math, "),
        ("mine.py:brevty", 'did you mean "brevity"?'),
        ("mine.py:constant", '"constant" is not a function in mine.py'),
        ("mime.py:brevity", 'did you mean "mine.py"?'),
        ("mine.py:by_position", "remove the / from its signature"),
        ("broken.py:f", "(broken.py, line 2)"),
        ("raises.py:f", "ValueError: math domain error (raises.py, line 2)"),
    ],
)
def test_what_is_nobody_s_is_refused_with_a_remedy(base: Path, name: str, says: str) -> None:
    assert says in refusal(base, name)


def test_an_argument_that_the_function_does_not_have_is_refused(base: Path) -> None:
    assert 'did you mean "words"?' in refusal(base, "length", word=3)
    assert 'has no argument "zzz"; it has most' in refusal(base, "mine.py:brevity", zzz=3)
    assert 'has no argument "completions"' in refusal(base, "length", completions=3)
