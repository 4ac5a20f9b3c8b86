"""A run that is killed at each update and at each forward pass of a step ends at the same bits.

Runs with 1 to 3 updates per step and 1 to 4 mini-batches, cut into many rows. Each is killed at every
call of `Updater.update` and of `Policy.logprobs_from` (every micro-batch, with those for old and
reference log-probabilities), once each, and gone on with.
"""

from __future__ import annotations

import json
import sys
import tempfile
from functools import partial
from itertools import product
from pathlib import Path

from cohort.data import keyed
from cohort.policy.policy import Policy
from cohort.train.optim import Updater
from proofs.command import main
from proofs.compare import differences
from proofs.forks import command, die, forked, import_everything, watch
from proofs.small_runs import HEAD, LENGTH, REINFORCE

PLACES = {"update": (Updater, "update"), "micro-batch": (Policy, "logprobs_from")}
SHORT_CUTS = 12


def prove(short: bool, seed: int) -> dict[str, object]:
    """Every cut of every run (short: some of them)."""
    import_everything()
    made: dict[str, int] = dict.fromkeys(PLACES, 0)
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        cuts = list(_cuts(Path(name)))
        if short:
            order = keyed.generator(seed, "cuts").permutation(len(cuts))[:SHORT_CUTS]
            cuts = [cuts[n] for n in order]
        for number, (file, plain, place, at) in enumerate(cuts):
            run = Path(name) / f"cut-{number}"
            arguments = ("train", str(file), "--run", str(run))
            forked(partial(_dying, place, at, arguments))
            code = forked(partial(command, *arguments))
            made[place] += 1
            found = differences(plain, run) if code == 0 else [f"exit {code}"]
            if found:
                failures.append(f"{file.stem}, {place} {at}: {found[:3]}")
    asked = sum(made.values())
    return {
        "name": "a cut at every update and micro-batch",
        "asked": asked,
        "held": asked - len(failures),
        **made,
        "failures": failures[:10],
    }


def _cuts(folder: Path) -> list[tuple[Path, Path, str, int]]:
    """For each run: its recipe, the folder of the run that is not cut, and every place to cut at."""
    cuts = []
    for updates, minibatches in product((1, 2, 3), (1, 2, 3, 4)):
        file = folder / f"updates-{updates}-minibatches-{minibatches}.toml"
        file.write_text(
            HEAD.format(dtype="float32", every=1)
            + REINFORCE.format(steps=2)
            + LENGTH
            + 'algorithm = { name = "grpo", beta = 0.05 }\ntokens_per_microbatch = 250\n'
            + f"updates_per_step = {updates}\nminibatches_per_step = {minibatches}\n"
        )
        plain, counted = folder / f"plain-{file.stem}", folder / f"{file.stem}.json"
        code = forked(partial(_counted, ("train", str(file), "--run", str(plain)), counted))
        assert code == 0, f"{file.stem} does not run: {code}"
        for place, count in json.loads(counted.read_text()).items():
            cuts += [(file, plain, place, at) for at in range(1, count + 1)]
    return cuts


def _dying(place: str, at: int, arguments: tuple[str, ...]) -> int:
    owner, method = PLACES[place]
    watch(owner, (method,), partial(die, at=at))
    return command(*arguments)


def _counted(arguments: tuple[str, ...], counted: Path) -> int:
    counts = dict.fromkeys(PLACES, 0)

    def count(number: int, place: str) -> None:
        counts[place] = number

    for place, (owner, method) in PLACES.items():
        watch(owner, (method,), partial(count, place=place))
    code = command(*arguments)
    counted.write_text(json.dumps(counts))
    return code


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv, seed=1)))
