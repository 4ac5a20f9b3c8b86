"""Code run as an ordinary user, in a fresh interpreter: what root's tests cannot see by themselves."""

import os
import subprocess
import sys
from pathlib import Path

import cohort
from cohort.rewards.sandbox import kernel
from cohort.rewards.sandbox.starter import interpreter

NOBODY = 65534
SOURCE = Path(cohort.__file__).parents[1]
TESTS = Path(__file__).parents[3]


def run_as_nobody(code: str) -> str:
    """What some code prints that runs as somebody who is not root."""
    first = "from tests.rewards.sandbox.nobody import become_nobody; become_nobody()\n"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", first + code],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd="/",
        env={"PYTHONPATH": f"{SOURCE}:{TESTS}", "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def become_nobody() -> None:
    """Stop being root; a Python in a home folder that nobody else can enter is shown where it is."""
    if os.geteuid() == 0:
        python = Path(interpreter()).parents[1]
        closed = [f for f in reversed(python.parents) if not f.stat().st_mode & 0o1]
        if closed:
            _show(str(python), str(closed[0]))
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    for place in (interpreter(), __file__, kernel.__file__):
        assert os.access(place, os.R_OK), f"{place} cannot be read by user {os.geteuid()}"


def _show(folder: str, closed: str) -> None:
    kernel.call("unshare", kernel.CLONE_NEWNS)
    kernel.mount("", "/", kernel.MS_REC | kernel.MS_PRIVATE)
    tree = kernel.open_tree(folder)
    kernel.mount("tmpfs", closed, kernel.MS_NOSUID, "mode=755")
    os.makedirs(folder)
    kernel.attach(tree, folder)
