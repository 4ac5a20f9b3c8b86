"""Every state that a crash in the middle of a save can leave, and what is found in it.

The operations of several saves, with removals between them, are recorded. For every prefix of them a
folder is built as a power cut may leave it: everything kept, everything dropped that was not
synced, or torn, where each unsynced name and each unsynced byte range is there or not by chance.
Recovery must find exactly one saved checkpoint, whole, not older than the last save that returned.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cohort.data import disk, keyed
from cohort.data.checkpoints import Checkpoints, DamagedError
from proofs.command import main

TORN = 12
"""Torn states of each prefix."""

Files = dict[str, bytes]


@dataclass(slots=True)
class Node:
    """A file or a folder: what a reader sees, and what is on the disk for certain."""

    is_folder: bool
    data: bytes = b""
    synced: bytes = b""
    names: dict[str, Node] = field(default_factory=dict)
    durable: dict[str, Node] = field(default_factory=dict)
    pending: list[Callable[[dict[str, Node]], None]] = field(default_factory=list)
    """Changes of names since the last sync, in order; each happens whole or not at all."""

    def change(self, change: Callable[[dict[str, Node]], None]) -> None:
        """A change of names that a reader sees at once."""
        change(self.names)
        self.pending.append(change)


class RecordingDisk:
    """The real disk, and a model of what of it would survive; one model state per operation."""

    def __init__(self, root: Path, seen: Callable[[], None]) -> None:
        self._real, self._root, self._seen = disk.RealDisk(), root, seen
        self.top = Node(is_folder=True)
        self._open: dict[int, Node] = {}

    def make_folder(self, path: Path) -> None:
        node = Node(is_folder=True)
        self._parent(path).change(lambda names: names.__setitem__(path.name, node))
        self._real.make_folder(path)
        self._seen()

    def create(self, path: Path) -> int:
        node, parent = Node(is_folder=False), self._parent(path)
        parent.change(lambda names: names.__setitem__(path.name, node))
        file = self._real.create(path)
        self._open[file] = node
        self._seen()
        return file

    def write(self, file: int, data: memoryview) -> int:
        taken = self._real.write(file, data)
        self._open[file].data += bytes(data[:taken])
        self._seen()
        return taken

    def sync(self, file: int) -> None:
        self._open[file].synced = self._open[file].data
        self._real.sync(file)
        self._seen()

    def close(self, file: int) -> None:
        del self._open[file]
        self._real.close(file)
        self._seen()

    def sync_folder(self, path: Path) -> None:
        node = self._node(path)
        node.durable, node.pending = dict(node.names), []
        self._real.sync_folder(path)
        self._seen()

    def rename(self, source: Path, target: Path) -> None:
        def move(names: dict[str, Node]) -> None:
            if source.name in names:
                names[target.name] = names.pop(source.name)

        assert source.parent == target.parent, "all renames stay in their folder"
        self._parent(source).change(move)
        self._real.rename(source, target)
        self._seen()

    def remove(self, path: Path) -> None:
        self._parent(path).change(lambda names: names.pop(path.name, None) and None)
        self._real.remove(path)
        self._seen()

    def remove_folder(self, path: Path) -> None:
        self._parent(path).change(lambda names: names.pop(path.name, None) and None)
        self._real.remove_folder(path)
        self._seen()

    def free_bytes(self, path: Path) -> int:
        return self._real.free_bytes(path)

    def _parent(self, path: Path) -> Node:
        return self._node(path.parent)

    def _node(self, path: Path) -> Node:
        node = self.top
        for name in path.relative_to(self._root).parts:
            node = node.names[name]
        return node


def kept(node: Node, into: Path) -> None:
    """The folder as a reader sees it now: nothing is lost."""
    for name, child in node.names.items():
        if child.is_folder:
            (into / name).mkdir()
            kept(child, into / name)
        else:
            (into / name).write_bytes(child.data)


def dropped(node: Node, into: Path) -> None:
    """The folder without anything that was not synced."""
    for name, child in node.durable.items():
        if child.is_folder:
            (into / name).mkdir()
            dropped(child, into / name)
        else:
            (into / name).write_bytes(child.synced)


def torn(node: Node, into: Path, generator: np.random.Generator) -> None:
    """The folder with some of what was not synced: each change of a name, each end of a file."""
    names = dict(node.durable)
    for change in node.pending:
        if generator.random() < 0.5:
            change(names)
    for name, child in names.items():
        if child.is_folder:
            (into / name).mkdir()
            torn(child, into / name, generator)
            continue
        data = child.data
        if child.synced != data:
            data = data[: int(generator.integers(0, len(data) + 1))]
            if generator.random() < 0.3:
                data += bytes(len(child.data) - len(data))
        (into / name).write_bytes(data)


def prove(short: bool, seed: int) -> dict[str, object]:
    """Every prefix of the operations of several saves, with what was not synced kept, dropped, torn."""
    generator = keyed.generator(seed, "crashes")
    chunk, disk.CHUNK_BYTES = disk.CHUNK_BYTES, 97
    try:
        with tempfile.TemporaryDirectory() as name:
            states = list(
                _states(Path(name), generator, saves=3 if short else 5, every=4 if short else 1)
            )
    finally:
        disk.CHUNK_BYTES = chunk
    bad = [state for state in states if state[1]]
    return {
        "name": "crash states of saves and rotations",
        "asked": len(states),
        "held": len(states) - len(bad),
        "unreadable": sum("none" in why for _, why in bad),
        "mixed": sum("differs" in why for _, why in bad),
        "failures": bad[:10],
    }


def _states(
    folder: Path, generator: np.random.Generator, *, saves: int, every: int
) -> Iterator[tuple[str, str]]:
    """A name for each state, and what is wrong with it (empty where nothing is)."""
    root, saved = folder / "root", {}
    root.mkdir()
    acknowledged, operations = [0], [0]
    found: list[tuple[str, str]] = []

    def seen() -> None:
        operations[0] += 1
        if operations[0] % every:
            return
        where = f"operation {operations[0]}"
        found.append((f"{where} kept", _examine(folder, partial_kept, saved, acknowledged[0])))
        found.append(
            (f"{where} dropped", _examine(folder, partial_dropped, saved, acknowledged[0]))
        )
        for n in range(TORN):
            why = _examine(folder, partial_torn, saved, acknowledged[0])
            found.append((f"{where} torn {n}", why))

    recorder = RecordingDisk(root, seen)
    partial_kept = lambda into: kept(recorder.top, into)  # noqa: E731  # three ways to build a folder
    partial_dropped = lambda into: dropped(recorder.top, into)  # noqa: E731  # likewise
    partial_torn = lambda into: torn(recorder.top, into, generator)  # noqa: E731  # likewise
    checkpoints = Checkpoints(root / "checkpoints", keep=2, disk=recorder)
    checkpoints.prepare()
    for number in range(1, saves + 1):
        saved[number] = _content(generator, number)
        checkpoints.save(number, saved[number], healthy=number != saves - 1)
        acknowledged[0] = number
    yield from found


def _content(generator: np.random.Generator, number: int) -> Files:
    sizes = {"model.safetensors": 260, "optimizer.safetensors": 190, "state.json": 40}
    return {name: bytes([number]) + generator.bytes(size) for name, size in sizes.items()}


def _examine(
    folder: Path, build: Callable[[Path], None], saved: dict[int, Files], acknowledged: int
) -> str:
    """What is wrong with the folder that is built."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        build(Path(name))
        checkpoints = Checkpoints(Path(name) / "checkpoints")
        checkpoints.prepare()
        for number in reversed(checkpoints.numbers()):
            try:
                found = checkpoints.read(number)
            except DamagedError:
                continue
            if dict(found.files) != saved[number]:
                return f"step {number} differs from what was saved"
            if number < acknowledged:
                return f"step {number} is found where {acknowledged} had been saved"
            checkpoints.save(99, saved[number])
            return "" if checkpoints.read(99).files else "nothing can be saved afterwards"
        return f"none is found where {acknowledged} had been saved" if acknowledged else ""


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv, seed=1)))
