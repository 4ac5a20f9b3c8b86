"""An environment of Gymnasium as an episode: what it observes becomes text, what the policy says an action.

For text and discrete environments: an observation that is a text is shown as it is, anything else by
`describe`; an action is one of a few words, each of which stands for a value that the environment
takes. A turn without such a word does nothing in the environment and is told which words there are.
Gymnasium itself is only needed where an environment is named by its id.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from cohort.data.records import Problem
from cohort.errors import MissingExtraError, RecipeError, legible, listed
from cohort.rollout.environments import VERSION, Observed, Prompt, Spoken
from cohort.rollout.messages import with_text
from cohort.rollout.told import told

MOST_CHARACTERS = 8000
"""Of one observation that are shown."""


class Playable(Protocol):
    """What of Gymnasium's interface is used."""

    def reset(self, *, seed: int | None = None) -> tuple[Any, dict[str, Any]]:
        """The first observation, and what else is known."""
        ...

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Observation, reward, whether it ended, whether it was cut off, and what else is known."""
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...


class GymnasiumEnvironment:
    """One play. The reward of a turn is the environment's of that step.

    make: makes the environment, or its id in Gymnasium. actions: the words of the policy, and what each
    stands for. describe: an observation as text. mistake_reward: of a turn without an action; None
    for none. The seed of the group makes all of its members start from the same state.
    """

    protocol = VERSION

    def __init__(
        self,
        make: Callable[[], Playable] | str,
        actions: Mapping[str, object],
        *,
        describe: Callable[[Any], str] | None = None,
        mistake_reward: float | None = None,
    ) -> None:
        if not actions:
            raise RecipeError("there is no action", "name at least one word and its value")
        self._actions = {word.casefold(): value for word, value in actions.items()}
        self._words = re.compile(
            "|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in _longest_first(self._actions))
        )
        self._describe = describe or _described
        self._mistake_reward = mistake_reward
        self._play = _made(make) if isinstance(make, str) else make()
        self._is_chat = False
        self._counts = {"steps": 0, "mistakes": 0}
        self._state = ""

    def reset(self, problem: Problem, seed: int) -> Prompt:
        """The problem's prompt, and after it the first observation."""
        observation, _ = self._play.reset(seed=seed)
        text = self._describe(observation)
        self._state = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()
        self._is_chat = not isinstance(problem.prompt, str)
        if isinstance(problem.prompt, str):
            return f"{problem.prompt}{told(text, MOST_CHARACTERS)}"
        return with_text(problem.prompt, told(text, MOST_CHARACTERS))

    def state_hash(self) -> str:
        """Of what was observed first; Gymnasium's interface shows no more of a state."""
        return self._state

    def step(self, spoken: Spoken) -> Observed:
        """What comes of the last action that a turn names."""
        named = self._words.findall((spoken.content or spoken.text).casefold())
        if not named:
            self._counts["mistakes"] += 1
            words = f"There is no action in this. Actions are: {listed(self._actions)}."
            return Observed(self._seen(words), self._mistake_reward, facts=dict(self._counts))
        observation, reward, ended, cut, _ = self._play.step(self._actions[named[-1]])
        self._counts["steps"] += 1
        facts: dict[str, object] = {**self._counts, "cut": bool(cut)}
        seen = self._seen(told(self._describe(observation), MOST_CHARACTERS))
        return Observed(seen, float(reward), bool(ended or cut), facts)

    def close(self) -> None:
        """Close the environment."""
        self._play.close()

    def _seen(self, text: str) -> Prompt:
        return ({"role": "user", "content": text},) if self._is_chat else f"\n{text}\n"


def _longest_first(words: Mapping[str, object]) -> list[str]:
    return sorted(words, key=lambda word: (-len(word), word))


def _described(observation: Any) -> str:
    """A text as it is; numbers and arrays as JSON."""
    if isinstance(observation, str):
        return observation
    plain = observation.tolist() if hasattr(observation, "tolist") else observation
    try:
        return json.dumps(plain, default=lambda part: part.tolist())
    except (TypeError, ValueError, AttributeError):
        raise RecipeError(
            f"an observation is {legible(type(observation).__name__)}, which is neither text nor numbers",
            "give describe, a function from an observation to a text",
        ) from None


def _made(name: str) -> Playable:
    try:
        import gymnasium
    except ImportError as error:
        raise MissingExtraError(
            f"the environment {legible(name)} needs the package gymnasium, which is not installed",
            "pip install 'cohort-rl[gymnasium]'",
        ) from error
    play: Playable = gymnasium.make(name)
    return play
