"""Functions that run in the training process: closures, notebooks, those that ask for it.

Such a call cannot be killed. A watchdog says its name when the deadline passes, and after as long
again it ends the process with exit code 75: the run is then where its last checkpoint is, and goes
on from there. What a function leaves changed in the process is put back after the call: the states
of random generators, the folder, the environment, signal handlers, standard streams, thread count.
"""

from __future__ import annotations

import copy
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from cohort.errors import RewardsFailedError
from cohort.rewards.asked import Journal
from cohort.rewards.functions import RewardFunction
from cohort.rewards.isolation.asking import Keywords
from cohort.rewards.isolation.calling import called, called_at_once
from cohort.rewards.isolation.returned import Plain
from cohort.rewards.isolation.untouched import untouched


class Here:
    """Calls functions in this process."""

    def __init__(self, journal: Callable[[], Journal], say: Callable[[str], None]) -> None:
        self._journal, self._say = journal, say

    def call(self, reward: RewardFunction, calls: Sequence[Keywords]) -> list[Plain]:
        """What each call returned or raised; see `asking.Caller`."""
        given = [_own_copy(keywords) for keywords in calls]
        if "journal" in reward.parameters:
            given = [{**keywords, "journal": self._journal()} for keywords in given]
        with untouched(), self._watched(reward):
            if reward.is_async and reward.by_unit:
                return called_at_once(reward.function, given, reward.options.at_once or len(given))
            return [called(reward.function, keywords) for keywords in given]

    @contextmanager
    def _watched(self, reward: RewardFunction) -> Iterator[None]:
        """While it lasts, a thread waits for the deadline; costs nothing when none is missed."""
        done = threading.Event()
        watching = threading.Thread(target=self._watch, args=(reward, done), daemon=True)
        watching.start()
        try:
            yield
        finally:
            done.set()
            watching.join()

    def _watch(self, reward: RewardFunction, done: threading.Event) -> None:
        deadline = reward.options.deadline_seconds
        if done.wait(deadline):
            return
        text = (
            f'reward "{reward.name}" has not returned within its deadline of {deadline:g} s; it runs '
            "in the training process and cannot be killed"
        )
        self._say(f"{text}; in as long again the run ends")
        if not done.wait(deadline):
            print(f"error: {text}: the run ends", file=sys.__stderr__, flush=True)
            os._exit(RewardsFailedError.exit_code)


def _own_copy(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments, so that a function that changes them changes nobody else's."""
    try:
        return copy.deepcopy(dict(keywords))
    except (TypeError, copy.Error):  # some objects cannot be copied
        return dict(keywords)
