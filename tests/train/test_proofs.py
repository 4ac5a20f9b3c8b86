"""The short forms of the proofs about runs, in processes of their own; `make prove` runs them whole."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FEWEST = {
    "kills": 20,
    "cuts": 12,
    "faults": 240,
    "hostile_checkpoints": 40,
    "not_finite": 15,
    "reward_faults": 5,
}
LONGER = {"same_seed": 6, "reward_failures": 44, "pipelines": 14}
"""These take more than a minute in their short form too."""


@pytest.mark.parametrize(
    ("proof", "fewest"),
    [*FEWEST.items(), *(pytest.param(*own, marks=pytest.mark.slow) for own in LONGER.items())],
)
def test_every_proof_about_runs_holds_in_its_short_form(proof: str, fewest: int):
    command = [sys.executable, "-m", "proofs", "--short", "--json", "--only", proof]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)[proof]
    assert found["held"] == found["asked"] >= fewest, found
