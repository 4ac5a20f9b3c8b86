"""A disk that fails at any operation, and bits that flip: nothing is lost, and everything is said.

Three parts. Every operation of a save fails in every way, and the checkpoints before stay whole.
Whole runs meet a failing disk: they end with exit code 7, a message of at most six lines, and go on
to the same bits once the disk works. Of two checkpoints the newer one is damaged in 2,000 ways, and
each time the older one is found, and the newer one named.
"""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cohort.data import keyed
from cohort.data.checkpoints import Checkpoints, DamagedError
from cohort.data.disk import RealDisk
from proofs.command import main
from proofs.compare import differences
from proofs.forks import command, forked, import_everything
from proofs.kills import OPERATIONS
from proofs.small_runs import recipes

ERRORS = ("ENOSPC", "EIO", "EROFS", "EMFILE", "EDQUOT", "short write")
MOST_LINES = 6


class FailingDisk:
    """The real disk, except for one of its operations."""

    def __init__(self, at: int, error: str) -> None:
        self._real, self._left, self._error = RealDisk(), at, error
        self.failed = False

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self._real, name)

        def called(*arguments: Any) -> Any:
            self._left -= name in OPERATIONS
            if self._left or name not in OPERATIONS:
                return operation(*arguments)
            self.failed = True
            if self._error != "short write":
                raise OSError(getattr(errno, self._error), os.strerror(getattr(errno, self._error)))
            short = (arguments[0], arguments[1][:1]) if name == "write" else arguments
            return operation(*short)

        return called


def prove(short: bool, seed: int) -> dict[str, object]:
    """All three parts; the figures of each."""
    import_everything()
    generator = keyed.generator(seed, "faults")
    with tempfile.TemporaryDirectory() as name:
        saves = _every_operation(Path(name), ERRORS[:2] if short else ERRORS)
        runs = _whole_runs(Path(name), 4 if short else 40, generator)
        rot = _bit_rot(Path(name), 200 if short else 2000, generator)
    parts = {"operations of a save": saves, "whole runs": runs, "flipped bits": rot}
    return {
        "name": "failing disks and flipped bits",
        "asked": sum(asked for asked, _ in parts.values()),
        "held": sum(asked - len(bad) for asked, bad in parts.values()),
        **{what: f"{asked - len(bad)} of {asked}" for what, (asked, bad) in parts.items()},
        "failures": [one for _, bad in parts.values() for one in bad][:10],
    }


def _every_operation(folder: Path, errors: tuple[str, ...]) -> tuple[int, list[str]]:
    asked, bad = 0, []
    for error in errors:
        at = 0
        while True:
            at += 1
            where = folder / f"{error}-{at}"
            where.mkdir()
            checkpoints = _two(where)
            disk = FailingDisk(at, error)
            try:
                Checkpoints(where / "checkpoints", disk=disk).save(3, _content(3))
                raised = False
            except OSError:
                raised = True
            if not disk.failed:
                break
            asked += 1
            newest = checkpoints.numbers()[-1]
            whole = newest >= 2 and dict(checkpoints.read(newest).files) == _content(newest)
            if not whole or raised != (error != "short write"):
                bad.append(f"{error} at operation {at}: newest {newest}, raised {raised}")
    return asked, bad


def _whole_runs(folder: Path, count: int, generator: np.random.Generator) -> tuple[int, list[str]]:
    file = recipes(folder, steps=3)["grpo"]
    plain, bad = folder / "plain", []
    assert forked(partial(command, "train", str(file), "--run", str(plain))) == 0
    for number in range(count):
        run, log = folder / f"run-{number}", folder / f"run-{number}.log"
        error = ERRORS[number % (len(ERRORS) - 1)]
        arguments = ("train", str(file), "--run", str(run), "--quiet")
        at = int(generator.integers(1, 80))
        code = forked(partial(_failing, at, error, arguments), log=log)
        said = [line for line in log.read_text().splitlines() if not line.startswith("warning")]
        clear = code == 7 and len(said) <= MOST_LINES and "Traceback" not in "".join(said)
        again = forked(partial(command, *arguments))
        found = differences(plain, run) if again == 0 else [f"exit {again}"]
        if not clear or found:
            bad.append(f"{error} at {at}: exit {code}, {said[:2]}, then {found[:2]}")
    return count, bad


def _failing(at: int, error: str, arguments: tuple[str, ...]) -> int:
    count = [0]
    for name in OPERATIONS:
        real = getattr(RealDisk, name)

        def called(self: RealDisk, *given: Any, real: Any = real) -> Any:
            count[0] += 1
            if count[0] >= at:
                raise OSError(getattr(errno, error), os.strerror(getattr(errno, error)))
            return real(self, *given)

        setattr(RealDisk, name, called)
    return command(*arguments)


def _bit_rot(folder: Path, count: int, generator: np.random.Generator) -> tuple[int, list[str]]:
    where = folder / "rot"
    where.mkdir()
    checkpoints, bad = _two(where), []
    newest = where / "checkpoints" / "step-000002"
    files = sorted(newest.iterdir())
    for number in range(count):
        path = files[number % len(files)]
        data = path.read_bytes()
        path.write_bytes(_spoilt(data, number // len(files), generator))
        try:
            checkpoints.read(2)
            bad.append(f"damage {number} of {path.name} was not seen")
        except DamagedError as error:
            if dict(checkpoints.read(1).files) != _content(1) or not str(error):
                bad.append(f"damage {number}: {error}")
        path.write_bytes(data)
    assert checkpoints.read(2)
    return count, bad


def _spoilt(data: bytes, how: int, generator: np.random.Generator) -> bytes:
    """The data with a bit flipped, cut, grown, or with two different bytes exchanged."""
    at = int(generator.integers(len(data)))
    match how % 8:
        case 0:
            return data[:at]
        case 1:
            return data + b"\0"
        case 2:
            other = next(n for n in range(len(data)) if data[n] != data[at])
            swapped = bytearray(data)
            swapped[at], swapped[other] = data[other], data[at]
            return bytes(swapped)
    flipped = bytearray(data)
    flipped[at] ^= 1 << int(generator.integers(8))
    return bytes(flipped)


def _two(folder: Path) -> Checkpoints:
    checkpoints = Checkpoints(folder / "checkpoints", keep=2)
    checkpoints.prepare()
    for number in (1, 2):
        checkpoints.save(number, _content(number))
    return checkpoints


def _content(number: int) -> dict[str, bytes]:
    generator = keyed.generator(number, "content")
    return {name: generator.bytes(300) for name in ("model.safetensors", "state.json")}


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv, seed=1)))
