"""The same recipe, over and over, in processes of their own: bit for bit the same run.

Each repeat has its own hash seed, sleeps at random moments (in scoring, sampling and saving), and
every other one is read by `cohort show` and `cohort report` all the time while it goes on.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from cohort.data import keyed
from proofs.command import main
from proofs.compare import differences
from proofs.small_runs import recipes

REPEATS, SHORT_REPEATS = 20, 3
CHILD = """
import random, sys, time
from cohort.data.disk import RealDisk
from cohort.train import collect, talk
from cohort.train.optim import Updater

chance = random.Random(int(sys.argv.pop(1)))
for owner, name in ((RealDisk, "sync"), (talk, "sample"), (collect, "score_groups"), (Updater, "update")):
    def slow(*given, real=getattr(owner, name), **more):
        time.sleep(chance.random() * 0.05)
        return real(*given, **more)
    setattr(owner, name, slow)
from cohort.cli.main import run
run()
"""
COHORT = "from cohort.cli.main import run; run()"


def prove(short: bool, seed: int) -> dict[str, object]:
    """20 repeats (short: 3) of each of two recipes against a plain run of it."""
    asked, failures = 0, []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for recipe, file in recipes(folder, steps=3, every=2).items():
            if recipe not in ("grpo", "updates"):
                continue
            plain = folder / f"plain-{recipe}"
            _child(COHORT, [], file, plain, hash_seed=0).wait()
            for number in range(SHORT_REPEATS if short else REPEATS):
                asked += 1
                run = folder / f"{recipe}-{number}"
                chance = keyed.digest(seed, "same seed", recipe, number) % 2**32
                child = _child(CHILD, [str(chance)], file, run, hash_seed=chance)
                while child.poll() is None and number % 2:
                    for look in ("show", "report"):
                        _quiet([sys.executable, "-c", COHORT, look, str(run)]).wait()
                found = [f"exit {child.returncode}"] if child.wait() else differences(plain, run)
                if found:
                    failures.append(f"{recipe} {number}: {found[:3]}")
    return {
        "name": "the same seed",
        "asked": asked,
        "held": asked - len(failures),
        "failures": failures[:10],
    }


def _child(
    code: str, first: list[str], file: Path, run: Path, *, hash_seed: int
) -> subprocess.Popen[bytes]:
    arguments = [*first, "train", str(file), "--run", str(run), "--quiet"]
    return _quiet([sys.executable, "-c", code, *arguments], {"PYTHONHASHSEED": str(hash_seed)})


def _quiet(
    command: list[str], environment: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv, seed=1)))
