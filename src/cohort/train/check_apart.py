"""Waits for the calls of `check_calls`, each for so many seconds; a call that does not return is named.

The process of a call that hangs is killed with all that it started; the functions after it are
called in another one.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cohort.config.load import dump_recipe
from cohort.config.recipe import Recipe
from cohort.errors import RewardError

START_SECONDS = 120.0
"""What loading the recipe and making its problems may take."""


@dataclass(slots=True)
class Calls:
    """What became of the calls of one function.

    returned: call -> its line. raised: call -> what was raised. hung: the call that did not return,
    and of the kinds of answers tried alone the one that did not.
    """

    returned: dict[str, dict[str, Any]] = field(default_factory=dict)
    raised: dict[str, str] = field(default_factory=dict)
    hung: tuple[str, ...] = ()


def call_all(
    recipe: Recipe, stage: int, names: Sequence[str], *, base: Path, seconds: float
) -> dict[str, Calls]:
    """The calls of every function of a stage, by name. Raises RewardError where none could be made."""
    found = {name: Calls() for name in names}
    while True:
        skip = [name for name, calls in found.items() if calls.hung or _is_done(calls)]
        if len(skip) == len(names):
            return found
        hung = _round(_order(recipe, stage, base, skip), found, seconds)
        if hung is None:
            return found
        reward, call = hung
        alone = _round(_order(recipe, stage, base, skip, only=reward), found, seconds)
        found[reward].hung = (call, alone[1]) if alone is not None else (call,)


def _is_done(calls: Calls) -> bool:
    return "another order" in calls.returned or bool(calls.raised)


def _order(
    recipe: Recipe, stage: int, base: Path, skip: Sequence[str], only: str = ""
) -> dict[str, object]:
    import tomllib

    return {
        "recipe": tomllib.loads(dump_recipe(recipe)),
        "stage": stage,
        "base": str(base),
        "seed": recipe.seed % 2**31,
        "skip": list(skip) if not only else [],
        "only": only,
    }


def _round(
    order: dict[str, object], found: dict[str, Calls], seconds: float
) -> tuple[str, str] | None:
    """One process; the reward and the call that did not return, if one did not."""
    command = [sys.executable, "-m", "cohort.train.check_calls"]
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        child.stdin.write(json.dumps(order).encode())
        child.stdin.close()
        return _listen(child.stdout.fileno(), found, seconds)
    finally:
        _end(child)


def _listen(descriptor: int, found: dict[str, Calls], seconds: float) -> tuple[str, str] | None:
    """Take down what the process says, until it ends or a call does not return."""
    under_way: tuple[str, str] | None = None
    said_nothing = True
    lines = _Lines(descriptor)
    while True:
        line = lines.next(seconds if under_way is not None else START_SECONDS)
        if line is None or (line == b"" and under_way is not None):
            return under_way
        if line == b"":
            if said_nothing:
                raise RewardError(
                    "the reward functions could not be called in a process of their own",
                    "does the recipe depend on something that only this process has?",
                )
            return None
        said_nothing = False
        said = json.loads(line)
        call = said.get("begins") or said["ended"]
        under_way = (call["reward"], call["call"]) if "begins" in said else None
        calls = found[call["reward"]]
        if "values" in said:
            calls.returned[call["call"]] = said
        elif "raised" in said:
            calls.raised[call["call"]] = said["raised"]


class _Lines:
    """Lines of a pipe, each waited for so long: b"" at the end, None where none came in time."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._kept = descriptor, b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(descriptor, selectors.EVENT_READ)

    def next(self, seconds: float) -> bytes | None:
        until = time.monotonic() + seconds
        while b"\n" not in self._kept:
            if not self._selector.select(max(0.0, until - time.monotonic())):
                return None
            part = os.read(self._descriptor, 2**16)
            if not part:
                return b""
            self._kept += part
        line, _, self._kept = self._kept.partition(b"\n")
        return line


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill the process and what it started: it leads a session of its own."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    if child.stdout is not None:
        child.stdout.close()
