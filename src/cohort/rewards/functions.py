"""The reward functions of a stage: found by name and checked before anything is sampled.

A name is a reward of the task, else a built-in rule, else `file.py:function`. The function's own
signature says what it is given: `completions`, `prompts` and `completion_ids`; arguments of the
recipe; and for every other name the problems' column of that name. Nothing is called here.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cohort.config.lookup import nearest
from cohort.config.stages import Reward
from cohort.data.imported import cause_of, import_function, is_function
from cohort.errors import RewardError, legible
from cohort.rewards.built_in import BUILT_IN

GIVEN = ("completions", "prompts", "completion_ids")
"""What every reward function can ask for; no column and no argument may have these names."""

PLAIN_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "bool": (bool,),
}
"""Annotations of a reward's arguments that a recipe's values are held to."""


@dataclass(frozen=True, slots=True)
class RewardFunction:
    """A reward as a stage uses it: its name in tables, its weight, and how it is called."""

    name: str
    weight: float
    function: Callable[..., object]
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """What the function can be given by name."""
        by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        parameters = inspect.signature(self.function).parameters
        return {name: p for name, p in parameters.items() if p.kind in by_name}

    @property
    def takes_everything(self) -> bool:
        """Whether the function has `**kwargs`."""
        parameters = inspect.signature(self.function).parameters.values()
        return any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)

    @property
    def remembers(self) -> bool:
        """Whether the reward has a memory that a checkpoint keeps: `state_dict`, `load_state_dict`.

        A torch module has methods of these names; its weights do not change by scoring.
        """
        function = self.function
        if hasattr(function, "register_forward_hook"):
            return False
        return hasattr(function, "state_dict") and hasattr(function, "load_state_dict")

    def remembered(self) -> object:
        """What the function says of its memory, as JSON. Raises RewardError."""
        said = self._asked("state_dict")
        try:
            return json.loads(json.dumps(said, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise RewardError(
                f'state_dict of reward "{self.name}" returned what is not JSON: {error}',
                "return a dict of finite numbers, texts, lists and dicts",
            ) from error

    def remember(self, memory: object) -> None:
        """Give the function its memory back. Raises RewardError."""
        self._asked("load_state_dict", memory)

    def _asked(self, method: str, *given: object) -> object:
        try:
            return getattr(self.function, method)(*given)
        except (Exception, SystemExit) as error:
            raise RewardError(
                f'{method} of reward "{self.name}" raised {cause_of(error, "")}',
                "add -v to see the traceback",
            ) from error

    @property
    def requires(self) -> tuple[str, ...]:
        """The columns without which the function cannot be called."""
        return tuple(
            name
            for name, parameter in self.parameters.items()
            if parameter.default is inspect.Parameter.empty
            and name not in GIVEN
            and name not in self.arguments
        )


def load_rewards(
    specs: Mapping[str, Reward],
    *,
    task_rewards: Mapping[str, Callable[..., object]],
    base: Path,
) -> list[RewardFunction]:
    """The reward functions that a stage names, in its order; files are looked for in `base`.

    Raises RewardError for a name that is nobody's, for an argument the function does not have, and
    where two functions would have the same name.
    """
    rewards: list[RewardFunction] = []
    for name, spec in specs.items():
        shown, function = _find(name, task_rewards, base)
        if shown in [reward.name for reward in rewards]:
            raise RewardError(
                f'two rewards are called "{shown}"; the second is "{name}"',
                "rename one of the functions: reports tell rewards apart by name",
            )
        reward = RewardFunction(shown, spec.weight, function, spec.arguments)
        _check_signature(reward)
        rewards.append(reward)
    return rewards


def _find(
    name: str, task_rewards: Mapping[str, Callable[..., object]], base: Path
) -> tuple[str, Callable[..., object]]:
    if name in task_rewards:
        return name, task_rewards[name]
    if name in BUILT_IN:
        return name, BUILT_IN[name]
    if is_function(name):
        return import_function(name, base, RewardError)
    known = [*task_rewards, *BUILT_IN]
    near = nearest(name, known)
    there = ", ".join(dict.fromkeys(known))
    raise RewardError(
        f'there is no reward "{legible(name)}"; there are {there}, and "file.py:function"',
        f'did you mean "{near}"?' if near else "name one of these, or a function in a Python file",
    )


def _check_signature(reward: RewardFunction) -> None:
    try:
        accepted = [name for name in reward.parameters if name not in GIVEN]
    except (TypeError, ValueError) as error:
        raise RewardError(
            f'reward "{reward.name}" has no signature that can be read: {error}',
            "wrap it in a function with keyword arguments",
        ) from error
    for argument, value in reward.arguments.items():
        if argument in accepted:
            _check_type(reward, argument, value)
            continue
        near = nearest(argument, accepted)
        names = ", ".join(accepted) or "none"
        raise RewardError(
            f'reward "{reward.name}" has no argument "{legible(argument)}"; it has {names}',
            f'did you mean "{near}"?' if near else "arguments must be named in its signature",
        )
    _check_positional(reward)


def _check_type(reward: RewardFunction, argument: str, value: object) -> None:
    """Where the signature says `int`, `float`, `str` or `bool`, the recipe gives one."""
    annotation = reward.parameters[argument].annotation
    name = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    types = PLAIN_TYPES.get(name, (object,))
    if not isinstance(value, types) or (isinstance(value, bool) and name in ("int", "float")):
        raise RewardError(
            f'reward "{reward.name}": {argument} is {legible(repr(value))}',
            f"its signature says {argument}: {name}",
        )


def _check_positional(reward: RewardFunction) -> None:
    only = inspect.Parameter.POSITIONAL_ONLY
    parameters = inspect.signature(reward.function).parameters
    unnamed = [name for name, p in parameters.items() if p.kind is only]
    if unnamed:
        raise RewardError(
            f'reward "{reward.name}" takes "{unnamed[0]}" by position only',
            "rewards are called with keyword arguments: remove the / from its signature",
        )
