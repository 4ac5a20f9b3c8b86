"""What is run in a sandbox, within which limits, and what is told of it afterwards.

Everything that comes out is hostile: bytes within a cap, never a path, never an object.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

End = Literal[
    "exited", "signal", "refused", "stopped",
    "wall", "cpu", "memory", "output", "disk", "processes",
]  # fmt: skip
"""exited: by itself, with `code`. signal: killed by its own doing, `code` is the signal. refused: by
the kernel's filter. stopped: by us, its session was closed. The others name the limit that it ran into.
A program that we killed has the code 9. `disk`: it failed when what it may write was full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a program may use, all of its processes together.

    processes: with their threads. output_bytes: stdout and stderr. disk_bytes, files: what it may
    write beside the files it is given; in the tier "landlock" it may write none.
    """

    wall_seconds: float = 10.0
    cpu_seconds: float = 10.0
    memory_bytes: int = 512 * 2**20
    processes: int = 16
    output_bytes: int = 2**20
    disk_bytes: int = 64 * 2**20
    files: int = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Files of a work folder, by relative name, and the command that is run in it.

    command: its first word is an absolute path, or "python": the interpreter, isolated, without
    site-packages and with a fixed hash seed. The work folder is where it starts, and is not imported from.
    readable: folders and files that the program may read and run from beside the system's own.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    command: tuple[str, ...] = ("python", "main.py")
    environment: Mapping[str, str] = field(default_factory=dict)
    readable: tuple[Path, ...] = ()
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a program ended. Output is cut at the limit; `tier` names what contained it."""

    end: End
    code: int
    stdout: bytes
    stderr: bytes
    seconds: float
    peak_memory_bytes: int
    tier: str


def shown(content: bytes) -> str:
    """Output of a program as a terminal may be given it: what is no text, or moves a cursor, is escaped."""
    text = content.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    kept = (c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)
    return "".join(kept)
