"""The command `cohort`, run by a proof: in this process, or as a child of its own.

In this process stdout and stderr are real text streams, so that text which cannot be encoded fails
as it would in a terminal; whatever is opened for writing, anywhere, is noted; and a command that
takes too long is stopped and said to hang.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import cohort
from cohort.cli.main import MOST_LINES, run

LONGEST_SECONDS = 20
"""After so long a command in this process is said to hang."""

CHILD = (sys.executable, "-c", "from cohort.cli.main import run; run()")
"""What the installed script `cohort` does, with this interpreter."""

_SOURCE = str(Path(cohort.__file__).parents[1])
ENVIRONMENT = os.environ | {
    "PYTHONPATH": os.pathsep.join(filter(None, (_SOURCE, os.environ.get("PYTHONPATH")))),
    "OMP_WAIT_POLICY": "PASSIVE",
}
"""That of a child: it runs the same source as the proof does."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended: code None where an exception came out of it, which `raised` holds."""

    code: int | None
    stdout: str
    stderr: str
    seconds: float
    raised: str = ""
    written: tuple[str, ...] = ()


def in_process(arguments: Sequence[str], folder: Path) -> Outcome:
    """`cohort` with these arguments, in that folder, by the code of the installed command."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace")
    sys.argv = ["cohort", *arguments]
    code, raised = None, ""
    began = time.perf_counter()
    with chdir(folder), redirect_stdout(out), redirect_stderr(err), _watched() as written:
        try:
            run()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except (Exception, HungError):  # noqa: BLE001 - what is proven is that none comes
            raised = traceback.format_exc(limit=-6)
    seconds = time.perf_counter() - began
    texts = [_text(stream) for stream in (out, err)]
    return Outcome(code, *texts, seconds, raised, tuple(written))


def as_child(arguments: Sequence[str], folder: Path, *, timeout: float = 300) -> Outcome:
    """`cohort` as a process of its own."""
    began = time.perf_counter()
    done = subprocess.run(
        [*CHILD, *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        errors="backslashreplace",
        check=False,
        timeout=timeout,
    )
    seconds = time.perf_counter() - began
    return Outcome(done.returncode, done.stdout, done.stderr, seconds)


def broken_promises(outcome: Outcome) -> list[str]:
    """What every command promises and this one did not keep; a refusal is one in a few lines."""
    lines = outcome.stderr.splitlines()
    broken = []
    if outcome.raised or "Traceback (most recent call last)" in outcome.stderr:
        broken.append("a raw traceback")
    if outcome.code not in (0, 2) and not outcome.raised:
        broken.append(f"exit code {outcome.code}")
    if len(lines) > MOST_LINES:
        broken.append(f"{len(lines)} lines on stderr")
    if outcome.code == 2 and not any("error" in line.lower() for line in lines):
        broken.append("a refusal that does not say so")
    if outcome.written:
        broken.append(f"written: {', '.join(outcome.written[:3])}")
    return broken


def prepare() -> None:
    """Before the first command of a proof: no thread waits are looked at, no bytecode is written."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.dont_write_bytecode = True


def main(proof: Mapping[str, object]) -> int:
    """Print what a proof found; 1 where something did not hold."""
    print(json.dumps(proof, indent=2, ensure_ascii=True))
    return int(proof["held"] != proof["asked"])


_noted: list[str] | None = None
_hooked = False


class HungError(BaseException):
    """A command took longer than it may."""


@contextmanager
def _watched() -> Iterator[list[str]]:
    """While it lasts, what is opened for writing is noted, and after a while an alarm goes off."""
    global _noted, _hooked
    if not _hooked:  # a hook can never be taken away again, so there is one
        sys.addaudithook(_note)
        _hooked = True
    handler = signal.signal(signal.SIGALRM, _alarm)
    left, again = signal.setitimer(signal.ITIMER_REAL, LONGEST_SECONDS)
    _noted = noted = []
    try:
        yield noted
    finally:
        _noted = None
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, left, again)


_WRITES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate"}


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if _noted is None:
        return
    if event == "open":
        path, _, flags = arguments
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes and path not in (os.devnull, os.devnull.encode()):
            _noted.append(f"{path}")
    elif event in _WRITES or event in ("sqlite3.connect", "subprocess.Popen", "socket.connect"):
        _noted.append(f"{event} {arguments[0]}")


def _alarm(*_: object) -> None:
    raise HungError(f"nothing after {LONGEST_SECONDS} seconds")


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return stream.buffer.getvalue().decode("utf-8", "backslashreplace")
