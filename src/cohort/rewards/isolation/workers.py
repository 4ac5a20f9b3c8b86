"""The workers of a run: a process for each module that reward functions are from.

Functions of one module share a worker, as they share what it loads. A function that remembers has its
memory in the worker; the trainer keeps a copy after each call, and a worker that takes another's
place is given it.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

from cohort.errors import RewardError, legible
from cohort.rewards.asked import Journal
from cohort.rewards.functions import Memory, RewardFunction
from cohort.rewards.isolation.asking import Keywords
from cohort.rewards.isolation.frames import carried
from cohort.rewards.isolation.process import Bounds, Home, Process
from cohort.rewards.isolation.returned import Plain
from cohort.rewards.outcome import Failed

MB = 1 << 20


class Workers:
    """Calls functions in workers; one caller thread at a time for each home."""

    def __init__(self, journal: Callable[[], Journal]) -> None:
        self._journal = journal
        self._processes: dict[Home, Process] = {}
        self._memories: dict[tuple[Home, str], Memory] = {}
        self._known: dict[tuple[Home, str], tuple[int, object]] = {}

    def house(self, reward: RewardFunction) -> RewardFunction:
        """The reward as it runs in a worker, which is begun to be started; itself where it cannot."""
        home = home_of(reward)
        if home is None:
            return reward
        if home not in self._processes:
            self._processes[home] = Process(home, self._journal)
            self._processes[home].start()
        if not reward.remembers:
            return reward
        key = (home, name_in(reward))
        memory = self._memories.setdefault(key, Memory(lambda: self._state(reward, home)))
        return replace(reward, memory=memory)

    def call(self, reward: RewardFunction, calls: Sequence[Keywords]) -> list[Plain] | Failed:
        """What each call returned or raised; see `asking.Caller`."""
        home = home_of(reward)
        assert home is not None, reward.name
        self._give_memory(reward, home)
        request = {
            "function": name_in(reward),
            "calls": [_carried(reward, keywords) for keywords in calls],
            "journal": "journal" in reward.parameters,
            "at_once": reward.options.at_once if reward.is_async else 0,
        }
        answer = self._processes[home].ask(request, bounds_of(reward))
        if isinstance(answer, Failed):
            return answer
        if "raised" in answer:
            return [answer for _ in calls]
        said = answer.get("said")
        if not isinstance(said, list) or len(said) != len(calls):
            return [None for _ in calls]
        if reward.memory is not None and any("raised" in one for one in said if isinstance(one, dict)):
            self._known.pop((home, name_in(reward)), None)  # it remembers half of a call
        elif reward.memory is not None:
            reward.memory.set(self._state(reward, home))
        return said

    def stop(self) -> None:
        """End all workers at once, also those that are asked just now."""
        for process in self._processes.values():
            process.stop()

    def close(self) -> None:
        """End all workers, which nobody asks any more."""
        for process in self._processes.values():
            process.close()

    def _give_memory(self, reward: RewardFunction, home: Home) -> None:
        """Where the worker does not have the memory that the trainer kept, give it."""
        if reward.memory is None:
            return
        process, key, state = self._processes[home], (home, name_in(reward)), reward.memory.get()
        if process.ready() is None and self._known.get(key) == (process.generation, state):
            return
        request = {"function": name_in(reward), "remember": state}
        _refuse("load_state_dict", reward, process.ask(request, bounds_of(reward)))
        self._known[key] = process.generation, state

    def _state(self, reward: RewardFunction, home: Home) -> object:
        """What the function says of its memory."""
        request = {"function": name_in(reward), "state": True}
        answer = self._processes[home].ask(request, bounds_of(reward))
        _refuse("state_dict", reward, answer)
        assert isinstance(answer, dict)
        state = answer.get("state")
        self._known[home, name_in(reward)] = self._processes[home].generation, state
        return state


def home_of(reward: RewardFunction) -> Home | None:
    """Where a worker finds the function; None where it runs in the training process."""
    if reward.options.where == "trainer" or getattr(reward.function, "in_process", False):
        return None
    if reward.file:
        return Home(reward.file, "")
    module = getattr(reward.function, "__module__", "")
    return Home("", module) if _is_importable(module, reward.function) else None


def name_in(reward: RewardFunction) -> str:
    """What the function is called in its module."""
    return reward.name if reward.file else str(reward.function.__qualname__)


def bounds_of(reward: RewardFunction) -> Bounds:
    """What a call of the function may take."""
    options = reward.options
    return Bounds(
        seconds=options.deadline_seconds,
        memory_bytes=options.memory_mb * MB,
        processes=options.processes,
        output_bytes=options.output_kb * 1000,
    )


def _is_importable(module: str, function: Callable[..., object]) -> bool:
    """Whether another interpreter finds this very function under its module's name."""
    name = getattr(function, "__qualname__", "")
    loaded = sys.modules.get(module)
    if loaded is None or module == "__main__" or not name or "<" in name:
        return False
    try:
        found = reduce(getattr, name.split("."), loaded)
        spec = importlib.util.find_spec(module)
    except (AttributeError, ImportError, ValueError):
        return False
    return found is function and spec is not None and spec.origin == getattr(loaded, "__file__", "")


def _carried(reward: RewardFunction, keywords: Keywords) -> dict[str, Any]:
    found = {}
    for name, value in keywords.items():
        try:
            found[name] = carried(value)
        except TypeError as error:
            raise RewardError(
                f'reward "{reward.name}": {legible(name)} holds {error}, which cannot be sent to a worker',
                'give texts, numbers, lists and tables, or run it here: where = "trainer"',
            ) from error
    return found


def _refuse(method: str, reward: RewardFunction, answer: dict[str, Any] | Failed) -> None:
    """Raise RewardError where a function could not say what it remembers, or be told."""
    if isinstance(answer, Failed):
        why = answer.reason
    elif "raised" in answer:
        why = f"raised {str(answer['raised'])[:400]}"
    else:
        return
    raise RewardError(
        f'{method} of reward "{reward.name}" {why}',
        "state_dict returns a dict of finite numbers, texts, lists and dicts",
    )
