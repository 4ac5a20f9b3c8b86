"""Where a program of the model's is run, and nothing of ours can be read, written, reached or kept busy.

    with Sandbox().start(Program(files={"main.py": b"print(int(input()) + 1)"})) as session:
        session.send(b"41\\n")
        session.receive_line(1.0)  # b"42"

A sandbox names its tier, the strongest that this machine offers or the one that was asked for, and
never makes do with less: where there is none, it refuses.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path, PurePosixPath

from cohort.errors import RewardError
from cohort.rewards.sandbox import landlock, place
from cohort.rewards.sandbox.program import Limits, Program, Report
from cohort.rewards.sandbox.remote import PREFIX, run_there
from cohort.rewards.sandbox.session import Session
from cohort.rewards.sandbox.starter import Launcher
from cohort.rewards.sandbox.tiers import choose
from cohort.rewards.sandbox.wire import Order, send


class Sandbox:
    """Runs programs, one or many at a time; the first one also pays for the start of a launcher.

    tier: a name of `tiers.OWN`, or `remote:` and a command or an address; "" for the strongest here.
    Raises RewardError where there is none such.
    """

    def __init__(self, tier: str = "") -> None:
        self.choice = choose(tier, _trial)
        if self.choice.tier == "namespaces" and not landlock.version():
            self.choice.missing["Landlock behind it"] = "it is off in this kernel, or later than it"
        self.tier = self.choice.tier
        self._launcher = Launcher()

    def run(self, program: Program, stdin: bytes = b"") -> Report:
        """Run a program to its end, with this as its input. Raises RewardError where it cannot start."""
        if self.tier.startswith(PREFIX):
            _check(program)
            return run_there(self.tier.removeprefix(PREFIX), program, stdin)
        with self.start(program) as session:
            session.send(stdin)
            return session.finish()

    def start(self, program: Program) -> Session:
        """Start a program, to speak with it. Raises RewardError where it cannot start."""
        if self.tier.startswith(PREFIX):
            raise RewardError(
                "a remote sandbox runs programs to their end, and cannot be spoken with",
                "use a tier of this machine for rewards that ask a program questions",
            )
        return _start(self._launcher, self.tier, program)

    def close(self) -> None:
        """End what still runs. A sandbox that is used again starts again."""
        self._launcher.close()


def _start(launcher: Launcher, tier: str, program: Program) -> Session:
    order = _order(tier, program)
    inside, ours = _pipes()
    try:
        channel = launcher.order(inside)
    except BaseException:
        for descriptor in ours:
            os.close(descriptor)
        raise
    finally:
        for descriptor in inside:
            os.close(descriptor)
    session = Session(channel, ours, program.limits, tier, launcher)
    try:
        session.give(lambda: send(channel, order, list(program.files.values())))
    except BaseException:
        session.close()
        raise
    return session


@functools.cache
def _trial(tier: str) -> str:
    """Why a tier does not work here, found by running a program in it; "" where it does."""
    if tier == "landlock" and not landlock.version():
        return "Landlock is off in this kernel, or later than it"
    launcher = Launcher()
    program = Program(files={"main.py": b"print(6 * 7)"}, limits=Limits(wall_seconds=20.0))
    try:
        with _start(launcher, tier, program) as session:
            report = session.finish()
    except RewardError as error:
        return error.message
    finally:
        launcher.close()
    if (report.end, report.code, report.stdout) == ("exited", 0, b"42\n"):
        return ""
    return f"a program ended by {report.end} {report.code}: {report.stderr[-200:]!r}"


def _order(tier: str, program: Program) -> Order:
    _check(program)
    limits = program.limits
    return Order(
        tier=tier,
        landlock=landlock.version(),
        user=place.user(),
        command=place.command(program.command, tier),
        environment=place.environment(program.environment),
        files=[(name, len(content)) for name, content in program.files.items()],
        readable=place.readable(program.readable),
        temporary=place.temporary(),
        wall_seconds=limits.wall_seconds,
        cpu_seconds=limits.cpu_seconds,
        memory_bytes=limits.memory_bytes,
        processes=limits.processes,
        disk_bytes=limits.disk_bytes,
        inodes=limits.files,
    )


def _check(program: Program) -> None:
    """Raise RewardError where a program cannot be meant: a name outside its folder, no command."""
    for name in program.files:
        path = PurePosixPath(name)
        if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in name:
            raise RewardError(f"{name!r} is no name of a file in a work folder")
    if not program.command:
        raise RewardError("a program without a command cannot be run")
    for folder in program.readable:
        if not folder.is_absolute() or len(folder.parts) < 2 or folder == Path("/proc"):
            raise RewardError(f"a sandbox cannot be given {folder} to read")


def _pipes() -> tuple[list[int], tuple[int, int, int]]:
    """The program's ends of its three streams, and ours."""
    (stdin, to_stdin), (from_stdout, stdout), (from_stderr, stderr) = (os.pipe() for _ in range(3))
    return [stdin, stdout, stderr], (to_stdin, from_stdout, from_stderr)
