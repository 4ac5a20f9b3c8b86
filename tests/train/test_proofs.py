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


@pytest.mark.parametrize("fewest", [FEWEST, pytest.param(LONGER, marks=pytest.mark.slow)])
def test_every_proof_about_runs_holds_in_its_short_form(fewest):
    command = [sys.executable, "-m", "proofs", "--short", "--json", "--only", *fewest]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    for name, least in fewest.items():
        assert results[name]["held"] == results[name]["asked"] >= least, results[name]
