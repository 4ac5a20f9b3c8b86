"""The same attacks as an ordinary user: from root, in a new interpreter that has dropped to one.

What it needs to read is copied to a folder for everybody, because the source may lie where it cannot go.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

USER = 12345
ROOT = Path(__file__).parents[2]


def run_as_user(folder: Path, words: list[str]) -> int:
    """Run `python -m tests.attacks` with these words as an ordinary user; its exit code."""
    words = [word for word in words if word != "--as-user"]
    if os.geteuid():
        return subprocess.run(
            [sys.executable, "-m", "tests.attacks", *words], check=False
        ).returncode
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        place.chmod(0o755)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "src" / "cohort", place / "cohort", ignore=ignored)
        shutil.copytree(ROOT / "tests" / "attacks", place / "tests" / "attacks", ignore=ignored)
        (place / "tests" / "__init__.py").touch()
        if str(folder) in words:
            shutil.copytree(folder, place / "given", ignore=ignored)
            words[words.index(str(folder))] = str(place / "given")
        (place / "home").mkdir()
        os.chown(place / "home", USER, USER)
        done = subprocess.run(
            [interpreter(), "-m", "tests.attacks", *words],
            cwd=place,
            env={"PATH": os.defpath, "HOME": str(place / "home"), "PYTHONDONTWRITEBYTECODE": "1"},
            user=USER,
            group=USER,
            extra_groups=[],
            check=False,
        )
    return done.returncode


def interpreter() -> str:
    """A Python 3.11 or later that everybody can run. Raises FileNotFoundError."""
    for path in (os.path.realpath(sys.executable), *map(shutil.which, ("python3", "python3.11"))):
        if path and _everybody_can_run(path):
            return path
    for path in ("/usr/bin/python3", "/usr/local/bin/python3"):
        if _everybody_can_run(path):
            return path
    raise FileNotFoundError("there is no Python 3.11 that an ordinary user could run")


def _everybody_can_run(path: str) -> bool:
    ask = "import sys; raise SystemExit(sys.version_info < (3, 11))"
    try:
        done = subprocess.run(
            [path, "-I", "-S", "-c", ask],
            user=USER,
            group=USER,
            extra_groups=[],
            cwd="/",
            env={},
            check=False,
        )
    except OSError:
        return False
    return done.returncode == 0
