"""`cohort check`: calls in a process of their own, and the whole of it on a recipe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cohort.config.load import load_recipe, packaged_recipes, read_recipe
from cohort.train.check import check_recipe
from cohort.train.check_apart import call_all
from proofs import check_mistakes

REWARDS = """
import time

def slow(*, completions, **_):
    while "9**9**9" in completions:
        time.sleep(0.1)
    return [0.0] * len(completions)

def odd(*, completions, **_):
    print("a flood of words" * 9999)
    return [ord(text[0]) for text in completions]

def right(*, completions, answer, **_):
    return [float(f"<answer>{a}</answer>" in text) for text, a in zip(completions, answer)]
"""


def recipe(folder: Path, *rewards: str):
    (folder / "rewards.py").write_text(REWARDS)
    stage = {
        "kind": "reinforce",
        "problems": "chain",
        "rewards": {f"rewards.py:{name}": 1.0 for name in rewards},
        "steps": 1,
        "max_new_tokens": 48,
    }
    return read_recipe({"model": {"new": {"hidden": 16, "heads": 4}}, "stage": [stage]})


def test_a_call_that_hangs_or_raises_is_known_by_what_alone_does_it(tmp_path: Path) -> None:
    asked = recipe(tmp_path, "slow", "odd", "right")
    found = call_all(asked, 0, ["slow", "odd", "right"], base=tmp_path, seconds=1.5)
    assert found["slow"].hung == ("once", "a hostile answer")
    assert set(found["odd"].raised) == {"once", "an empty answer"}
    assert set(found["right"].returned) == {"once", "twice", "another order"}


def test_there_is_nothing_to_mend_in_the_rewards_of_a_packaged_recipe() -> None:
    file = packaged_recipes()["chain"]
    checked = check_recipe(load_recipe(file, []), base=file.parent, seconds=60.0, rewards_only=True)
    assert checked.findings == []
    assert len(checked.facts) == 1
    assert json.dumps(checked.as_json())


@pytest.mark.slow
@pytest.mark.skipif(not check_mistakes.STORIES.is_dir(), reason="the small model is not here")
def test_planted_mistakes_are_named() -> None:
    proof = check_mistakes.prove(short=True, seed=1)
    assert proof["held"] == proof["asked"], proof["failures"]
