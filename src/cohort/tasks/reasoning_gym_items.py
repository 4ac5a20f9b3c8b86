"""The items of a task of reasoning-gym by index, the same in every process.

Some tasks go through sets of texts, whose order is another one in every process, or draw from Python's
own generator. Their items are made in a process with a fixed hash seed and fixed draws, as in the sandbox.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import weakref
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Protocol

from cohort.config.lookup import nearest
from cohort.data.imported import cause_of
from cohort.errors import DataError, MissingExtraError, legible, listed

PREFIX = "reasoning-gym:"

ITEMS = 1_000_000
"""Indices of a task that are drawn from; its seed is always 0."""

FEWER_ITEMS = {"acre": 1000, "word_ladder": 20_000}
"""Tasks that prepare all of their items at once, or refuse to have more."""

HASH_SEED = "0"
OF_ANOTHER_ORDER = frozenset(
    {
        "codeio",
        "isomorphic_strings",
        "knight_swap",
        "polynomial_multiplication",
        "ransom_note",
        "word_ladder",
    }
)
"""Tasks whose items depend on the order of a set, or on draws that their index does not decide."""

_PROGRAM = """
import contextlib, json, random, sys
import numpy
task, options, size = json.loads(sys.argv[1])
from reasoning_gym.factory import create_dataset
items = create_dataset(task, seed=0, size=size, **options)
for line in sys.stdin:
    random.seed(int(line))
    numpy.random.seed(int(line))
    try:
        with contextlib.redirect_stdout(sys.stderr):
            item = items[int(line)]
        print(json.dumps({"question": item["question"], "answer": item["answer"]}), flush=True)
    except Exception as error:  # the library's own mistakes, in some items
        print(json.dumps({"raised": repr(error)[:300]}), flush=True)
"""


class Items(Protocol):
    """Items by index; each has a `question` and an `answer`."""

    def __getitem__(self, index: int, /) -> Mapping[str, Any]: ...


def size_of(task: str) -> int:
    """How many items of a task are drawn from."""
    return FEWER_ITEMS.get(task, ITEMS)


def open_task(task: str, options: Mapping[str, Any]) -> Items:
    """The items of a task by index. Raises DataError, and MissingExtraError without the library."""
    factory = _library()
    if task not in factory.DATASETS:
        near = nearest(task, factory.DATASETS)
        raise DataError(
            f'reasoning-gym has no task "{legible(task)}"; it has {len(factory.DATASETS)}, such as '
            f"{listed(sorted(factory.DATASETS), 5)}",
            f'did you mean "{PREFIX}{near}"?' if near else "its documentation lists them",
        )
    known = [f.name for f in dataclasses.fields(factory.DATASETS[task][1])]
    known = [name for name in known if name not in ("seed", "size")]
    for option in options:
        if option not in known:
            near = nearest(option, known)
            raise DataError(
                f'the task {PREFIX}{task} has no option "{legible(option)}"; it has {listed(known)}',
                f'did you mean "{near}"?' if near else "problems are drawn by Cohort's own keys",
            )
    try:
        items: Items = factory.create_dataset(task, seed=0, size=size_of(task), **options)
    except Exception as error:  # configurations of the library refuse with anything
        raise DataError(
            f"{PREFIX}{task} does not take {listed(options) or 'its defaults'}: {cause_of(error, '')}",
            "see the task's configuration in reasoning-gym",
        ) from error
    return _Apart(task, options) if task in OF_ANOTHER_ORDER else items


def _library() -> ModuleType:
    try:
        from reasoning_gym import factory
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "the tasks of reasoning-gym need the package reasoning-gym",
            "pip install 'cohort-rl[reasoning-gym]'",
        ) from error
    library: ModuleType = factory
    return library


class _Apart:
    """Items that a process with a fixed hash seed makes; it ends with whoever asks it."""

    def __init__(self, task: str, options: Mapping[str, Any]) -> None:
        order = json.dumps([task, dict(options), size_of(task)])
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, order],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": HASH_SEED},
        )
        weakref.finalize(self, _end, self._process)

    def __getitem__(self, index: int, /) -> Mapping[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{index}\n")
        self._process.stdin.flush()
        item: dict[str, Any] = json.loads(
            self._process.stdout.readline() or '{"raised": "it ended"}'
        )
        if "raised" in item:
            raise LookupError(item["raised"])
        return item


def _end(process: subprocess.Popen[str]) -> None:
    process.communicate()
