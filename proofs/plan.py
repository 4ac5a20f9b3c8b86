"""The plan against measurement: peak memory of twelve configurations, each in a process of its own.

Measured is the largest resident size (VmHWM) of a process that trains two steps of a recipe whose answers
are as long as they may be, and of its workers; predicted is what `cohort plan` says of the same recipe.
Held, as fixed beforehand: within 15 %, and never under by more than 5 %. Seconds of a step are printed
beside it, and not held: the machine may have other work.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from cohort.config.load import read_recipe
from cohort.config.recipe import Recipe
from cohort.train.fit import plan_recipe
from cohort.train.machine import Machine, this_machine
from proofs.command import ENVIRONMENT, main

WITHIN, UNDER = 0.15, 0.05
SMALL = {"hidden": 512, "layers": 6, "heads": 8, "key_value_heads": 8, "feed_forward": 1376}
LARGE = {"hidden": 1024, "layers": 8, "heads": 16, "key_value_heads": 4, "feed_forward": 2816}
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
REWARD = """
def spread(completions, **_):
    return [float(n % 4) for n in range(len(completions))]
"""


def recipe(asked: dict[str, Any], reward: Path) -> Recipe:
    """Two steps of a configuration."""
    model: dict[str, Any] = {"new": asked["new"] | {"context": 640}}
    model |= {name: asked[name] for name in ("dtype", "lora", "recompute") if name in asked}
    stage = {
        "kind": "reinforce",
        "algorithm": {"name": "grpo", "beta": asked.get("beta", 0.04)},
        "problems": {"source": "chain", "held_out_problems": 5},
        "rewards": {f"{reward}:spread": 1.0},
        "steps": 2,
        "prompts_per_step": 4,
        "rollouts_per_prompt": asked.get("members", 8),
        "max_new_tokens": asked.get("answer", 100),
        "tokens_per_microbatch": asked.get("row", 0),
        "optimizer": {"learning_rate": 1e-6},
    }
    return read_recipe({"threads": 1, "model": model, "stage": [stage]}, source="a configuration")


def measure(name: str, folder: Path) -> None:
    """In a process of its own: train, and print the largest resident bytes and the seconds of step 2."""
    from cohort.policy.policy import Policy
    from cohort.train.run import train_recipe

    # No answer may end by itself, so that all are as long as the plan takes them to be.
    Policy.__init__ = _endless(Policy.__init__)  # type: ignore[method-assign]
    made = recipe(CONFIGURATIONS[name], folder / "reward.py")
    run = train_recipe(made, run=folder / "run", base=folder, name="measured", quiet=True)
    import sqlite3

    (seconds,) = sqlite3.connect(run / "run.db").execute(
        "SELECT seconds FROM steps ORDER BY step DESC LIMIT 1"
    ).fetchone()  # fmt: skip
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(json.dumps({"bytes": (own + workers) * 1024, "seconds": seconds}))


def _endless(made: Any) -> Any:
    def init(self: Any, *arguments: Any, **named: Any) -> None:
        made(self, *arguments, **named)
        self.ends = frozenset()

    return init


def prove(short: bool, seed: int) -> dict[str, object]:
    """Every configuration; `short` takes the first three."""
    machine, found, failures = this_machine(1), {}, []
    names = list(CONFIGURATIONS)[: 3 if short else None]
    for name in names:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            (folder / "reward.py").write_text(REWARD)
            predicted = _predicted(name, folder, machine)
            measured = _measured(name, folder)
        off = predicted["bytes"] / measured["bytes"] - 1
        found[name] = (
            f"{measured['bytes'] / 2**20:.0f} MiB measured, {predicted['bytes'] / 2**20:.0f} planned, "
            f"{off:+.1%}; {measured['seconds']:.2f} s, {predicted['seconds']:.2f} planned"
        )
        print(name, found[name], file=sys.stderr, flush=True)
        if not -UNDER <= off <= WITHIN:
            failures.append(f"{name}: {off:+.1%}")
    return {
        "name": "plan",
        "asked": len(names),
        "held": len(names) - len(failures),
        **found,
        "failures": failures,
    }


def _predicted(name: str, folder: Path, machine: Machine) -> dict[str, float]:
    made = recipe(CONFIGURATIONS[name], folder / "reward.py")
    (stage,) = plan_recipe(made, base=folder, machine=machine).stages
    print("   ", {k: f"{v / 2**20:.0f}" for k, v in stage.bytes.items() if v}, file=sys.stderr)
    return {"bytes": stage.peak_bytes, "seconds": stage.step_seconds}


def _measured(name: str, folder: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "proofs.plan", "--measure", name, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
        env={**ENVIRONMENT, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


if __name__ == "__main__":
    if "--measure" in sys.argv:
        measure(sys.argv[-2], Path(sys.argv[-1]))
        raise SystemExit(0)
    raise SystemExit(main(prove("--short" in sys.argv, seed=1)))
