"""Sinks of the tests: real ones, that write down what they hear, raise, hang, or end their process.

They are named `heard.py:remembering` and so on, as a user names a sink of their own.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cohort.report.track.sink import Row, Tracked

HERE = Path(__file__)


class Remembering:
    """Writes down everything, a line each."""

    def __init__(self, run: Tracked) -> None:
        self._file = run.folder / "heard.jsonl"
        self._say("open", run.project, [run.name, run.id, run.recipe.get("seed")])

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self._say("metrics", step, dict(values))

    def groups(self, step: int, rows: Sequence[Row]) -> None:
        self._say("groups", step, [dict(row) for row in rows])

    def close(self) -> None:
        self._say("close", None, None)

    def _say(self, kind: str, step: Any, told: Any) -> None:
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps([kind, step, told]) + "\n")


class Failing(Remembering):
    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        print("this would break the lines between the two processes")
        raise ConnectionError("nobody is there\x1b[31m")


class Hanging(Remembering):
    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        time.sleep(600)


class Leaving(Remembering):
    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        os._exit(9)


remembering, failing, hanging, leaving = Remembering, Failing, Hanging, Leaving


def name(sink: str) -> str:
    """What a recipe calls one of them."""
    return f"{HERE}:{sink}"


def heard(run: Path, sink: str = "remembering") -> list[list[Any]]:
    """What a sink of a run was told: kind, step, what."""
    text = (run / "track" / f"heard-{sink}" / "heard.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]
