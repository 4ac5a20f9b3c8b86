"""Environments that were written for TRL, unchanged."""

from typing import Any

import pytest

from cohort.data.records import Problem
from cohort.errors import RecipeError
from cohort.rollout.calls import spoken
from cohort.rollout.trl_environment import from_trl

CHAT = Problem(
    "p", ({"role": "system", "content": "s"}, {"role": "user", "content": "Guess."}), {"goal": 7}
)


class Guess:
    """A game, with nothing of Cohort in it."""

    def reset(self, goal: int, **kwargs: Any) -> str | None:
        self.goal, self.tries = goal, 0
        return " From 1 to 9."

    def guess(self, number: int) -> str:
        """Guess the number.

        Args:
            number: the guess
        """
        self.tries += 1
        return "right" if number == self.goal else "wrong"

    def get_reward(self) -> float:
        return 1.0 / self.tries if self.tries else 0.0


def called(number: int) -> str:
    return f'<tool_call>{{"name": "guess", "arguments": {{"number": {number}}}}}</tool_call>'


def test_an_environment_of_trl_plays_an_episode() -> None:
    environment: Any = from_trl(Guess)()
    assert [tool.name for tool in environment.tools] == ["guess"]
    prompt = environment.reset(CHAT, 1)
    assert prompt[1] == {"role": "user", "content": "Guess. From 1 to 9."}
    assert environment.step(spoken(called(3), 0, "hermes")).seen[0]["content"] == "wrong"
    right = environment.step(spoken(called(7), 1, "hermes"))
    assert (right.seen[0]["content"], right.reward, right.over) == ("right", None, False)
    end = environment.step(spoken("It was 7.", 2, "hermes"))
    assert (end.reward, end.over, end.facts["calls"]) == (0.5, True, 2)


def test_each_episode_has_an_object_of_its_own() -> None:
    factory = from_trl(Guess)
    one, other = factory(), factory()
    assert one._own is not other._own  # type: ignore[attr-defined]


def test_the_text_of_reset_follows_a_text_prompt_too() -> None:
    environment: Any = from_trl(Guess)()
    assert environment.reset(Problem("p", "Guess.", {"goal": 1}), 1) == "Guess. From 1 to 9."


class Blocks(Guess):
    def reset(self, **kwargs: Any) -> Any:
        return [{"type": "text", "text": " a"}, {"type": "text", "text": "b"}]


class Silent(Guess):
    async def reset(self, goal: int, seed: int) -> None:  # type: ignore[override]
        self.goal, self.seed, self.tries = goal, seed, 0

    async def get_reward(self) -> float:  # type: ignore[override]
        return self.seed


def test_reset_may_say_blocks_or_nothing_and_be_async() -> None:
    blocks: Any = from_trl(Blocks)()
    assert blocks.reset(CHAT, 1)[1]["content"] == "Guess. ab"
    silent: Any = from_trl(Silent)()
    assert silent.reset(CHAT, 5) == CHAT.prompt
    assert silent.step(spoken("x", 0, "hermes")).reward == 5.0


class Broken(Guess):
    def get_reward(self) -> Any:
        return float("nan")


class Dying(Guess):
    def get_reward(self) -> Any:
        raise ConnectionError("gone")


@pytest.mark.parametrize(("kind", "error"), [(Broken, TypeError), (Dying, ConnectionError)])
def test_a_reward_that_cannot_be_said_is_a_failure(kind: type, error: type[Exception]) -> None:
    environment: Any = from_trl(kind)()
    environment.reset(CHAT, 1)
    with pytest.raises(error):
        environment.step(spoken("x", 0, "hermes"))


def double(x: int) -> int:
    """Double a number."""
    return 2 * x


def test_tools_alone_are_an_environment_as_well() -> None:
    environment: Any = from_trl(tools=[double], call_seconds=5.0)()
    environment.reset(CHAT, 1)
    call = '<tool_call>{"name": "double", "arguments": {"x": 4}}</tool_call>'
    assert environment.step(spoken(call, 0, "hermes")).seen[0]["content"] == "8"
    both: Any = from_trl(Guess, [double])()
    assert [tool.name for tool in both.tools] == ["guess", "double"]


def test_neither_tools_nor_environment_is_refused() -> None:
    with pytest.raises(RecipeError, match="neither"):
        from_trl()
    with pytest.raises(RecipeError, match="object has no reset"):
        from_trl(object)()
