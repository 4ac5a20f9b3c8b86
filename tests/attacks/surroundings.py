"""What lies around an attack: secrets, servers, other processes; and whether any of it came to harm.

Each attack has surroundings of its own, so that what is found afterwards can only be its doing.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import hashlib
import json
import os
import secrets
import shutil
import socket
from pathlib import Path

from cohort.rewards.sandbox.program import Limits
from tests.attacks.neighbour import Neighbour, new_secret

SECRETS = ("diary", "notes.txt", ".netrc")
LIMITS = Limits(
    wall_seconds=4.0,
    cpu_seconds=3.0,
    memory_bytes=256 * 2**20,
    processes=16,
    output_bytes=2**20,
    disk_bytes=16 * 2**20,
    files=1024,
)


def key_of(place: Path) -> int:
    """The first of 64 System V keys that belong to the attack of a folder."""
    return 0x40000000 + 64 * int(hashlib.sha256(bytes(place)).hexdigest()[:5], 16)


def clear(place: Path) -> None:
    """Take away what is left of an attack's surroundings, also where who made them has died."""
    shutil.rmtree(place)
    libc = ctypes.CDLL(None)
    if (segment := libc.shmget(key_of(place), 64, 0)) >= 0:
        libc.shmctl(segment, 0, None)


class Surroundings:
    """Everything around one attack, in an empty folder. `harm` says what came of it."""

    def __init__(self, place: Path, sandbox_user: int | None) -> None:
        self.mark = f"attack{secrets.token_hex(6)}"
        self.folder, self.shared = place / "around", place / "shared"
        self.folder.mkdir()
        self.shared.mkdir()
        self.shm_key = key_of(place)
        self.home, self.outside, self.tmp = (self.folder / n for n in ("home", "outside", "tmp"))
        self.library = self.shared / "library"
        for folder in (self.home, self.outside, self.tmp, self.library, self.home / ".ssh"):
            folder.mkdir()
        self.secrets = {
            name: new_secret() for name in ("private", "public", "group", "environment")
        }
        self._write_files()
        self._listen()
        users = [None] if sandbox_user is None else [None, sandbox_user]
        self.neighbours = [Neighbour(self.outside, self.library, user) for user in users]
        for number, neighbour in enumerate(self.neighbours):
            self.secrets |= {f"neighbour {number}.{n}": s for n, s in enumerate(neighbour.secrets)}
        os.environ["ATTACK_TOKEN"] = self.secrets["environment"]
        self.inherited = os.open(self.secret, os.O_RDONLY)
        os.set_inheritable(self.inherited, True)
        self._shares_memory()
        self._before = self._files()

    def _write_files(self) -> None:
        self.secret, self.public = self.outside / "private", self.outside / "public"
        self.of_group = self.outside / "of_group"
        files = {self.secret: "private", self.public: "public", self.of_group: "group"}
        files |= {self.home / ".ssh" / "id_ed25519": "private"}
        files |= {
            folder / name: "public" for name in SECRETS for folder in (self.home, self.outside)
        }
        for path, kind in files.items():
            path.write_text(self.secrets[kind])
            path.chmod({"private": 0o600, "public": 0o644, "group": 0o640}[kind])
        (self.library / "library.py").write_text("VALUE = 42\n")
        (self.library / "link").symlink_to(self.public)
        (self.shared / f"{self.mark}-secret").write_text(self.secrets["public"])
        self.link = self.outside / "link"
        self.link.symlink_to(self.secrets["public"])
        with contextlib.suppress(OSError):  # not every file system has attributes
            os.setxattr(self.public, "user.note", self.secrets["public"].encode())
        self.script, self.program = self.outside / "grader.py", self.outside / "program"
        self.script.write_text("raise SystemExit(0)\n")
        self.program.write_text("#!/bin/sh\necho; echo ESCAPED: a program outside was run\n")
        self.program_binary = self.outside / "shell"
        shutil.copy("/bin/sh", self.program_binary)
        for path in (self.script, self.program, self.program_binary):
            path.chmod(0o755)

    def _listen(self) -> None:
        self.unix_path, self.unix_datagram_path = self.outside / "stream", self.outside / "datagram"
        places: list[tuple[int, int, str, object]] = [
            (socket.AF_INET, socket.SOCK_STREAM, "TCP", ("127.0.0.1", 0)),
            (socket.AF_INET, socket.SOCK_DGRAM, "UDP", ("127.0.0.1", 0)),
            (socket.AF_UNIX, socket.SOCK_STREAM, "abstract", f"\0{self.mark}"),
            (socket.AF_UNIX, socket.SOCK_DGRAM, "abstract datagram", f"\0{self.mark}-datagram"),
            (socket.AF_UNIX, socket.SOCK_STREAM, "path", str(self.unix_path)),
            (socket.AF_UNIX, socket.SOCK_DGRAM, "path datagram", str(self.unix_datagram_path)),
        ]
        self.servers: dict[str, socket.socket] = {}
        for family, kind, name, address in places:
            server = self.servers[name] = socket.socket(family, kind)
            server.bind(address)
            server.setblocking(False)
            if kind == socket.SOCK_STREAM:
                server.listen()
        for path in (self.unix_path, self.unix_datagram_path):
            path.chmod(0o777)
        with socket.socket() as spare:
            spare.bind(("127.0.0.1", 0))
            self.free_port = spare.getsockname()[1]

    def _shares_memory(self) -> None:
        self.secrets["segment"] = new_secret()
        libc = ctypes.CDLL(None)
        libc.shmat.restype = ctypes.c_void_p
        self._segment = libc.shmget(self.shm_key, 64, 0o1644)
        address = ctypes.c_void_p(libc.shmat(self._segment, None, 0))
        ctypes.memmove(address, self.secrets["segment"].encode(), len(self.secrets["segment"]))
        libc.shmdt(address)

    def told(self, turn: int) -> bytes:
        """What an attack is told: where everything is, and no secret."""
        names = "mark link home outside tmp library secret public of_group script program program_binary"
        words = {name: str(getattr(self, name)) for name in names.split()}
        words |= {"unix_path": str(self.unix_path), "abstract": self.mark}
        words |= {"unix_datagram_path": str(self.unix_datagram_path)}
        more = {
            "turn": turn,
            "secrets": SECRETS,
            "abstract_datagram": f"{self.mark}-datagram",
            "tcp_port": self.servers["TCP"].getsockname()[1],
            "udp_port": self.servers["UDP"].getsockname()[1],
            "free_port": self.free_port,
            "shm_key": self.shm_key,
            "user": os.getuid(),
            "pids": [neighbour.pid for neighbour in self.neighbours] + [os.getpid()],
            "victims": [{"pid": n.pid, "address": n.address} for n in self.neighbours],
            "passwd_sha256": hashlib.sha256(Path("/etc/passwd").read_bytes()).hexdigest(),
        }
        return json.dumps(words | more | dataclasses.asdict(LIMITS)).encode()

    def harm(self, output: bytes) -> list[str]:
        """Everything that shows that something came out or something was touched."""
        found = [
            f"the output holds the secret {n}"
            for n, s in self.secrets.items()
            if s.encode() in output
        ]
        for name, server in self.servers.items():
            with contextlib.suppress(BlockingIOError):
                server.recv(64) if server.type == socket.SOCK_DGRAM else server.accept()
                found.append(f"the server {name} was reached")
        for neighbour in self.neighbours:
            found += neighbour.harm()
        after = self._files()
        found += [
            f"{p} was {'changed' if p in after else 'taken'}"
            for p in self._before
            if after.get(p) != self._before[p]
        ]
        found += [f"{path} was made" for path in after if path not in self._before]
        return found + self._dropped()

    def end(self) -> None:
        """End the processes and servers; `clear` takes the folder away."""
        for neighbour in self.neighbours:
            neighbour.end()
        for server in self.servers.values():
            server.close()
        os.close(self.inherited)

    def _dropped(self) -> list[str]:
        found = []
        for folder in (
            "/tmp",
            "/var/tmp",
            "/dev/shm",
            "/run",
            "/",
            "/home",
            os.getcwd(),
            Path.home(),
        ):
            with contextlib.suppress(OSError):
                found += [
                    f"{folder}/{name} was made" for name in os.listdir(folder) if self.mark in name
                ]
        for name in ("shm", "sem", "msg"):
            for line in Path("/proc/sysvipc", name).read_text().splitlines()[1:]:
                key = int(line.split()[0])
                if self.shm_key < key < self.shm_key + 64:
                    found.append(f"a System V {name} was left")
                    self._remove(name, int(line.split()[1]))
        return found

    def _remove(self, kind: str, number: int) -> None:
        libc = ctypes.CDLL(None)
        {"shm": libc.shmctl, "msg": libc.msgctl, "sem": libc.semctl}[kind](number, 0, 0)

    def _files(self) -> dict[str, tuple]:
        found = {}
        for path in sorted((*self.folder.rglob("*"), *self.shared.rglob("*"))):
            status = path.lstat()
            content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            marks = () if path.is_symlink() else tuple(os.listxattr(path))
            times = () if path.is_dir() else (status.st_mtime_ns, status.st_nlink)
            digest = hashlib.sha256(content).hexdigest()
            found[str(path)] = (
                digest,
                status.st_mode,
                status.st_uid,
                *times,
                marks,
            )
        return found
