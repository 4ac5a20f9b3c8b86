"""Programs that try to get out do not: some of them in the default run, all of them where there is time."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cohort.errors import RewardError
from tests.attacks.__main__ import PROGRAMS
from tests.attacks.expected import KNOWN
from tests.attacks.tested import opened

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.stem for path in PROGRAMS.glob("*.py"))
SAMPLE = [
    "abstract_unix", "daemonize", "fork_bomb", "getxattr_outside", "inherited_fd", "kill_victim",
    "lock_library", "leader_gone", "memfd_many", "ordinary_ok", "output_flood", "own_memory",
    "pid_hopper", "proc_scan_environ", "ptrace_victim", "read_secret_home", "segv_at_exit", "status_spoof",
    "symlink_tree", "tcp_localhost", "userns", "write_outside", "x32_abi",
]  # fmt: skip
"""A few of each kind, among them none that takes its whole time."""


def attack(*words: str, seconds: float = 120.0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.attacks", *words],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=seconds,
    )  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _there_is_a_sandbox() -> None:
    try:
        opened("")
    except RewardError as error:
        pytest.skip(f"{error}")


def test_an_attack_says_what_it_tries_and_what_containing_it_means() -> None:
    for name in NAMES:
        said = ast.get_docstring(ast.parse((PROGRAMS / f"{name}.py").read_text()))
        assert said, name
        assert "Contained: " in said, name


def test_there_are_more_attacks_than_were_listed() -> None:
    assert len(NAMES) >= 155
    assert set(SAMPLE) <= set(NAMES)
    assert set().union(*KNOWN.values()) <= set(NAMES)


def test_a_sample_of_the_attacks_is_contained() -> None:
    done = attack("--only", *SAMPLE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("contained") == len(SAMPLE) + 1


def test_a_folder_of_attacks_by_others_can_be_tried(tmp_path: Path) -> None:
    (tmp_path / "held.py").write_text("open('/etc/shadow')\n")
    (tmp_path / "out.py").write_text("print('ESCAPED: in words')\n")
    done = attack(str(tmp_path))
    assert done.returncode == 1
    assert "1 ESCAPED, 1 contained" in done.stdout


def test_a_folder_without_attacks_is_no_success(tmp_path: Path) -> None:
    assert attack(str(tmp_path)).returncode == 1


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("user", ["", "--as-user"])
@pytest.mark.parametrize("tier", ["namespaces", "landlock"])
def test_every_attack_is_contained(tier: str, user: str) -> None:
    if user and os.geteuid():
        pytest.skip("this is an ordinary user already")
    done = attack("--tier", tier, *user.split(), seconds=1700)
    if done.returncode == 2:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
