"""Checkpoints are there whole or not at all, whatever the disk does."""

import errno
import os

import pytest

from cohort.data.checkpoints import Checkpoints, DamagedError
from cohort.data.disk import RealDisk
from cohort.errors import StorageError
from proofs import crashes

FILES = {"model.safetensors": b"weights", "state.json": b"{}"}


def _saved(folder, numbers, **options):
    folder.mkdir(exist_ok=True)
    checkpoints = Checkpoints(folder / "checkpoints", **options)
    checkpoints.prepare()
    for number, healthy in numbers:
        checkpoints.save(number, FILES | {"state.json": str(number).encode()}, healthy=healthy)
    return checkpoints


def test_what_was_saved_is_read_byte_for_byte(tmp_path):
    found = _saved(tmp_path, [(7, True)]).read(7)
    assert (found.number, found.healthy) == (7, True)
    assert dict(found.files) == FILES | {"state.json": b"7"}


def test_the_newest_stay_and_the_newest_healthy_one(tmp_path):
    checkpoints = _saved(tmp_path, [(1, True), (2, True), (3, False), (4, False), (5, False)])
    assert checkpoints.numbers() == [2, 4, 5]
    checkpoints.save(6, FILES)
    assert checkpoints.numbers() == [5, 6]


def test_leftovers_of_an_interrupted_save_are_removed(tmp_path):
    checkpoints = _saved(tmp_path, [(1, True)])
    (tmp_path / "checkpoints" / ".new-000002").mkdir()
    (tmp_path / "checkpoints" / ".old-step-000000").mkdir()
    checkpoints.prepare()
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-000001"]


def test_every_state_that_a_crash_can_leave_has_a_whole_checkpoint():
    result = crashes.prove(short=True, seed=1)
    assert result["asked"] >= 250
    assert result["failures"] == []


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda f: (f / "state.json").write_bytes(b"8"), "state.json does not have the hash"),
        (lambda f: (f / "state.json").write_bytes(b""), "state.json has 0 bytes of 1"),
        (lambda f: (f / "state.json").write_bytes(b"77"), "state.json has 2 bytes, more than 1"),
        (lambda f: (f / "state.json").unlink(), "is not in both"),
        (lambda f: (f / "other").write_bytes(b""), "'other' is not in both"),
        (lambda f: (f / "manifest.json").write_bytes(b"{}"), "does not have its own hash"),
        (lambda f: (f / "manifest.json").write_bytes(b"[" * 99999), "is not JSON"),
        (lambda f: (f / "manifest.json").write_bytes(b" " * (1 << 21)), "more than 1048576"),
    ],
)
def test_anything_else_is_damaged_and_says_how(tmp_path, spoil, why):
    checkpoints = _saved(tmp_path, [(7, True)])
    spoil(tmp_path / "checkpoints" / "step-000007")
    with pytest.raises(DamagedError, match=why):
        checkpoints.read(7)


def test_links_and_pipes_are_not_followed(tmp_path):
    checkpoints = _saved(tmp_path, [(7, True), (8, True)])
    outside = tmp_path / "outside"
    outside.write_bytes(b"7")
    for number, make in ((7, lambda path: path.symlink_to(outside)), (8, os.mkfifo)):
        path = tmp_path / "checkpoints" / f"step-{number:06d}" / "state.json"
        path.unlink()
        make(path)
        with pytest.raises(DamagedError, match=r"state\.json"):
            checkpoints.read(number)


class FailingDisk:
    """The real disk until its operation of a number, which fails."""

    def __init__(self, at: int, error: int) -> None:
        self._real, self._left, self._error = RealDisk(), at, error

    def __getattr__(self, name):
        operation = getattr(self._real, name)

        def called(*arguments):
            self._left -= 1
            if self._left == 0 and name == "write" and self._error == 0:
                return operation(arguments[0], arguments[1][:1])  # a short write is no error
            if self._left == 0 and self._error:
                raise OSError(self._error, os.strerror(self._error))
            return operation(*arguments)

        return called


@pytest.mark.parametrize("error", [errno.ENOSPC, 0])
def test_an_operation_that_fails_loses_no_earlier_checkpoint(tmp_path, error):
    failed = 0
    for at in range(1, 26):
        checkpoints = _saved(tmp_path / str(at), [(1, True), (2, True), (3, True)])
        failing = Checkpoints(tmp_path / str(at) / "checkpoints", disk=FailingDisk(at, error))
        try:
            failing.save(4, FILES)
        except OSError:
            failed += 1
        newest = max(checkpoints.numbers())
        assert newest >= 3
        assert checkpoints.read(newest).files["model.safetensors"] == b"weights"
        checkpoints.prepare()
        checkpoints.save(5, FILES)
        assert checkpoints.read(5)
    assert failed == (23 if error else 0), "each operation of a save fails once"


def test_without_room_nothing_is_begun(tmp_path):
    class Full:
        def __getattr__(self, name):
            return (lambda path: 10) if name == "free_bytes" else getattr(RealDisk(), name)

    _saved(tmp_path, [(1, True)])
    with pytest.raises(StorageError, match="free space"):
        Checkpoints(tmp_path / "checkpoints", disk=Full()).save(2, FILES)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-000001"]
