"""A process outside that is attacked, and whether it is afterwards what it was before."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import secrets
import signal
import subprocess
import sys
from pathlib import Path

from tests.attacks import victim

PREFIX = "COHORT-SECRET-"
PR_SET_DUMPABLE = 4
IOPRIO_GET = 252


def new_secret() -> str:
    """A word that nobody can guess, and that an attack knows when it sees it."""
    return PREFIX + secrets.token_hex(8)


class Neighbour:
    """A process outside that is attacked: what it is before and after must be the same."""

    def __init__(self, folder: Path, library: Path, user: int | None) -> None:
        """user: None for who we are; else it is a fork of us that has become that user."""
        self.secrets = [new_secret() for _ in range(3)]
        memory = self.secrets[0].encode()
        if user is None:
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-S", victim.__file__, self.secrets[1], str(library)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=folder,
                env={"TOKEN": self.secrets[2]},
            )
            self.pid = self._child.pid
            self._ask, self._hear = self._child.stdin.fileno(), self._child.stdout.fileno()
            os.write(self._ask, memory)
        else:
            self._fork(memory, library, user)
        first = self._answer()
        self.address = first["address"] if first else 0
        self._before = self._condition()

    def _fork(self, memory: bytes, library: Path, user: int) -> None:
        theirs, self._ask = os.pipe()
        self._hear, answers = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self._ask)
                os.setgroups([])
                os.setresgid(user, user, user)
                os.setresuid(user, user, user)
                ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
                victim.live(memory, library, theirs, answers)
            finally:
                os._exit(0)
        os.close(theirs)
        os.close(answers)

    def harm(self) -> list[str]:
        """What has changed of it."""
        after, answer = self._condition(), self._answer()
        changed = [f"a neighbour's {name}" for name in after if after[name] != self._before[name]]
        if answer is None:
            return [*changed, "a neighbour has died"]
        if answer["signals"]:
            changed.append(f"a neighbour heard the signals {sorted(set(answer['signals']))}")
        if answer["memory"] != self.secrets[0]:
            changed.append("a neighbour's memory")
        return changed

    def end(self) -> None:
        """Have it end."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def _answer(self) -> dict | None:
        with contextlib.suppress(OSError, ValueError):
            os.write(self._ask, b"?")
            return json.loads(os.read(self._hear, 65536))
        return None

    def _condition(self) -> dict[str, object]:
        read = {
            "priority": lambda: os.getpriority(os.PRIO_PROCESS, self.pid),
            "processors": lambda: os.sched_getaffinity(self.pid),
            "schedule": lambda: os.sched_getscheduler(self.pid),
            "open files": lambda: resource.prlimit(self.pid, resource.RLIMIT_NOFILE),
            "address space": lambda: resource.prlimit(self.pid, resource.RLIMIT_AS),
            "score": lambda: Path(f"/proc/{self.pid}/oom_score_adj").read_text(),
            "group": lambda: os.getpgid(self.pid),
            "disk priority": lambda: ctypes.CDLL(None).syscall(IOPRIO_GET, 1, self.pid),
        }
        found: dict[str, object] = {}
        for name, ask in read.items():
            try:
                found[name] = ask()
            except OSError:
                found[name] = None
        return found
