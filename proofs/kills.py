"""kill -9 at random moments and inside saves: the same command given again ends at the same bits.

Each run is killed several times, some at a random time, some at a random operation of a save, and
the same command is given again until it ends by itself. Weights, optimizer and run.db (times aside)
are then compared with those of a run that was never stopped. Children are forked from a process
that has imported everything, so that a run takes a second and not five.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from cohort.data import keyed
from cohort.data.disk import RealDisk
from proofs.command import main
from proofs.compare import differences
from proofs.forks import command, die, forked, import_everything, watch
from proofs.small_runs import recipes

OPERATIONS = ("make_folder", "create", "write", "sync", "close", "sync_folder", "rename", "remove")
KILLS_A_RUN, KILLS_A_SHORT_RUN = 5, 3


def prove(short: bool, seed: int) -> dict[str, object]:
    """300 kills, 120 of them inside saves (short: 20 and 8); all must end at the same bits."""
    import_everything()
    wanted = {"inside a save": 8 if short else 120, "any moment": 12 if short else 180}
    with tempfile.TemporaryDirectory() as name:
        return _Kills(Path(name), seed, wanted, KILLS_A_SHORT_RUN if short else KILLS_A_RUN).all()


class _Kills:
    def __init__(self, folder: Path, seed: int, wanted: dict[str, int], each: int) -> None:
        self._folder, self._wanted, self._each = folder, wanted, each
        self._files = recipes(folder)
        self._generator = keyed.generator(seed, "kills")
        self._made = dict.fromkeys(wanted, 0)
        self._equal = 0
        self._failures: list[str] = []
        self._by_recipe = dict.fromkeys(self._files, 0)

    def all(self) -> dict[str, object]:
        seconds, operations = {}, {}
        for name, file in self._files.items():
            counted = self._folder / f"{name}.count"
            began = time.monotonic()
            code = forked(lambda f=file, n=name, c=counted: _counted(f, self._plain(n), c))
            seconds[name] = time.monotonic() - began
            assert code == 0, f"{name} does not run: {code}"
            operations[name] = int(counted.read_text())
        number = 0
        while any(self._made[how] < self._wanted[how] for how in self._made):
            name = list(self._files)[number % len(self._files)]
            self._one(name, number, seconds[name], operations[name])
            number += 1
        return {
            "name": "kill -9",
            "asked": sum(self._made.values()),
            "held": self._equal,
            "inside a save": self._made["inside a save"],
            "runs": number,
            "kills by recipe": self._by_recipe,
            "seconds of an unkilled run": {n: round(s, 2) for n, s in seconds.items()},
            "failures": self._failures[:10],
        }

    def _plain(self, name: str) -> Path:
        return self._folder / f"plain-{name}"

    def _one(self, name: str, number: int, seconds: float, operations: int) -> None:
        run = self._folder / f"run-{number}"
        kills = 0
        while kills < self._each:
            left = {how: self._wanted[how] - made for how, made in self._made.items()}
            hows = [how for how, count in left.items() if count > 0]
            if not hows:
                break
            how = hows[int(self._generator.integers(len(hows)))]
            code = self._kill(how, name, run, seconds, operations)
            if code != -signal.SIGKILL:
                if code != 0:
                    self._failures.append(f"{name} run {number}: exit {code} after {kills} kills")
                break
            kills += 1
            self._made[how] += 1
            self._by_recipe[name] += 1
        code = forked(lambda: command("train", str(self._files[name]), "--run", str(run)))
        found = differences(self._plain(name), run) if code == 0 else [f"exit {code}"]
        if found:
            self._failures.append(f"{name} run {number} after {kills} kills: {found[:3]}")
        else:
            self._equal += kills

    def _kill(self, how: str, name: str, run: Path, seconds: float, operations: int) -> int:
        arguments = ("train", str(self._files[name]), "--run", str(run))
        if how == "any moment":
            delay = float(self._generator.uniform(0.05, 0.8)) * seconds
            return forked(lambda: command(*arguments), kill_after=delay)
        at = int(self._generator.integers(1, max(2, operations // 2)))
        return forked(lambda: _dying(at, arguments))


def _dying(at: int, arguments: tuple[str, ...]) -> int:
    watch(RealDisk, OPERATIONS, partial(die, at=at))
    return command(*arguments)


def _counted(file: Path, run: Path, counted: Path) -> int:
    last = [0]

    def count(number: int) -> None:
        last[0] = number

    watch(RealDisk, OPERATIONS, count)
    code = command("train", str(file), "--run", str(run))
    counted.write_text(str(last[0]))
    return code


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv, seed=1)))
