"""The operations of the operating system that saving consists of, and how bytes become durable.

A file exists for certain once its bytes are fsynced, it is renamed into place, and its folder is
fsynced: a crash before leaves what was there before (Pillai et al. 2014, "All File Systems Are Not
Created Equal", OSDI). `Disk` is a protocol so that a test can fail, cut or lose any single operation.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, final

from cohort.errors import StorageError

CHUNK_BYTES = 1 << 22
"""The most bytes of one write call."""


class Disk(Protocol):
    """What is asked of the operating system; each method is one call, and raises OSError."""

    def make_folder(self, path: Path) -> None:
        """mkdir; the parent exists, the folder does not."""

    def create(self, path: Path) -> int:
        """open for writing, a new file or an emptied one; a file descriptor."""

    def write(self, file: int, data: memoryview) -> int:
        """write; the number of bytes that were taken."""

    def sync(self, file: int) -> None:
        """fsync of a file."""

    def close(self, file: int) -> None:
        """close."""

    def sync_folder(self, path: Path) -> None:
        """fsync of a folder: the names in it."""

    def rename(self, source: Path, target: Path) -> None:
        """rename; a file in the way is replaced, atomically."""

    def remove(self, path: Path) -> None:
        """unlink of a file."""

    def remove_folder(self, path: Path) -> None:
        """rmdir of an empty folder."""

    def free_bytes(self, path: Path) -> int:
        """What may still be written below a folder."""


@final
class RealDisk:
    """The operating system."""

    def make_folder(self, path: Path) -> None:
        """See Disk."""
        os.mkdir(path)

    def create(self, path: Path) -> int:
        """See Disk."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)

    def write(self, file: int, data: memoryview) -> int:
        """See Disk."""
        return os.write(file, data)

    def sync(self, file: int) -> None:
        """See Disk."""
        os.fsync(file)

    def close(self, file: int) -> None:
        """See Disk."""
        os.close(file)

    def sync_folder(self, path: Path) -> None:
        """See Disk."""
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def rename(self, source: Path, target: Path) -> None:
        """See Disk."""
        os.rename(source, target)

    def remove(self, path: Path) -> None:
        """See Disk."""
        os.unlink(path)

    def remove_folder(self, path: Path) -> None:
        """See Disk."""
        os.rmdir(path)

    def free_bytes(self, path: Path) -> int:
        """See Disk."""
        return shutil.disk_usage(path).free


class Pieces(Protocol):
    """The bytes of a file one piece after another, the same each time: it need not be in memory whole."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[memoryview]: ...


def pieces(data: bytes | Pieces) -> Iterator[memoryview]:
    """What a file holds, whether it is there whole or comes in pieces."""
    return iter((memoryview(data),) if isinstance(data, bytes) else data)


def write_file(disk: Disk, path: Path, data: bytes | Pieces) -> None:
    """A file with these bytes, fsynced; its name is durable once its folder is."""
    file = disk.create(path)
    try:
        for left in pieces(data):
            while left:
                left = left[disk.write(file, left[:CHUNK_BYTES]) :]
        disk.sync(file)
    finally:
        disk.close(file)


def replace_file(disk: Disk, path: Path, data: bytes) -> None:
    """The file with these bytes, or as it was: never anything between."""
    aside = path.with_name(f".{path.name}.part")
    write_file(disk, aside, data)
    disk.rename(aside, path)
    disk.sync_folder(path.parent)


def remove_tree(disk: Disk, folder: Path) -> None:
    """Remove a folder and the files in it; links are removed, not followed."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            remove_tree(disk, path)
        else:
            disk.remove(path)
    disk.remove_folder(folder)


@contextmanager
def refusing(doing: str) -> Iterator[None]:
    """Turn an OSError inside into the StorageError that says what was being done."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise StorageError(
            f"{doing} failed: {error.strerror or error}{where}",
            "make room or mend the disk, then give the same command again: it goes on from the "
            "last checkpoint, which is intact",
        ) from error
