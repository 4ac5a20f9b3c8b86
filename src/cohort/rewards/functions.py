"""The reward functions of a stage: found by name and checked before anything is sampled.

A name is a reward of the task, else a built-in rule, else `file.py:function`. The function's own
signature says what it is given: `completions`, `prompts`, `completion_ids` and `episodes`;
arguments of the recipe; and for every other name the problems' column of that name. Nothing is called here.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cohort.config.lookup import nearest
from cohort.config.references import stage_of
from cohort.config.stages import Reward
from cohort.data.imported import cause_of, import_function, is_function
from cohort.errors import RewardError, legible
from cohort.rewards.built_in import BUILT_IN
from cohort.rewards.stage_model import StageModel

GIVEN = ("completions", "prompts", "completion_ids", "episodes", "journal")
"""What every reward function can ask for; no column and no argument may have these names."""

HOW = {
    name: field.default
    for name, field in Reward.model_fields.items()
    if name not in ("weight", "only")
}
"""The options of every reward that say how it is run, and their defaults."""

WORKERS_ONLY = frozenset({"memory_mb", "processes", "output_kb"})

PLAIN_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "bool": (bool,),
}
"""Annotations of a reward's arguments that a recipe's values are held to."""


class Memory:
    """What a function in a worker remembers, as its trainer knows it; `ask` asks the worker."""

    def __init__(self, ask: Callable[[], object]) -> None:
        self._ask = ask
        self._kept: list[object] = []

    def get(self) -> object:
        """What was kept last; at first, what the function says."""
        if not self._kept:
            self.set(self._ask())
        return self._kept[0]

    def set(self, state: object) -> None:
        """Keep this instead."""
        self._kept = [state]


@dataclass(frozen=True, slots=True)
class RewardFunction:
    """A reward as a stage uses it: its name in tables, its weight, and how it is called.

    options: how it is run. file: the file that a worker imports it from, "" for a module by name.
    memory: that of a function that remembers and runs in a worker.
    """

    name: str
    weight: float
    function: Callable[..., object]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    options: Reward = field(default_factory=Reward)
    file: str = ""
    memory: Memory | None = None

    @property
    def per_group(self) -> bool:
        """Whether the function is called once for each group, with that group's lists."""
        return bool(getattr(self.function, "per_group", False))

    @property
    def is_async(self) -> bool:
        """Whether a call gives a coroutine."""
        plain = inspect.unwrap(self.function)
        own = type(plain).__call__ if callable(plain) else plain
        return inspect.iscoroutinefunction(plain) or inspect.iscoroutinefunction(own)

    @property
    def by_unit(self) -> bool:
        """Whether there is a call for each group, or for each answer, instead of one for all."""
        return self.per_group or (self.is_async and self.options.at_once > 0)

    @property
    def counts_tokens(self) -> bool:
        """Whether the steps that it rewards end at so many tokens, and not characters."""
        return getattr(self.function, "positions", "characters") == "tokens"

    @property
    def span(self) -> tuple[float, float] | None:
        """The least and the most that the function says that it gives; None where it says nothing."""
        said = getattr(self.function, "range", None)
        return None if said is None else (float(said[0]), float(said[1]))

    @property
    def version(self) -> str:
        """A text that changes with the code of the function's file."""
        try:
            file = Path(inspect.getsourcefile(inspect.unwrap(self.function)) or "")
            return hashlib.blake2b(file.read_bytes(), digest_size=8).hexdigest()
        except (OSError, TypeError):
            return ""

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
        if self.memory is not None:
            return self.memory.get()
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
        if self.memory is not None:
            self.memory.set(memory)
        else:
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
        file = str((base / name.rpartition(":")[0]).resolve()) if is_function(name) else ""
        reward = RewardFunction(shown, spec.weight, function, spec.arguments, spec, file)
        _check_signature(reward)
        check_options(reward)
        rewards.append(_with_shared(reward))
    return rewards


def _with_shared(reward: RewardFunction) -> RewardFunction:
    """The reward, its function given the options that it has parameters for."""
    parameters = reward.parameters
    known = {option: value for option, value in _told(reward).items() if option in parameters}
    return replace(reward, arguments=known | dict(reward.arguments))


def _told(reward: RewardFunction) -> dict[str, Any]:
    """The options of how it is run that differ from their defaults."""
    own = {option: getattr(reward.options, option) for option in HOW}
    return {option: value for option, value in own.items() if value != HOW[option]}


def check_options(reward: RewardFunction) -> None:
    """Raise RewardError for an option that would change nothing, and for a range that is none."""
    told = _told(reward).keys() - reward.parameters.keys()
    if reward.options.where == "trainer" and (useless := told & WORKERS_ONLY):
        raise RewardError(
            f'reward "{reward.name}": {min(useless)} is for functions in a worker, and where is "trainer"',
            "remove one of the two",
        )
    if "at_once" in told and not reward.is_async:
        raise RewardError(
            f'reward "{reward.name}": at_once is for async functions, and it is not one',
            "remove it, or write the function with async def",
        )
    try:
        span = reward.span
    except (TypeError, ValueError, IndexError, KeyError):
        span = (0.0, 0.0)
    if span is not None and not span[0] < span[1]:
        raise RewardError(
            f'reward "{reward.name}": its range is {reward.function.range!r:.60}',  # type: ignore[attr-defined]
            "give the least and the most, for example (0.0, 1.0)",
        )


def _find(
    name: str, task_rewards: Mapping[str, Callable[..., object]], base: Path
) -> tuple[str, Callable[..., object]]:
    if name in task_rewards:
        return name, task_rewards[name]
    if name in BUILT_IN:
        return name, BUILT_IN[name]
    if is_function(name):
        return import_function(name, base, RewardError)
    if stage := stage_of(name):
        return stage, StageModel(stage)
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
