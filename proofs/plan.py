"""The plan against measurement: peak memory of twelve configurations, each in a process of its own.

Measured is the largest resident size (VmHWM) of a process that trains four steps of a recipe whose answers
are as long as they may be, and of its workers; predicted is what `cohort plan` says of the same recipe.
Held, as fixed beforehand: within 15 %, and never under by more than 5 %.

With --time also the seconds of the last two steps, expected after two steps as the terminal expects them,
within 30 %: for a machine that has no other work. --calibrate measures other configurations, phase by phase;
the constants of `train.memory` are theirs, and they are not judged.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from cohort.config.load import read_recipe
from cohort.config.recipe import Recipe
from cohort.train.fit import plan_recipe
from cohort.train.machine import Machine, this_machine
from proofs.billion_phases import Phases
from proofs.command import ENVIRONMENT, main

WITHIN, UNDER, TIME_WITHIN = 0.15, 0.05, 0.30
STEPS, SEEN = 4, 2
SMALL = {"hidden": 384, "layers": 4, "heads": 6, "key_value_heads": 6, "feed_forward": 1024}
LARGE = {"hidden": 768, "layers": 6, "heads": 12, "key_value_heads": 4, "feed_forward": 2048}
LORA = {"rank": 16}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "small": {"new": SMALL},
    "small, no reference": {"new": SMALL, "beta": 0.0},
    "small, adapters": {"new": SMALL, "lora": LORA},
    "small, bfloat16": {"new": SMALL, "dtype": "bfloat16"},
    "small, recompute": {"new": SMALL, "recompute": True, "answer": 400},
    "small, 400 tokens": {"new": SMALL, "answer": 400},
    "small, G = 32": {"new": SMALL, "members": 32},
    "small, rows of 512": {"new": SMALL, "answer": 200, "row": 512},
    "large": {"new": LARGE},
    "large, no reference, rows of 512": {"new": LARGE, "beta": 0.0, "row": 512},
    "large, adapters, bfloat16": {"new": LARGE, "lora": LORA, "dtype": "bfloat16"},
    "large, recompute, 300 tokens": {"new": LARGE, "recompute": True, "answer": 300},
}
"""What differs from G = 8, answers of 100 tokens, rows of 2,048, a reference, float32, all weights."""
MEDIUM = {"hidden": 512, "layers": 5, "heads": 8, "key_value_heads": 4, "feed_forward": 1408}
TINY = {"hidden": 96, "layers": 2, "heads": 4, "key_value_heads": 2, "feed_forward": 256}
CALIBRATION: dict[str, dict[str, Any]] = {
    "tiny": {"new": TINY},
    "medium": {"new": MEDIUM},
    "medium, no reference, rows of 700": {"new": MEDIUM, "beta": 0.0, "row": 700},
    "medium, adapters, 250 tokens": {"new": MEDIUM, "lora": LORA, "answer": 250},
    "medium, bfloat16, no reference": {"new": MEDIUM, "dtype": "bfloat16", "beta": 0.0},
    "medium, recompute, G = 16": {"new": MEDIUM, "recompute": True, "members": 16},
    "medium, bfloat16, adapters": {"new": MEDIUM, "lora": LORA, "dtype": "bfloat16"},
    "medium, 350 tokens, G = 4": {"new": MEDIUM, "answer": 350, "members": 4},
}
REWARD = """
def spread(completions, **_):
    return [float(n % 4) for n in range(len(completions))]
"""


def recipe(asked: dict[str, Any], reward: Path) -> Recipe:
    """Some steps of a configuration."""
    model: dict[str, Any] = {"new": asked["new"] | {"context": 640}}
    model |= {name: asked[name] for name in ("dtype", "lora", "recompute") if name in asked}
    stage = {
        "kind": "reinforce",
        "algorithm": {"name": "grpo", "beta": asked.get("beta", 0.04)},
        "problems": {"source": "chain", "held_out_problems": 5},
        "rewards": {f"{reward}:spread": 1.0},
        "steps": asked.get("steps", STEPS),
        "prompts_per_step": 3,
        "rollouts_per_prompt": asked.get("members", 8),
        "max_new_tokens": asked.get("answer", 100),
        "tokens_per_microbatch": asked.get("row", 0),
        "optimizer": {"learning_rate": 1e-6},
    }
    return read_recipe({"threads": 1, "model": model, "stage": [stage]}, source="a configuration")


def measure(name: str, folder: Path) -> None:
    """In a process of its own: train, and print the largest resident bytes and the seconds of each step."""
    from cohort.policy.policy import Policy
    from cohort.train.run import train_recipe

    # No answer may end by itself, so that all are as long as the plan takes them to be.
    Policy.__init__ = _endless(Policy.__init__)  # type: ignore[method-assign]
    made, phases = recipe(EVERY[name], folder / "reward.py"), Phases()
    with phases.watched():
        run = train_recipe(made, run=folder / "run", base=folder, name="measured", quiet=True)
    found = sqlite3.connect(run / "run.db").execute("SELECT seconds FROM steps ORDER BY step")
    peaks, workers = phases.said()["gib"], phases.below
    print(
        json.dumps(
            {
                "bytes": peaks["peak"] + workers,
                "seconds": [seconds for (seconds,) in found],
                "phases": peaks | {"workers": workers},
            }
        )
    )


def _endless(made: Any) -> Any:
    def init(self: Any, *arguments: Any, **named: Any) -> None:
        made(self, *arguments, **named)
        self.ends = frozenset()

    return init


EVERY = CONFIGURATIONS | {name: one | {"steps": 1} for name, one in CALIBRATION.items()}


def prove(names: list[str], timed: bool) -> dict[str, object]:
    """These configurations; `timed` holds their seconds too."""
    machine, found, failures = this_machine(1), {}, []
    for name in names:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            (folder / "reward.py").write_text(REWARD)
            predicted = _predicted(name, folder, machine)
            measured = _measured(name, folder)
        off = predicted["bytes"] / measured["bytes"] - 1
        seconds = measured["seconds"]
        late = sum(seconds[:SEEN]) / SEEN * (STEPS - SEEN) / max(sum(seconds[SEEN:]), 1e-9) - 1
        found[name] = (
            f"{measured['bytes'] / 2**20:.0f} MiB measured, {predicted['bytes'] / 2**20:.0f} planned, "
            f"{off:+.1%}; {sum(seconds[SEEN:]) / (STEPS - SEEN):.2f} s a step, expected after {SEEN} steps "
            f"{late:+.0%}, before the first {predicted['seconds']:.2f} s"
        )
        print(name, found[name], file=sys.stderr, flush=True)
        if not -UNDER <= off <= WITHIN or (timed and abs(late) > TIME_WITHIN):
            failures.append(f"{name}: {off:+.1%}, {late:+.0%}")
    return {
        "name": "plan",
        "asked": len(names),
        "held": len(names) - len(failures),
        **found,
        "failures": failures,
    }


def _predicted(name: str, folder: Path, machine: Machine) -> dict[str, float]:
    made = recipe(EVERY[name], folder / "reward.py")
    (stage,) = plan_recipe(made, base=folder, machine=machine).stages
    print("   ", {k: f"{v / 2**20:.0f}" for k, v in stage.bytes.items() if v}, file=sys.stderr)
    return {"bytes": stage.peak_bytes, "seconds": stage.step_seconds}


def _measured(name: str, folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "proofs.plan", "--measure", name, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
        env={**ENVIRONMENT, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    phases = measured["phases"].items()
    print("   ", {k: f"{v / 2**20:.0f}" for k, v in phases}, file=sys.stderr)
    return measured


if __name__ == "__main__":
    if "--measure" in sys.argv:
        measure(sys.argv[-2], Path(sys.argv[-1]))
        raise SystemExit(0)
    chosen = list(CALIBRATION if "--calibrate" in sys.argv else CONFIGURATIONS)
    chosen = chosen[: 3 if "--short" in sys.argv else None]
    raise SystemExit(main(prove(chosen, timed="--time" in sys.argv)))
