"""Runs the tests on mutants, each in a process of its own that is forked before anything is imported.

The parent has loaded what is the same for all, torch above all, and nothing of what is changed. A
child gives its import system the mutant's source for that one module, and runs one test file after
the other until one fails. It prints nothing; its exit status is its verdict.
"""

from __future__ import annotations

import enum
import gc
import importlib
import os
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import NoReturn

import pytest

from tests.mutants.plant import Mutant
from tests.mutants.project import Project

OPTIONS = ["-x", "-q", "-p", "no:cacheprovider", "--no-header", "--tb=short"]
OPTIONS += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # Hypothesis is loaded before
NOTICED = {int(pytest.ExitCode.TESTS_FAILED), int(pytest.ExitCode.INTERRUPTED)}
"""A test that fails, or a test file that cannot even be collected."""
NO_SAY = {int(pytest.ExitCode.OK), int(pytest.ExitCode.NO_TESTS_COLLECTED)}
POLL_SECONDS = 0.01
MOST_EXAMPLES = 25
"""Of Hypothesis, where a test does not say: a wrong should be noticed soon."""


class Fate(enum.Enum):
    KILLED = "killed"
    SURVIVED = "survived"
    TIMEOUT = "timeout"

    @property
    def noticed(self) -> bool:
        """A test run that never ends is noticed, too."""
        return self is not Fate.SURVIVED


class NoVerdict(Exception):
    """The tests could not be run, which says nothing about the mutant."""


def preload(project: Project) -> None:
    """One thread, and what every child needs; Hypothesis draws the same examples in all of them."""
    os.environ["OMP_NUM_THREADS"] = "1"
    for name in project.preloaded:
        importlib.import_module(name)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    if "hypothesis" in sys.modules:
        hypothesis = sys.modules["hypothesis"]
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)  # shrinking is for people
        hypothesis.settings.register_profile(
            "mutants",
            derandomize=True,
            database=None,
            deadline=None,
            phases=phases,
            max_examples=MOST_EXAMPLES,
        )
        hypothesis.settings.load_profile("mutants")
    sys.path[:0] = [str(project.roots[0])]
    early = [
        name for name in sys.modules if name.partition(".")[0] == project.package.split(".")[0]
    ]
    assert not early, f"loaded before it was changed: {early}"
    gc.freeze()


def passes(sources: Mapping[str, str], test: Path, output: Path) -> float | None:
    """The seconds that a test file takes on sources it should pass on; None where it does not."""
    start = time.monotonic()
    status = os.waitstatus_to_exitcode(os.waitpid(_start(sources, [test], output), 0)[1])
    return time.monotonic() - start if status == 0 else None


def judged(
    mutants: Iterable[Mutant],
    module: str,
    tests: Sequence[Path],
    *,
    jobs: int,
    limit_seconds: float,
) -> Iterator[tuple[Mutant, Fate]]:
    """Each mutant of a module and its fate, as they become known; `jobs` of them at a time."""
    waiting = deque(mutants)
    running: dict[int, tuple[Mutant, float]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                mutant = waiting.popleft()
                pid = _start({module: mutant.source}, tests, Path(os.devnull))
                running[pid] = mutant, time.monotonic() + limit_seconds
            for pid, (mutant, deadline) in list(running.items()):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    del running[pid]
                    yield mutant, _fate(mutant, os.waitstatus_to_exitcode(status))
                elif time.monotonic() > deadline:
                    del running[pid]
                    _end(pid)
                    yield mutant, Fate.TIMEOUT
            time.sleep(POLL_SECONDS)
    finally:
        for pid in running:
            _end(pid)


def _fate(mutant: Mutant, status: int) -> Fate:
    if status in NOTICED or status < 0:  # a crash is noticed as well
        return Fate.KILLED
    if status == int(pytest.ExitCode.OK):
        return Fate.SURVIVED
    raise NoVerdict(f"pytest ended with {status} on {mutant}")


def _end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _start(sources: Mapping[str, str], tests: Sequence[Path], output: Path) -> int:
    """The process number of a child that runs the tests with other sources for some modules."""
    pid = os.fork()
    if pid == 0:
        _child(sources, tests, output)
    return pid


def _child(sources: Mapping[str, str], tests: Sequence[Path], output: Path) -> NoReturn:
    status = int(pytest.ExitCode.INTERNAL_ERROR)
    try:
        written = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(written, 1)
        os.dup2(written, 2)
        _replace(sources)
        status = _first_failure(tests)
    except BaseException:  # noqa: BLE001  # a child must end here, whatever happened in it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _first_failure(tests: Sequence[Path]) -> int:
    """The status of the first test file that fails; a file in which all is left out has no say."""
    for test in tests:
        status = int(pytest.main([*OPTIONS, str(test)]))
        if status not in NO_SAY:
            return status
    return int(pytest.ExitCode.OK)


def _replace(sources: Mapping[str, str]) -> None:
    """From here on these modules are made of these sources, whoever loads them, and of no cache."""
    usual = SourceFileLoader.get_code

    def get_code(loader: SourceFileLoader, name: str) -> object:
        if name in sources:
            return loader.source_to_code(sources[name].encode(), loader.get_filename(name))
        return usual(loader, name)

    SourceFileLoader.get_code = get_code
