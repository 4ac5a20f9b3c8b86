"""The short forms of the proofs about runs, in processes of their own; `make prove` runs them whole."""

import json
import subprocess
import sys
from pathlib import Path

FEWEST = {
    "kills": 20,
    "cuts": 12,
    "faults": 240,
    "hostile_checkpoints": 40,
    "not_finite": 15,
    "same_seed": 6,
    "reward_faults": 7,
    "reward_failures": 44,
}


def test_every_proof_about_runs_holds_in_its_short_form():
    command = [sys.executable, "-m", "proofs", "--short", "--json", "--only", *FEWEST]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    for name, fewest in FEWEST.items():
        assert results[name]["held"] == results[name]["asked"] >= fewest, results[name]
