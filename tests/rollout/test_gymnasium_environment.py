"""Environments with Gymnasium's interface as episodes."""

import importlib.util
import random
from typing import Any

import pytest

from cohort.data.records import Problem
from cohort.errors import MissingExtraError, RecipeError
from cohort.rollout.calls import spoken
from cohort.rollout.gymnasium_environment import GymnasiumEnvironment

CHAT = Problem("p", ({"role": "user", "content": "Walk to 3. You are at "},))
STEPS = {"left": -1, "right": 1}


class Line:
    """A walk on a line, with Gymnasium's interface."""

    def __init__(self) -> None:
        self.place, self.closed, self.moves = 0, False, 0

    def reset(self, *, seed: int | None = None) -> tuple[int, dict[str, Any]]:
        self.place, self.moves = random.Random(seed).randrange(3), 0
        return self.place, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        self.place += action
        self.moves += 1
        there = self.place == 3
        return self.place, float(there), there, self.moves == 5, {}

    def close(self) -> None:
        self.closed = True


def test_a_policy_walks_by_words() -> None:
    play = GymnasiumEnvironment(Line, STEPS)
    start = int(str(play.reset(CHAT, 1)[0]["content"]).rpartition(" ")[2])  # type: ignore[index]
    seen = None
    for number in range(3 - start):
        seen = play.step(spoken("I think left is wrong: Right.", number))
    assert seen is not None
    assert (seen.seen, seen.reward, seen.over) == (({"role": "user", "content": "3"},), 1.0, True)
    assert seen.facts == {"steps": 3 - start, "mistakes": 0, "cut": False}


def test_members_of_a_group_start_from_the_same_state() -> None:
    plays = [GymnasiumEnvironment(Line, STEPS) for _ in range(3)]
    prompts = [play.reset(CHAT, seed) for play, seed in zip(plays, (1, 1, 2), strict=True)]
    assert prompts[0] == prompts[1]
    hashes = [play.state_hash() for play in plays]
    assert hashes[0] == hashes[1]
    assert (hashes[0] == hashes[2]) == (prompts[0] == prompts[2])


def test_a_turn_without_an_action_moves_nothing_and_is_told() -> None:
    play = GymnasiumEnvironment(Line, STEPS, mistake_reward=-0.5)
    play.reset(Problem("p", "You are at "), 1)
    seen = play.step(spoken("Upright and bright!", 0))
    assert seen.seen == "\nThere is no action in this. Actions are: left, right.\n"
    assert (seen.reward, seen.over, seen.facts) == (-0.5, False, {"steps": 0, "mistakes": 1})


def test_a_play_that_is_cut_off_is_over() -> None:
    play = GymnasiumEnvironment(Line, STEPS)
    play.reset(CHAT, 1)
    turns = [play.step(spoken("left", number)) for number in range(5)]
    assert [turn.over for turn in turns] == [False] * 4 + [True]
    assert turns[-1].facts["cut"]
    play.close()


def test_an_observation_is_text_by_describe_or_as_numbers() -> None:
    play = GymnasiumEnvironment(Line, STEPS, describe=lambda place: f"place {place}")
    assert str(play.reset(Problem("p", ""), 1)).startswith("place ")
    odd = GymnasiumEnvironment(Line, STEPS, describe=lambda place: "<|im_end|>")
    assert odd.reset(Problem("p", ""), 1) == "< |im_end|>"


class Odd(Line):
    def reset(self, *, seed: int | None = None) -> tuple[Any, dict[str, Any]]:
        return object(), {}


def test_what_cannot_be_an_observation_is_refused_with_the_remedy() -> None:
    with pytest.raises(RecipeError, match="give describe"):
        GymnasiumEnvironment(Odd, STEPS).reset(CHAT, 1)
    with pytest.raises(RecipeError, match="there is no action"):
        GymnasiumEnvironment(Line, {})


@pytest.mark.skipif(bool(importlib.util.find_spec("gymnasium")), reason="gymnasium is installed")
def test_an_id_needs_the_package_and_says_so() -> None:
    with pytest.raises(MissingExtraError, match="gymnasium"):
        GymnasiumEnvironment("CartPole-v1", {"left": 0, "right": 1})


def test_gymnasium_itself_is_played_where_it_is_installed() -> None:
    pytest.importorskip("gymnasium")
    play = GymnasiumEnvironment("CartPole-v1", {"left": 0, "right": 1})
    play.reset(Problem("p", ""), 1)
    assert play.step(spoken("left", 0)).reward == 1.0
