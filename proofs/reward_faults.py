"""Reward functions that hang, crash, take everything or return nonsense, in whole runs.

Each function of `proofs.faulty_rewards` is a reward of weight 0 in a run of its own, beside one that is
well: so the run must be, to the bit, the run that it is with a harmless function in the place of the
faulty one, and leave its process in the same state. Every answer must have got what the function's
entry says, by an oracle that reads the answers; the counts of every step must add up; no call may
overstay its deadline, and no process may be left.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from cohort.data.records import SCORED
from cohort.rewards.isolation import tree
from cohort.rewards.isolation.process import Process
from cohort.rewards.outcome import Failed
from proofs import faulty_rewards
from proofs.command import main, prepare
from proofs.forks import command, forked, import_everything
from proofs.small_runs import HEAD, REINFORCE

FILE = Path(faulty_rewards.__file__)
DEADLINE_SECONDS = 0.3
LONG_SECONDS = 20.0
"""For functions that must be ended by something else first."""

MOST_OVERSHOOT_SECONDS = 0.25
STEPS = 2
SHORT = (
    "raises",
    "hides_a_grandchild",
    "prints_without_end",
    "returns_nan",
    "awaits_for_ever_alone",
)
"""Those of the short form: one of each sort."""

OWN = 'rewards = {{ length = {{ words = 3 }}, "{file}:{name}" = {options} }}\nfailures_allowed = 1.0\n'
LEARNED = "SELECT tokens, logprobs, advantage FROM rollouts ORDER BY group_id, number"


def prove(short: bool) -> dict[str, object]:
    """A run for each function; what did not hold of each, and the longest overshoot."""
    prepare()
    import_everything()
    mark = os.environ["COHORT_PROOF"] = f"faults-{uuid.uuid4().hex}"  # workers inherit it
    names = list(SHORT if short else faulty_rewards.EXPECTED)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(FILE, folder / FILE.name)
        plain = _run(folder, "harmless", {})
        assert plain["code"] == 0, (folder / "harmless.log").read_text()
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(lambda n: _faults(folder, n, plain), names))
    over = [seconds for _, seconds in found if seconds is not None]
    bad = [f"{name}: {why}" for name, (why, _) in zip(names, found, strict=True) if why]
    left = tree.marked(mark)
    return {
        "name": "faulty reward functions",
        "asked": len(names),
        "held": len(names) - len(bad) if not left else 0,
        "longest overshoot": f"{max(over, default=0.0):.3f} s in {len(over)} runs with a deadline missed",
        "failures": bad[:10] + [f"{len(left)} processes are left"][: len(left)],
    }


def _faults(folder: Path, name: str, plain: Mapping[str, Any]) -> tuple[str, float | None]:
    """What did not hold; and by how much the slowest call overstayed its deadline, if one did."""
    kind, options = faulty_rewards.EXPECTED[name]
    found = _run(folder, name, options)
    if found["code"] != 0:
        return f"exit code {found['code']}: {(folder / f'{name}.log').read_text()[-300:]}", None
    over = found["overshoot"]
    if over is not None and over > MOST_OVERSHOOT_SECONDS:
        return f"a call overstayed its deadline by {over:.3f} s", over
    if found["state"] != plain["state"]:
        differing = [key for key, value in found["state"].items() if plain["state"][key] != value]
        return f"the process was changed: {differing}", over
    if found["learned"] != plain["learned"]:
        return "the run learned something else", over
    return _wrong_counts(folder / name / "run.db", name, kind), over


def _run(folder: Path, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """A run with this function in it: its exit code, and what it learned and left behind."""
    kind = faulty_rewards.EXPECTED.get(name, ("", {}))[0]
    seconds = DEADLINE_SECONDS if kind == "deadline" else LONG_SECONDS
    own = {"weight": 0.0, "deadline_seconds": seconds, "retries": 1, **options}
    table = ", ".join(f"{key} = {value}" for key, value in own.items())
    text = HEAD.format(dtype="float32", every=100) + REINFORCE.format(steps=STEPS)
    text += OWN.format(file=FILE.name, name=name, options=f"{{ {table} }}")
    (folder / f"{name}.toml").write_text(text)
    said = folder / f"{name}.json"
    arguments = ("train", str(folder / f"{name}.toml"), "--run", str(folder / name), "--quiet")
    code = forked(partial(_noted, said, arguments), log=folder / f"{name}.log")
    found: dict[str, Any] = {"code": code}
    if code == 0:
        found |= json.loads(said.read_text())
        found["learned"] = _rows(folder / name / "run.db", LEARNED), _model(folder / name)
    return found


def _noted(said: Path, arguments: tuple[str, ...]) -> int:
    """The command; how long calls overstayed their deadline, and the state of the process after it."""
    over: list[float] = []
    exchange = Process._exchange

    def timed(self: Process, request: Any, bounds: Any) -> Any:
        began = time.monotonic()
        answer = exchange(self, request, bounds)
        if isinstance(answer, Failed) and answer.kind == "deadline":
            over.append(time.monotonic() - began - bounds.seconds)
        return answer

    Process._exchange = timed  # type: ignore[method-assign]
    random.seed(1)  # a forked child was given another one
    code = command(*arguments)
    said.write_text(json.dumps({"overshoot": max(over, default=None), "state": _state()}))
    return code


def _state() -> dict[str, str]:
    """What a reward must not change in the process that trains."""
    import numpy as np
    import torch

    outputs = [os.fstat(fd).st_ino for fd in (0, 1, 2)]
    handlers = [
        getattr(h, "__name__", str(h)) for h in map(signal.getsignal, signal.valid_signals())
    ]
    return {
        "random": _digest(random.getstate()),
        "numpy": _digest(np.random.get_state(), np.geterr()),
        "torch": _digest(torch.get_rng_state().tolist(), torch.get_default_dtype()),
        "threads": _digest(
            torch.get_num_threads(), os.sched_getaffinity(0), threading.stack_size()
        ),
        "folder": os.getcwd(),
        "environment": _digest(sorted(os.environ.items())),
        "signals": _digest(handlers),
        "streams": _digest(len(outputs), sys.stdout is sys.__stdout__, sys.stdout.closed),
        "interpreter": _digest(sys.getrecursionlimit(), sys.getswitchinterval()),
    }


def _digest(*values: object) -> str:
    return hashlib.sha256(repr(values).encode()).hexdigest()


def _wrong_counts(database: Path, name: str, kind: str) -> str:
    """The first answer or count that is not what it should be."""
    query = (
        "SELECT g.step, r.text, s.kind FROM scores s JOIN rollouts r USING (group_id, number) "
        "JOIN groups g ON g.id = s.group_id WHERE s.function = ?"
    )
    counts: dict[int, Counter[str]] = {}
    for step, text, got in _rows(database, query, name):
        must = kind or SCORED
        must = must if _is_bad(name, step, text) else SCORED
        if got != must:
            return f"step {step}: {text!r} is {got}, not {must}"
        counts.setdefault(step, Counter())[got] += 1
    if not any(own[kind or SCORED] for own in counts.values()):
        return "no answer was bad"
    names = "SELECT name, value FROM metrics WHERE step = ? AND name LIKE ?"
    for step, own in counts.items():
        told = dict(_rows(database, names, step, f"rewards/{name}/%"))
        shown = {key.rpartition("/")[2]: value for key, value in told.items()}
        failed = {key: n for key, n in own.items() if key not in (SCORED, "unscorable")}
        right = {f"failed_{key}": n for key, n in failed.items()} | {
            "scored": own[SCORED],
            "unscorable": own["unscorable"],
            "failed": sum(failed.values()),
        }
        wrong = {key: shown.get(key) for key, n in right.items() if shown.get(key) != n}
        if wrong or shown["scored"] + shown["unscorable"] + shown["failed"] != own.total():
            return f"step {step}: {wrong} where it is {right}"
    return ""


def _is_bad(name: str, step: int, text: str) -> bool:
    """Whether the function goes wrong for this answer: `calm` ones do not in their first call."""
    return faulty_rewards.bad(text) and not (step == 1 and name in faulty_rewards.CALM)


def _rows(database: Path, query: str, *given: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(database)) as db:
        return db.execute(query, given).fetchall()


def _model(run: Path) -> str:
    return hashlib.sha256((run / "model" / "model.safetensors").read_bytes()).hexdigest()


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv)))
