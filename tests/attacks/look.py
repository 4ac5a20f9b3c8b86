"""What can be seen of a run from outside, while it runs: its processes, their memory, time and users."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Seen:
    """The most that was seen of one run."""

    memory_bytes: int = 0
    processes: int = 0
    seconds: dict[tuple[int, str], float] = field(default_factory=dict)
    """Processor time by process: its number and when it began."""
    as_root: bool = False

    @property
    def cpu_seconds(self) -> float:
        return sum(self.seconds.values())


def parents() -> dict[int, int]:
    """Every process of the machine and its parent."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := stat(int(name))):
            found[int(name)] = int(fields[1])
    return found


def stat(pid: int) -> list[str]:
    """What the kernel says of a process behind its name: state, parent...; nothing if it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_bytes().decode("latin-1").rpartition(")")[2].split()
    return []


def descendants(root: int, tree: dict[int, int] | None = None) -> set[int]:
    """All that come of a process, without itself; dead ones are left out."""
    tree = parents() if tree is None else tree
    found, edge = set(), {root}
    while edge:
        edge = {pid for pid, parent in tree.items() if parent in edge} - found
        found |= edge
    return {pid for pid in found if (fields := stat(pid)) and _lives(pid, fields)}


def _lives(pid: int, fields: list[str]) -> bool:
    """A dead process that still has other threads has lost its first one, and goes on."""
    return fields[0] not in "ZX" or len(threads(pid)) > 1


def look(root: int, seen: Seen, tree: dict[int, int], known: set[int]) -> None:
    """Look at what has come of a process, leaving out those that were there before."""
    pids = descendants(root, tree) - known
    memory = 0
    for pid in pids:
        fields = stat(pid)
        if fields:
            spent = (int(fields[11]) + int(fields[12])) / TICKS
            seen.seconds[pid, fields[19]] = spent
        memory += proportional(pid) or max(map(proportional, threads(pid)), default=0)
        with contextlib.suppress(OSError, IndexError):
            if b"main.py" in Path(f"/proc/{pid}/cmdline").read_bytes():
                status = Path(f"/proc/{pid}/status").read_text()
                seen.as_root |= status.partition("\nUid:")[2].split()[0] == "0"
    seen.memory_bytes = max(seen.memory_bytes, memory)
    seen.processes = max(seen.processes, len(pids))


def threads(pid: int) -> list[int]:
    """The threads of a process: without its first one, it shows its memory only through the others."""
    with contextlib.suppress(OSError):
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    return []


def proportional(pid: int) -> int:
    """The memory of a process, shared parts divided among those who share them."""
    with contextlib.suppress(OSError, IndexError):
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return 1024 * int(text.partition("\nPss:")[2].split()[0])
    with contextlib.suppress(OSError, IndexError):
        text = Path(f"/proc/{pid}/status").read_text()
        return 1024 * sum(
            int(text.partition(f"\n{name}:")[2].split()[0]) for name in ("RssAnon", "RssShmem")
        )
    return 0
