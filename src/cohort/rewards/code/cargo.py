"""The Rust toolchain of this machine, and one run of cargo with it in the sandbox.

Every run has a work folder of its own, so that no candidate can leave anything for the next. What
all runs could share of a target folder is what cargo asks the compiler about itself (a second of
work); it is asked once, in a sandbox, about a source of ours, and each run is given a copy. Crates
are not to be had: there is no network, and a program has the standard library.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from cohort.errors import RewardError
from cohort.rewards.sandbox.program import Limits, Program, Report
from cohort.rewards.sandbox.sandbox import Sandbox

MANIFEST = b"""[package]
name = "answer"
version = "0.1.0"
edition = "2021"

[profile.dev]
debug = false
incremental = false
"""
LOCK = b'version = 4\n\n[[package]]\nname = "answer"\nversion = "0.1.0"\n'
KNOWLEDGE = "target/.rustc_info.json"
ASKING_SECONDS = 30.0
KNOWLEDGE_BYTES = 2**18


@dataclass(frozen=True, slots=True)
class Toolchain:
    """The folder of a toolchain, with `bin/cargo` and what it needs, and the linker that is used."""

    folder: Path
    linker: Path

    @property
    def cargo(self) -> str:
        """The program itself, not the one that chooses between toolchains."""
        return str(self.folder / "bin" / "cargo")


@lru_cache(maxsize=1)
def toolchain() -> Toolchain | str:
    """The toolchain that `rustc` on the PATH belongs to, or why there is none."""
    rustc = shutil.which("rustc") or shutil.which("rustc", path=str(Path.home() / ".cargo" / "bin"))
    if rustc is None:
        return "there is no Rust toolchain: no rustc on the PATH"
    linker = shutil.which("cc")
    if linker is None:
        return "there is no linker for Rust: no cc on the PATH"
    try:
        done = subprocess.run(
            [rustc, "--print", "sysroot"],
            capture_output=True,
            text=True,
            timeout=ASKING_SECONDS,
            check=True,
            cwd="/",
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"there is no Rust toolchain: rustc does not answer, {type(error).__name__}"
    folder = Path(done.stdout.strip())
    missing = [n for n in ("cargo", "cargo-clippy", "rustc") if not (folder / "bin" / n).is_file()]
    if missing:
        return f"the Rust toolchain has no {missing[0]}"
    return Toolchain(folder, Path(linker).resolve())


def ran(
    sandbox: Sandbox, found: Toolchain, source: str, *words: str, seconds: float, memory: int
) -> Report:
    """Run `cargo WORDS` on a library with this source, in a folder that nothing else has seen."""
    known = _knowledge(sandbox, found)
    files = {"src/lib.rs": source.encode("utf-8", "surrogatepass")} | (
        {KNOWLEDGE: known} if known else {}
    )
    return sandbox.run(_program(found, files, words, seconds, memory))


def _program(
    found: Toolchain, files: dict[str, bytes], words: tuple[str, ...], seconds: float, memory: int
) -> Program:
    first, *rest = words
    return Program(
        files={"Cargo.toml": MANIFEST, "Cargo.lock": LOCK, **files},
        command=(found.cargo, first, "--offline", "--locked", *rest),
        environment={
            "PATH": f"{found.folder / 'bin'}{os.pathsep}/usr/bin:/bin",
            "CARGO_HOME": "/tmp/cargo",
            "CARGO_BUILD_JOBS": "1",
            "CARGO_TERM_COLOR": "never",
            "CARGO_NET_OFFLINE": "true",
            "RUSTFLAGS": f"-Clinker={found.linker}",
        },
        readable=(found.folder,),
        limits=Limits(
            wall_seconds=seconds,
            cpu_seconds=seconds * 2,
            memory_bytes=memory,
            processes=64,
            disk_bytes=256 * 2**20,
            files=4096,
        ),
    )


@lru_cache(maxsize=4)
def _knowledge(sandbox: Sandbox, found: Toolchain) -> bytes:
    """What cargo found out about this compiler while it built an empty library. Raises RewardError."""
    commands = [f"{found.cargo} {word} --offline --lib >&2" for word in ("build", "test", "clippy")]
    script = " && ".join([*commands, f"cat {KNOWLEDGE}"])
    program = _program(found, {"src/lib.rs": b""}, ("build",), ASKING_SECONDS * 2, 2**31)
    report = sandbox.run(replace(program, command=("/bin/sh", "-c", script)))
    if report.end != "exited" or report.code:
        last = report.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise RewardError(
            f"cargo does not run in the sandbox ({sandbox.tier}): {report.end}, {last[:200]}",
            "it has to start processes; try `cargo build` on an empty library",
        )
    return report.stdout if len(report.stdout) <= KNOWLEDGE_BYTES else b""
