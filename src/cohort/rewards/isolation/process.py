"""A worker as its trainer sees it: asked with a deadline, watched, and ended with all it started.

The supervisor is a fresh interpreter, so that nothing of the trainer's threads, GPU or files is in
a worker. It is started before it is needed, since starting takes longer than a call. Everything that
a worker sends may be wrong: it is read as JSON within bounds, and what is none ends the worker.
"""

from __future__ import annotations

import json
import math
import os
import select
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cohort.errors import CohortError, RewardError, RewardsFailedError
from cohort.rewards.asked import Journal
from cohort.rewards.isolation import tree
from cohort.rewards.isolation.frames import GarbledError, Inbox, packed
from cohort.rewards.outcome import Failed, Kind

START = (
    "import json, sys; fd, paths = int(sys.argv[1]), json.loads(sys.argv[2]); sys.path[:] = paths; "
    "from cohort.rewards.isolation.supervisor import main; main(fd)"
)
MARK = "COHORT_REWARD_WORKER"
IMPORT_SECONDS = 300.0
"""For a worker to import its module, which may load a model."""

TAIL_BYTES = 400
FIRST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.01, 0.1
"""How long a call goes unwatched: at first, and at most."""


class ClosedError(Exception):
    """The run is ending, and another thread has closed the process that is asked."""


@dataclass(frozen=True, slots=True)
class Home:
    """What a worker imports: a file, or a module by its name."""

    file: str
    module: str


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a call may take; see `config.stages.Reward`. memory_bytes 0: no limit."""

    seconds: float
    memory_bytes: int
    processes: int
    output_bytes: int


STARTING = Bounds(IMPORT_SECONDS, 0, 1 << 20, 1 << 30)


class Process:
    """A supervisor, and below it one worker at a time, which is forked anew after each that ended."""

    def __init__(self, home: Home, journal: Callable[[], Journal]) -> None:
        self._home, self._journal = home, journal
        self._mark = f"{MARK}={uuid.uuid4().hex}"
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._connection: socket.socket | None = None
        self._output, self._worker = -1, 0
        self._closed = False
        self.generation = 0
        """Counts its workers: one that follows another knows nothing but its module."""

    def start(self) -> None:
        """Begin to start it; returns at once."""
        ours, theirs = socket.socketpair()
        name, _, value = self._mark.partition("=")
        with theirs:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-c", START, str(theirs.fileno()), json.dumps(sys.path)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, name: value},
            )
        self._control, self._from_control = ours, Inbox()
        self._fork()

    def ask(self, request: dict[str, Any], bounds: Bounds) -> dict[str, Any] | Failed:
        """The worker's answer; Failed where it had to be ended, or ended by itself."""
        self.ready()
        return self._exchange(request, bounds)

    def ready(self) -> None:
        """See to it that there is a worker that has imported its module.

        Raises RewardError where it cannot, RewardsFailedError where there is none.
        """
        if self._closed:
            raise ClosedError
        if self._connection is None or self._awaits_import:
            self._begin()

    def stop(self) -> None:
        """End it all at once, also while another thread waits for an answer: that fails."""
        self._closed = True
        if self._supervisor is not None:
            tree.end_below(self._supervisor.pid)
            self._supervisor.kill()

    def close(self) -> None:
        """Stop it, and give back what it had; nobody waits for it any more."""
        self.stop()
        self._end_worker()
        if self._supervisor is not None:
            self._supervisor.wait()
        if self._control is not None:
            self._control.close()

    def _begin(self) -> None:
        """A worker, and wait until it has imported its module; tries it twice."""
        first = {"file": self._home.file, "module": self._home.module, "functions": []}
        for _ in range(2):
            if self._supervisor is None or self._supervisor.poll() is not None:
                self._bury()
                self.start()
            elif self._connection is None:
                self._fork()
            answer = self._exchange(first, STARTING)
            if not isinstance(answer, Failed):
                break
        if isinstance(answer, Failed) or answer.get("ready") is not True:
            self._end_worker()
            raise self._unstarted(answer)
        self._awaits_import = False
        self.generation += 1

    def _unstarted(self, answer: dict[str, Any] | Failed) -> CohortError:
        """The refusal where there is no worker that could be asked anything."""
        what = self._home.module or Path(self._home.file).name
        if isinstance(answer, Failed):
            return RewardsFailedError(
                f"the worker that imports {what} {answer.reason}",
                "see whether the machine has room",
            )
        return RewardError(
            f"a worker cannot import {what}: {str(answer.get('refused'))[:400]}",
            'mend it, or run its functions here: where = "trainer"',
        )

    def _fork(self) -> None:
        """Ask the supervisor for a worker."""
        assert self._control is not None
        self._connection, theirs = socket.socketpair()
        self._output, output = os.pipe()
        self._inbox, self._awaits_import, self._tail, self._printed = Inbox(), True, b"", 0
        self._status: int | None = None
        self._worker, self._listens = 0, True
        try:
            with suppress(OSError):  # a supervisor that is gone is found by _begin
                socket.send_fds(self._control, [b"w"], [theirs.fileno(), output])
        finally:
            theirs.close()
            os.close(output)
        self._connection.setblocking(False)
        os.set_blocking(self._output, False)

    def _exchange(self, request: dict[str, Any], bounds: Bounds) -> dict[str, Any] | Failed:
        """Send a request, serve the journal, watch, and wait for the answer."""
        ends = time.monotonic() + bounds.seconds
        self._unsent, self._printed, self._tail = memoryview(packed(request)), 0, b""
        look, looked = FIRST_LOOK_SECONDS, time.monotonic()
        while True:
            now = time.monotonic()
            if now >= ends:
                return self._ended("deadline", f"did not return within {bounds.seconds:g} s")
            try:
                self._pump(min(ends - now, max(look + looked - now, 0.0)))
                answer = self._answer()
            except (GarbledError, OSError) as error:
                return self._ended("crashed", self._how_it_ended(error))
            self._drain()
            if self._printed > bounds.output_bytes:
                return self._ended("output", f"printed more than {bounds.output_bytes // 1000} kB")
            if answer is not None:
                return answer
            if time.monotonic() < looked + look:
                continue
            if (why := self._too_much(bounds)) is not None:
                return self._ended(*why)
            look, looked = min(look * 1.5, LONGEST_LOOK_SECONDS), time.monotonic()

    def _pump(self, seconds: float) -> None:
        """Send and receive what can be, for at most so long."""
        assert self._connection is not None
        assert self._control is not None
        poll, fd = select.poll(), self._connection.fileno()
        poll.register(fd, select.POLLIN | (select.POLLOUT if self._unsent else 0))
        poll.register(self._control, select.POLLIN)
        if self._listens:
            poll.register(self._output, select.POLLIN)
        events = dict(poll.poll(math.ceil(seconds * 1000)))
        if events.get(fd, 0) & select.POLLOUT:
            self._unsent = self._unsent[self._connection.send(self._unsent) :]
        if self._control.fileno() in events:
            self._hear()
        if events.get(fd, 0) & ~select.POLLOUT:
            data = self._connection.recv(1 << 20)
            if not data:
                raise ConnectionError
            self._inbox.add(data)

    def _hear(self) -> None:
        """Take what the supervisor says. Raises OSError where the worker, or it, has ended."""
        assert self._control is not None
        data = self._control.recv(1 << 16)
        if not data:
            assert self._supervisor is not None
            self._supervisor.kill()  # its files are closed before it is gone
            self._supervisor.wait()
            raise ConnectionError
        self._from_control.add(data)
        while (message := self._from_control.next()) is not None:
            if "started" in message:
                self._worker = int(message["started"])
            elif message.get("ended", [0])[0] == self._worker:
                self._status = int(message["ended"][1])
        if self._status is not None:
            raise ConnectionError

    def _answer(self) -> dict[str, Any] | None:
        """The answer, where it is there; questions to the journal are answered at once."""
        while (message := self._inbox.next()) is not None:
            match message:
                case {"recall": str(key)}:
                    reply: object = {"answer": self._journal().recall(key)}
                case {"keep": [str(key), str(answer)]}:
                    self._journal().keep(key, answer)
                    reply = {"kept": True}
                case _:
                    return message
            self._unsent = memoryview(bytes(self._unsent) + packed(reply))
        return None

    def _drain(self) -> None:
        """Take what was printed, and keep its end."""
        with suppress(BlockingIOError):
            while data := os.read(self._output, 1 << 16):
                self._printed += len(data)
                self._tail = (self._tail + data)[-TAIL_BYTES:]
                if self._printed > 1 << 30:
                    return
            self._listens = False  # everybody who could print has closed it

    def _too_much(self, bounds: Bounds) -> tuple[Kind, str] | None:
        """The limit that is exceeded, if one is."""
        assert self._supervisor is not None
        pids = tree.below(self._supervisor.pid)
        if len(pids) > bounds.processes:
            return "processes", f"had {len(pids)} processes; it may have {bounds.processes}"
        if bounds.memory_bytes and (used := tree.resident_bytes(pids)) > bounds.memory_bytes:
            return "memory", f"used {used >> 20} MB; it may use {bounds.memory_bytes >> 20}"
        return None

    def _how_it_ended(self, error: Exception) -> str:
        """What is known of the end of the worker, by itself or by what it sent."""
        if isinstance(error, GarbledError):
            return "sent what is no answer"
        with suppress(OSError, GarbledError):
            assert self._control is not None
            poll = select.poll()
            poll.register(self._control, select.POLLIN)
            if self._status is None and poll.poll(50):
                self._hear()
        if self._supervisor is not None and self._supervisor.poll() is not None:
            return "ended the process above its own"
        if self._status is None:
            return "closed its connection to the training process"
        code = os.waitstatus_to_exitcode(self._status)
        if code >= 0:
            return f"ended its process with exit code {code}"
        return f"was ended by {signal.Signals(-code).name}"

    def _ended(self, kind: Kind, what: str) -> Failed:
        """End the worker, and say what was printed last."""
        with suppress(OSError):
            self._drain()
        text = " ".join(self._tail.decode(errors="replace").split())
        self._end_worker()
        return Failed(kind, f"{what}; it printed last: {text[-200:]}" if text else what)

    def _end_worker(self) -> None:
        """End the worker and everything that it started, wherever that went."""
        if self._supervisor is not None:
            with suppress(ProcessLookupError):
                os.kill(self._supervisor.pid, signal.SIGCONT)
            tree.end_below(self._supervisor.pid)
            if not tree.PROC.is_dir() and self._worker:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._worker, signal.SIGKILL)
            if self._supervisor.poll() is not None and tree.PROC.is_dir():
                tree.end_marked(self._mark)
        if self._connection is not None:
            self._connection.close()
            os.close(self._output)
            self._connection = None

    def _bury(self) -> None:
        """What is left of a supervisor that has ended."""
        self._end_worker()
        if self._control is not None:
            self._control.close()
        self._supervisor = None
