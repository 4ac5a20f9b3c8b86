"""The harness notices what gets out: planted escapes that do no harm, in a sandbox that holds nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cohort.rewards.sandbox.program import Program
from tests.attacks.planted import PLANTED, HoldsNothing
from tests.attacks.runner import read

ROOT = Path(__file__).parents[2]

SIGNS = {
    "says_so": "in words",
    "prints_a_secret": "holds the secret public",
    "prints_a_secret_of_a_neighbour": "holds the secret neighbour",
    "reads_an_inherited_file": "holds the secret private",
    "makes_a_file": "was made",
    "changes_a_file": "was changed",
    "changes_a_mode": "was changed",
    "leaves_a_file": "left was made",
    "connects": "server TCP was reached",
    "sends": "server UDP was reached",
    "speaks": "server abstract was reached",
    "signals": "heard the signals [10]",
    "ends_a_neighbour": "has died",
    "renices": "priority",
    "leaves_a_process": "1 processes were left",
    "ends_who_runs_it": "the process that ran it",
    "prints_too_much": "more output",
    "does_not_work": "what has to work does not",
    "ends_otherwise": "not ('exited', 3)",
}


@pytest.fixture(scope="module")
def told() -> dict[str, list[str]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.attacks.planted"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_planted_escape_has_a_sign() -> None:
    assert set(SIGNS) | {"does_nothing"} == set(PLANTED)


@pytest.mark.parametrize("name", SIGNS)
def test_a_planted_escape_is_noticed(name: str, told: dict[str, list[str]]) -> None:
    assert SIGNS[name] in "; ".join(told[name])


def test_a_program_that_does_nothing_has_not_escaped(told: dict[str, list[str]]) -> None:
    assert told["does_nothing"] == []


def test_what_is_not_planted_is_never_run_without_a_sandbox() -> None:
    attack = read(Path(__file__).with_name("programs") / "exit0.py")
    with pytest.raises(ValueError, match="no planted program"):
        HoldsNothing().run(Program(files={"main.py": attack.text}))
