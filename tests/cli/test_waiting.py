"""Threads sleep where other programs are busy, and spin where none is."""

import os
import subprocess
import sys

import pytest

from cohort.cli import waiting


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("share", "expected"), [(0.5, "0"), (0.01, None)])
def test_threads_sleep_only_where_others_are_busy(monkeypatch, share, expected):
    monkeypatch.setattr(waiting, "busy_share", lambda seconds: share)
    waiting.choose_waiting()
    assert os.environ.get("GOMP_SPINCOUNT") == expected


def test_what_the_user_has_set_is_left_alone(monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    monkeypatch.setattr(waiting, "busy_share", lambda seconds: 1.0)
    waiting.choose_waiting()
    assert "GOMP_SPINCOUNT" not in os.environ


@pytest.mark.skipif(not os.path.exists("/proc/stat"), reason="the system does not say what it does")
def test_a_busy_program_is_seen():
    program = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        assert waiting.busy_share(0.5) > 0.5 / (os.cpu_count() or 1)
    finally:
        program.kill()
        program.wait()
