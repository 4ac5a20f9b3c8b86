"""One attack in a process of its own: its surroundings, its run in the sandbox, and what came of it.

Whatever an attack does to the process that runs it, the harness above lives to tell.
"""

from __future__ import annotations

import ast
import contextlib
import ctypes
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cohort.rewards.sandbox.program import Program, Report
from tests.attacks import look
from tests.attacks.surroundings import LIMITS, Surroundings

LEVER = Path(__file__).with_name("lever.py")
PR_SET_CHILD_SUBREAPER = 36
LEFT_SECONDS, LATE_SECONDS = 1.0, 1.0
MOST_GROWTH_BYTES = 96 * 2**20
"""How much this process may grow by a run; the output that it keeps is a megabyte at most."""


class AnySandbox(Protocol):
    """What is attacked."""

    def run(self, program: Program) -> Report: ...


Opened = Callable[[], AnySandbox]


@dataclass(frozen=True)
class Attack:
    """A program, and what it says of itself in the constants TURNS, TOGETHER, WORKS and ENDS."""

    name: str
    text: bytes
    turns: int = 1
    together: bool = False
    works: bool = False
    ends: tuple[str, int | None] | None = None


def read(path: Path) -> Attack:
    """Read an attack; its constants are read, it is not run."""
    text = path.read_bytes()
    said: dict[str, object] = {}
    with contextlib.suppress(SyntaxError):
        for node in ast.parse(text).body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                with contextlib.suppress(ValueError):
                    said[node.targets[0].id] = ast.literal_eval(node.value)
    names = ("TURNS", "TOGETHER", "WORKS", "ENDS")
    return Attack(path.stem, text, **{name.lower(): said[name] for name in names if name in said})


def attempt(attack: Attack, opened: Opened, user: int | None, place: Path) -> dict[str, object]:
    """Run an attack here and say what came of it: `escapes`, and figures."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    around = Surroundings(place, user)
    try:
        tempfile.tempdir = str(around.tmp)
        sandbox = opened()
        sandbox.run(
            Program(files={"main.py": b"pass"})
        )  # what it starts once is there from here on
        known = look.descendants(os.getpid())
        tell({"known": [*known]})
        before = _memory()
        began = time.monotonic()
        reports = _run(attack, around, sandbox)
        seconds = (time.monotonic() - began) / (1 if attack.together else attack.turns)
        escapes = _left(known)
        output = b"\n".join(part for report in reports for part in (report.stdout, report.stderr))
        escapes += around.harm(output) + _said(attack, reports, output)
        if seconds > LIMITS.wall_seconds + LATE_SECONDS:
            escapes.append(f"it took {seconds:.1f} s")
        if _memory() - before > MOST_GROWTH_BYTES:
            escapes.append("who ran it has grown")
        last = reports[-1]
        return {
            "escapes": escapes,
            "end": last.end,
            "code": last.code,
            "seconds": seconds,
            "peak": max(report.peak_memory_bytes for report in reports),
            "trace": last.stderr[-2000:].decode(errors="backslashreplace"),
        }
    finally:
        around.end()


def _run(attack: Attack, around: Surroundings, sandbox: AnySandbox) -> list[Report]:
    def one(turn: int) -> Report:
        files: Mapping[str, bytes] = {
            "main.py": attack.text,
            "lever.py": LEVER.read_bytes(),
            "surroundings.json": around.told(turn),
        }
        given = {"ATTACK_MARK": around.mark}
        return sandbox.run(
            Program(files=files, environment=given, readable=(around.library,), limits=LIMITS)
        )

    if attack.together:
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(one, (1, 2)))
    return [one(turn) for turn in range(1, attack.turns + 1)]


def _left(known: set[int]) -> list[str]:
    """The processes that are there a second later; who forks all the time is found by looking again."""
    end = time.monotonic() + LEFT_SECONDS
    quiet = 0
    while quiet < 3 and time.monotonic() < end:
        quiet = 0 if look.descendants(os.getpid()) - known else quiet + 1
        time.sleep(0.03)
    left = look.descendants(os.getpid()) - known
    for pid in left:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    return [f"{len(left)} processes were left"] if left or quiet < 3 else []


def _said(attack: Attack, reports: list[Report], output: bytes) -> list[str]:
    found = []
    for line in output.splitlines():
        if line.startswith(b"ESCAPED: "):
            found.append(line[9:].decode(errors="backslashreplace")[:200])
    if attack.works and not all(b"WORKED\n" in report.stdout for report in reports):
        found.append("what has to work does not")
    for report in reports:
        if len(report.stdout) + len(report.stderr) > LIMITS.output_bytes:
            found.append("more output than is allowed")
        end, code = attack.ends or (report.end, None)
        if report.end != end or code not in (None, report.code):
            found.append(f"reported as {report.end} {report.code}, not {attack.ends}")
    return list(dict.fromkeys(found))[:8]


def tell(what: dict[str, object]) -> None:
    """One line to the harness: past the buffers, which a fork has from its parent."""
    os.write(1, json.dumps(what).encode() + b"\n")


def _memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
