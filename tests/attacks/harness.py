"""Runs attacks two at a time, each in a process that it watches from outside, and collects what came."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.attacks import look
from tests.attacks.runner import Attack, Opened, attempt, tell
from tests.attacks.surroundings import LIMITS, clear

LOOK_SECONDS = 0.1
WAIT_SECONDS = 25.0
"""So long a process that runs an attack may take beyond the attack's own limit."""
MOST_MEMORY_BYTES = LIMITS.memory_bytes * 5 // 4 + 64 * 2**20
"""All processes of a run: a quarter above the limit for a look that came late, and for the sandbox's own."""
MOST_CPU_SECONDS = LIMITS.cpu_seconds + 1.5


@dataclass
class Outcome:
    """What came of one attack."""

    name: str
    escapes: list[str]
    end: str = "none"
    code: int = 0
    seconds: float = 0.0
    seen: look.Seen = field(default_factory=look.Seen)
    trace: str = ""


@dataclass
class _Running:
    attack: Attack
    pid: int
    reads: int
    place: Path
    deadline: float
    known: set[int] | None = None
    """The processes that were there before the attack; None until we are told."""
    said: bytes = b""
    seen: look.Seen = field(default_factory=look.Seen)


def run_all(
    attacks: Sequence[Attack], opened: Opened, user: int | None, jobs: int = 2
) -> Iterator[Outcome]:
    """Run every attack, in the order in which they end. user: that of programs, None if it is ours."""
    waiting, running = list(attacks)[::-1], list[_Running]()
    while waiting or running:
        while waiting and len(running) < jobs:
            running.append(_start(waiting.pop(), opened, user))
        ready = select.select([run.reads for run in running], [], [], LOOK_SECONDS)[0]
        tree = look.parents()
        for run in list(running):
            if run.known is not None:
                look.look(run.pid, run.seen, tree, run.known)
            over = run.reads in ready and not _hear(run)
            if over or time.monotonic() > run.deadline:
                running.remove(run)
                yield _end(run, over)


def _start(attack: Attack, opened: Opened, user: int | None) -> _Running:
    reads, writes = os.pipe()
    place = Path(tempfile.mkdtemp(prefix="attack-"))
    place.chmod(0o755)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setsid()  # who signals its group signals us, not the harness
            os.dup2(writes, 1)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.closerange(3, 256)
            tell(attempt(attack, opened, user, place))
            status = 0
        finally:
            os._exit(status)
    os.close(writes)
    longest = LIMITS.wall_seconds * attack.turns + WAIT_SECONDS
    return _Running(attack, pid, reads, place, time.monotonic() + longest)


def _hear(run: _Running) -> bool:
    said = os.read(run.reads, 65536)
    run.said += said
    if run.known is None and b"\n" in run.said:
        run.known = set(json.loads(run.said.partition(b"\n")[0]).get("known", ()))
    return bool(said)


def _end(run: _Running, over: bool) -> Outcome:
    if not over:
        for pid in look.descendants(run.pid) | {run.pid}:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
    status = os.waitpid(run.pid, 0)[1]
    os.close(run.reads)
    clear(run.place)
    lines = run.said.splitlines()
    outcome = Outcome(run.attack.name, [], seen=run.seen)
    if over and status == 0 and len(lines) == 2:
        told = json.loads(lines[1])
        outcome.escapes, outcome.end, outcome.code = told["escapes"], told["end"], told["code"]
        outcome.seconds, outcome.trace = told["seconds"], told["trace"]
    else:
        how = f"ended with status {status}" if over else "hung"
        outcome.escapes.append(f"the process that ran it {how}")
    outcome.escapes += _too_much(run)
    return outcome


def _too_much(run: _Running) -> list[str]:
    seen, found = run.seen, []
    programs = 2 if run.attack.together else run.attack.turns
    if seen.memory_bytes > MOST_MEMORY_BYTES * (2 if run.attack.together else 1):
        found.append(f"{seen.memory_bytes >> 20} MB were held")
    if seen.cpu_seconds > MOST_CPU_SECONDS * programs:
        found.append(f"{seen.cpu_seconds:.1f} s of processor time")
    if seen.processes > 4 * LIMITS.processes:
        found.append(f"{seen.processes} processes at once")
    if seen.as_root:
        found.append("it ran as root")
    return found
