"""Model folders of an enemy, each given to `cohort train` in a process of its own.

    python -m proofs.hostile [--short] [--seed 1]

A folder held when the command refused it with exit code 2 and at most six lines that speak of what was
wrong, within two seconds of processor time after its imports (ten by the clock, for a machine with other
work) and 512 MB beside what an honest run takes, when nothing of the folder ran (a canary would exist),
and when every file beside it is as it was, with no run folder among them. The honest folder they are made
of has to train. Some of the folders, chosen by the seed, are given to a whole command too.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from cohort.data import keyed
from proofs.command import main
from proofs.place import Outcome, Server, faults, make_place, tree, whole_command
from tests.hostile_folders import HOSTILE, honest_folder, speaks_of, spoilt

MOST_PROCESSOR_SECONDS, MOST_SECONDS, MOST_MEGABYTES = 2.0, 10.0, 512.0
SHORT, WHOLE = 30, {True: 1, False: 4}
TRAIN = ("train", "recipe.toml", "--quiet")


def prove(short: bool, seed: int) -> dict[str, object]:
    """Attack with every folder, or with some that the seed chooses."""
    names = keyed.shuffled(list(HOSTILE), list(HOSTILE), seed, "hostile")
    names = names[:SHORT] if short else names
    failures: list[str] = []
    outcomes: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "home"
        home.mkdir()
        honest = honest_folder(Path(scratch) / "honest")
        place = make_place(Path(scratch) / "trains")
        shutil.copytree(honest, place / "model")
        with Server(home) as server:
            trained = server.run(place, TRAIN)
            if trained.code or not (place / "runs" / "recipe" / "model").is_dir():
                failures.append(f"the honest folder: {trained.error.strip()}")
            for number, name in enumerate(names):
                place = make_place(Path(scratch) / str(number) / "place")
                spoilt(honest, place / "model", name)
                before = tree(place, home)
                outcomes[name] = server.run(place, TRAIN)
                outcome = outcomes[name]
                found = _faults(name, outcome, place)
                if outcome.processor_seconds > MOST_PROCESSOR_SECONDS:
                    found.append(f"{outcome.processor_seconds:.1f} s of processor time")
                if outcome.seconds > MOST_SECONDS:
                    found.append(f"{outcome.seconds:.1f} s")
                if outcome.megabytes > trained.megabytes + MOST_MEGABYTES:
                    found.append(f"{outcome.megabytes:.0f} MB")
                if number < WHOLE[short]:
                    outcome = whole_command(place, home, TRAIN)
                    outcomes[f"the whole command, {name}"] = outcome
                    found += _faults(name, outcome, place)
                changed = sorted(str(entry) for entry in tree(place, home) ^ before)
                failures += [f"{name}: {fault}" for fault in found]
                failures += [f"{name}: changed {entry}" for entry in changed[:1]]
                shutil.rmtree(place.parent)
    return {
        "name": "hostile model folders",
        "asked": len(names) + 1,
        "held": len(names) + 1 - len({failure.split(":")[0] for failure in failures}),
        "failures": failures,
        "slowest_processor_seconds": round(
            max(outcomes[name].processor_seconds for name in names), 2
        ),
        "honest_seconds": round(trained.seconds, 2),
        "slowest": max(names, key=lambda name: outcomes[name].seconds),
        "slowest_seconds": round(max(outcomes[name].seconds for name in names), 2),
        "most_megabytes_beside_an_honest_run": round(
            max(outcomes[name].megabytes for name in names) - trained.megabytes
        ),
        "whole_commands_seconds": [
            round(outcome.seconds, 1) for name, outcome in outcomes.items() if name not in names
        ],
    }


def _faults(name: str, outcome: Outcome, place: Path) -> list[str]:
    """What does not hold of one refusal."""
    found = faults(outcome, codes=(2,))
    if not speaks_of(outcome.error, name):
        found.append(f"it does not speak of it: {outcome.error.strip()[:300]}")
    if (place / "canary").exists():
        found.append("it ran code")
    return found


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv, seed=1)))
