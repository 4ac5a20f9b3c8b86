"""The sinks of a run, as the run has them: processes that are started, listened to, and ended.

Nobody waits for one. Whatever a sink does, the run goes on, and what went wrong is said once, by `news` or
`end`. At the end of the run all sinks together have `wait_seconds`; what is not done then is ended, and
`cohort track` says the rest another day.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cohort.config.track import Track
from cohort.errors import RunError
from cohort.report import read
from cohort.report.track.beside import TOO_LATE, Asked
from cohort.report.track.sink import check_sinks, label

SILENT_SECONDS = 60.0
"""How long a sink may be at one thing before it is said that it is."""


@dataclass(slots=True)
class _Started:
    """A sink's process, and what is known of it."""

    name: str
    process: subprocess.Popen[bytes]
    heard: float = field(default_factory=time.monotonic)
    rest: bytes = b""
    said_so: bool = False


class Sinks:
    """The processes of a run's sinks; none for a run that has none."""

    def __init__(
        self, run: Path, options: Track, *, silent_seconds: float = SILENT_SECONDS
    ) -> None:
        self._run, self._options, self._silent = run, options, silent_seconds
        self._started: list[_Started] = []
        self._unsaid: list[str] = []

    def begin(self) -> None:
        """Start them; each reads what is there already, and goes on where it was."""
        for name in self._options.to:
            try:
                self._started.append(_Started(name, start(self._run, self._options, name)))
            except OSError as error:
                self._unsaid.append(f"{name} could not be started: {error.strerror}")

    def news(self) -> list[str]:
        """What a person should know and was not told yet; nobody is waited for."""
        found, self._unsaid = self._unsaid, []
        for one in self._started:
            text = _heard(one) or self._ended(one) or self._silence(one)
            if text and not one.said_so:
                one.said_so = True
                found.append(f"{one.name} {text}; the run goes on without it")
        return found

    def end(self) -> list[str]:
        """Let them say what is left, for `wait_seconds` in all; what was not said, and how to say it."""
        for one in self._started:
            assert one.process.stdin is not None
            one.process.stdin.close()
        until = time.monotonic() + self._options.wait_seconds
        found, self._unsaid = self._unsaid, []
        for one in self._started:
            code = _waited(one.process, until)
            failure = _heard(one)
            if code and not one.said_so:
                why = failure or _reason(code, self._options.wait_seconds)
                rest = f"`cohort track {self._run} --to {one.name}` says the rest"
                found.append(f"{one.name} {why}; {rest}")
            assert one.process.stdout is not None
            one.process.stdout.close()
        self._started = []
        return found

    def _ended(self, one: _Started) -> str:
        code = one.process.poll()
        if code is None:
            return ""
        return f"ended by itself with code {code}, see {_log(self._run, one.name)}"

    def _silence(self, one: _Started) -> str:
        if time.monotonic() - one.heard < self._silent:
            return ""
        return f"has been silent for {self._silent:g} s"


def track(run: Path, options: Track) -> None:
    """Say what is there of a run to sinks, but for what they know. Raises RunError where one fails."""
    check_sinks(options.to)
    with read.opened(run):
        pass  # refused, where there is no run
    sinks = Sinks(run, options)
    sinks.begin()
    failures = sinks.end()
    if failures:
        raise RunError("\n".join(failures), f"what their libraries printed is in {run / 'track'}")


def start(run: Path, options: Track, name: str) -> subprocess.Popen[bytes]:
    """The process beside a run that tells a sink of it; what its library prints goes into a file."""
    told = options.model_dump(include={"project", "groups_every_steps", "wait_seconds"})
    log = _log(run, name)
    log.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "cohort.report.track.beside", str(run)]
    with log.open("ab") as file:
        process = subprocess.Popen(
            [*command, json.dumps(asdict(Asked(to=name, **told)))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            start_new_session=True,  # Ctrl-C is for the run; the sink ends after it
        )
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    return process


def _log(run: Path, name: str) -> Path:
    return run / "track" / f"{label(name)}.log"


def _heard(one: _Started) -> str:
    """Read what a process has said by now; why it failed, where it did."""
    assert one.process.stdout is not None
    try:
        while more := os.read(one.process.stdout.fileno(), 1 << 16):
            one.heard = time.monotonic()
            one.rest += more
    except BlockingIOError:
        pass
    *lines, one.rest = one.rest.split(b"\n")
    failures = [told["failed"] for told in map(json.loads, lines) if "failed" in told]
    return f"failed: {failures[-1]}" if failures else ""


def _waited(process: subprocess.Popen[bytes], until: float) -> int:
    """The exit code; of what is not done in time and is killed, with all that it started, TOO_LATE."""
    try:
        return process.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return TOO_LATE


def _reason(code: int, seconds: float) -> str:
    if code == TOO_LATE:
        return f"was not done {seconds:g} s after the run and was ended"
    return f"ended with code {code}"


NONE = Sinks(Path(), Track())
"""Of a stage outside of a run."""
