"""The checkpoints of a run: folders that are there whole or not at all.

    checkpoints/step-000200/   files as given, and manifest.json with the length and SHA-256 of each

One is written beside (`.new-...`), every file fsynced, the manifest last, the folder fsynced, renamed
into place, and the parent fsynced. Only then are old ones renamed to `.old-...` and removed. Loading
takes the newest whose every byte is as its manifest says, and falls back to the one before with a
reason. The manifest says whether a checkpoint is healthy; the newest healthy one is always kept.

Nothing here knows what the files are. No pickles: whoever reads them uses safetensors and JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cohort.data.disk import Disk, Pieces, RealDisk, pieces, remove_tree, write_file
from cohort.errors import StorageError

FORMAT = 1
MANIFEST = "manifest.json"
LONGEST_MANIFEST = 1 << 20
"""Bytes; a real one has some hundred for each file."""

_NAME = re.compile(r"step-(\d{6,12})")
_FILE = re.compile(r"[a-z][a-z0-9_.-]{0,60}")
NEW, OLD = ".new-", ".old-"
ROOM = 2.2
"""A save begins where there is this many times the space that it takes."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that was read: what it holds, byte for byte as it was saved."""

    number: int
    healthy: bool
    files: Mapping[str, bytes]


class DamagedError(Exception):
    """A checkpoint that is not what was saved; the message says how."""


class Checkpoints:
    """The checkpoints below one folder. One process at a time writes here."""

    def __init__(self, folder: Path, *, keep: int = 2, disk: Disk | None = None) -> None:
        """keep: how many of the newest stay, besides the newest healthy one."""
        assert keep >= 1, keep
        self._folder, self._keep, self._disk = folder, keep, disk or RealDisk()

    def prepare(self) -> None:
        """Make the folder, and remove what an interrupted save or removal left. Raises OSError."""
        if not self._folder.is_dir():
            self._disk.make_folder(self._folder)
            self._disk.sync_folder(self._folder.parent)
        for path in self._folder.iterdir():
            if path.name.startswith((NEW, OLD)) and path.is_dir() and not path.is_symlink():
                remove_tree(self._disk, path)

    def save(
        self, number: int, files: Mapping[str, bytes | Pieces], *, healthy: bool = True
    ) -> None:
        """Save a checkpoint of this number, then remove those that are not needed any more.

        When it returns the checkpoint survives a power cut. Raises OSError, or StorageError where
        there is too little space; whatever was there before is still there then.
        """
        self._check_room(sum(len(data) for data in files.values()))
        final, aside = self._path(number), self._folder / f"{NEW}{number:06d}"
        if aside.is_dir():
            remove_tree(self._disk, aside)
        self._disk.make_folder(aside)
        for name, data in files.items():
            assert _FILE.fullmatch(name), name
            write_file(self._disk, aside / name, data)
        manifest = _manifest(number, files, healthy)
        write_file(self._disk, aside / MANIFEST, manifest)
        self._disk.sync_folder(aside)
        if final.exists():  # saved before a rollback: what follows it will differ
            self._discard(final)
        self._disk.rename(aside, final)
        self._disk.sync_folder(self._folder)
        self._rotate()

    def numbers(self) -> list[int]:
        """The numbers of the checkpoints that are there, damaged ones included, ascending."""
        if not self._folder.is_dir():
            return []
        names = (_NAME.fullmatch(path.name) for path in self._folder.iterdir())
        return sorted(int(name[1]) for name in names if name)

    def read(self, number: int) -> Checkpoint:
        """A checkpoint, every byte verified. Raises DamagedError."""
        folder = self._path(number)
        if folder.is_symlink() or not folder.is_dir():
            raise DamagedError("it is not a folder")
        healthy, listed = _read_manifest(folder, number)
        there = {path.name for path in folder.iterdir()} - {MANIFEST}
        if there != set(listed):
            odd = sorted(there.symmetric_difference(listed))[0]
            raise DamagedError(f"{odd[:60]!r} is not in both its folder and its manifest")
        files = {name: _read_file(folder / name, *claim) for name, claim in listed.items()}
        return Checkpoint(number, healthy, files)

    def forget_after(self, number: int) -> None:
        """Remove the checkpoints with a higher number: what they lead to is not to happen."""
        for later in [n for n in self.numbers() if n > number]:
            self._discard(self._path(later))

    def _path(self, number: int) -> Path:
        return self._folder / f"step-{number:06d}"

    def _check_room(self, size: int) -> None:
        free = self._disk.free_bytes(self._folder)
        if free < size * ROOM:
            raise StorageError(
                f"a checkpoint of {size / 1e6:.1f} MB needs {size * ROOM / 1e6:.1f} MB of free space "
                f"below {self._folder}, and there are {free / 1e6:.1f} MB",
                "make room, then give the same command again: it goes on from the last checkpoint",
            )

    def _rotate(self) -> None:
        """Remove all but the newest, and of the healthy ones the newest."""
        numbers = self.numbers()
        kept = set(numbers[-self._keep :])
        healthy = next((n for n in reversed(numbers) if self._is_healthy(n)), None)
        for number in numbers:
            if number not in kept and number != healthy:
                self._discard(self._path(number))

    def _is_healthy(self, number: int) -> bool:
        try:
            return _read_manifest(self._path(number), number)[0]
        except DamagedError:
            return False

    def _discard(self, folder: Path) -> None:
        """Away in one step as far as a reader can see, then file by file."""
        aside = folder.with_name(f"{OLD}{folder.name}")
        if aside.is_dir():
            remove_tree(self._disk, aside)
        self._disk.rename(folder, aside)
        self._disk.sync_folder(self._folder)
        remove_tree(self._disk, aside)


def _manifest(number: int, files: Mapping[str, bytes | Pieces], healthy: bool) -> bytes:
    listed = {name: {"bytes": len(data), "sha256": _digest(data)} for name, data in files.items()}
    body = {"format": FORMAT, "number": number, "healthy": healthy, "files": listed}
    return canonical(body | {"sha256": hashlib.sha256(canonical(body)).hexdigest()})


def _digest(data: bytes | Pieces) -> str:
    found = hashlib.sha256()
    for piece in pieces(data):
        found.update(piece)
    return found.hexdigest()


def canonical(value: object) -> bytes:
    """JSON of which there is one form only: sorted keys, no spaces, no NaN."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8")


def _read_manifest(folder: Path, number: int) -> tuple[bool, dict[str, tuple[int, str]]]:
    """Whether it is healthy, and the length and hash of each file. Raises DamagedError."""
    data = _bytes_of(folder / MANIFEST, LONGEST_MANIFEST)
    try:
        read = json.loads(data)
        again = canonical(read)
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"{MANIFEST} is not JSON: {str(error)[:80]}") from error
    if not isinstance(read, dict) or again != data:
        raise DamagedError(f"{MANIFEST} is not as Cohort writes it")
    claimed = read.pop("sha256", None)
    if claimed != hashlib.sha256(canonical(read)).hexdigest():
        raise DamagedError(f"{MANIFEST} does not have its own hash")
    if read.get("format") != FORMAT:
        raise DamagedError(f"its format is {read.get('format')!r:.20}, not {FORMAT}")
    if read.get("number") != number:
        raise DamagedError(f"it says that it is number {read.get('number')!r:.20}")
    healthy, files = read.get("healthy"), read.get("files")
    if not isinstance(healthy, bool) or not isinstance(files, dict):
        raise DamagedError(f"{MANIFEST} lacks healthy or files")
    return healthy, {name: _claim(name, value) for name, value in files.items()}


def _claim(name: str, value: object) -> tuple[int, str]:
    if not _FILE.fullmatch(name) or name == MANIFEST:
        raise DamagedError(f"{name[:60]!r} is no name of a file of a checkpoint")
    if isinstance(value, dict) and set(value) == {"bytes", "sha256"}:
        size, digest = value["bytes"], value["sha256"]
        if isinstance(size, int) and not isinstance(size, bool) and isinstance(digest, str):
            return size, digest
    raise DamagedError(f"{MANIFEST} does not say bytes and sha256 of {name}")


def _read_file(path: Path, size: int, digest: str) -> bytes:
    data = _bytes_of(path, size)
    if len(data) != size:
        raise DamagedError(f"{path.name} has {len(data)} bytes of {size}")
    if hashlib.sha256(data).hexdigest() != digest:
        raise DamagedError(f"{path.name} does not have the hash that it was saved with")
    return data


def _bytes_of(path: Path, most: int) -> bytes:
    """An ordinary file's bytes, if there are at most so many; links are not followed."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise DamagedError(f"{path.name} cannot be read: {error.strerror}") from error
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise DamagedError(f"{path.name} is not an ordinary file")
        if found.st_size > most:
            raise DamagedError(f"{path.name} has {found.st_size} bytes, more than {most}")
        with open(file, "rb", closefd=False) as stream:
            return stream.read(found.st_size + 1)
    except OSError as error:
        raise DamagedError(f"{path.name} cannot be read: {error.strerror}") from error
    finally:
        os.close(file)
