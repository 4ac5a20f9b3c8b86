"""What a step waits for a checkpoint: a copy in memory, not the disk.

A policy of some 30 million parameters with its optimizer, saved while steps go on; the seconds
between asking for the save and going on, and those of the write behind it.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from cohort.config.recipe import Model, NewModel, Saving
from cohort.config.stages import Optimizer
from cohort.data.checkpoints import Checkpoints
from cohort.policy.load import load_policy
from cohort.train.health import Health
from cohort.train.optim import Updater
from cohort.train.saver import Saver
from cohort.train.state import StageState, snapshot
from proofs.command import main

LONGEST_SECONDS = 0.1


def prove(short: bool, seed: int) -> dict[str, object]:
    """The median wait over several saves; held where it is below a tenth of a second."""
    shape = NewModel(hidden=128 if short else 384, layers=4 if short else 16, feed_forward=1024)
    policy = load_policy(Model(new=shape), vocabulary=[str(n) for n in range(100)], seed=seed)
    state = StageState(Updater(policy, Optimizer(), updates=10))
    for parameter in policy.model.parameters():
        parameter.grad = torch.ones_like(parameter)
    state.updater.update()
    waits, writes = [], []
    with tempfile.TemporaryDirectory() as name:
        checkpoints = Checkpoints(Path(name) / "checkpoints")
        checkpoints.prepare()
        saver = Saver(checkpoints, Saving())
        for number in range(5):
            began = time.perf_counter()
            taken = snapshot(policy, 0, state, (), Health().facts(), saver.spare())
            saver.save(number, taken, healthy=True, then=lambda: None)
            waits.append(time.perf_counter() - began)
            saver.wait()
            writes.append(time.perf_counter() - began)
        saver.close()
    wait = statistics.median(waits)
    return {
        "name": "seconds that a step waits for a checkpoint",
        "asked": 1,
        "held": int(wait < LONGEST_SECONDS),
        "parameters": sum(p.numel() for p in policy.model.parameters()),
        "median wait": round(wait, 4),
        "longest wait": round(max(waits), 4),
        "median until durable": round(statistics.median(writes), 3),
        "failures": [] if wait < LONGEST_SECONDS else [f"{wait:.3f} s"],
    }


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv, seed=1)))
