"""Dynamic sampling: bounded, counted, and never quietly short of groups."""

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest

from cohort.config.load import read_recipe
from cohort.report.show import show_groups
from cohort.train.collect import Collected
from cohort.train.run import train_recipe
from tests.report.kept import answers
from tests.tiny import group
from tests.train.runs import REINFORCE, SUPERVISED, metrics, rows, run, weights

STAGE = REINFORCE | {"steps": 1, "rollouts_per_prompt": 8, "show_every": 1}
MOST = {"rewards": {"tests/train/mine.py:flat_for_most": 1.0}}
REASONS = ("flat", "unscored", "single", "overlong", "surplus")


def dynamic(kind, **numbers):
    return {"algorithm": {"name": "grpo", "beta": 0.0, "groups": kind} | numbers}


def test_a_step_is_filled_with_groups_that_teach(tmp_path):
    seen = metrics(run(tmp_path / "run", STAGE | MOST | dynamic("refill")), stage=0)
    assert seen["groups/learned_from"] == STAGE["prompts_per_step"]
    assert seen["groups/rounds"] > 1
    assert seen["groups/flat"] > 0
    everything = seen["groups/learned_from"] + sum(seen[f"groups/{r}"] for r in REASONS)
    assert everything == seen["groups/sampled"]


def test_every_group_that_was_sampled_is_kept_and_counted(tmp_path):
    folder = run(tmp_path / "run", STAGE | MOST | dynamic("refill"))
    seen = metrics(folder, stage=0)
    ((kept, different),) = rows(folder, "SELECT COUNT(*), COUNT(DISTINCT problem) FROM groups")
    assert kept == different == seen["groups/sampled"]
    ((tokens,),) = rows(folder, "SELECT SUM(LENGTH(tokens)) / 4 FROM rollouts")
    assert tokens == seen["num_tokens"]
    told = dict(rows(folder, "SELECT discarded, COUNT(*) FROM groups GROUP BY discarded"))
    assert told[""] == seen["groups/learned_from"]
    assert told["flat"] == seen["groups/flat"]
    shown = cohort_show(folder)
    assert "[left out: flat]" in shown
    kept = answers(folder / "report.html", "group")
    assert "flat" in {group["discarded"] for group in kept}
    ((reward,),) = rows(folder, "SELECT AVG(reward) FROM rollouts")
    assert reward == pytest.approx(seen["reward"]), "the reward is that of all groups"


def cohort_show(folder):
    screen = io.StringIO()
    with contextlib.redirect_stdout(screen):
        show_groups(folder)
    return screen.getvalue()


def test_sampling_ends_after_its_rounds(tmp_path):
    never = {"rewards": {"tests/train/mine.py:never": 1.0}}
    stage = STAGE | never | dynamic("refill", refill_rounds=3)
    folder = run(tmp_path / "run", stage)
    seen = metrics(folder, stage=0)
    assert (seen["groups/rounds"], seen["groups/learned_from"]) == (3, 0)
    assert seen["groups/flat"] == seen["groups/sampled"] == 3 * STAGE["prompts_per_step"]
    assert seen["grad_norm"] == 0.0


def test_without_refilling_a_step_makes_do_with_what_teaches(tmp_path):
    seen = metrics(run(tmp_path / "run", STAGE | MOST | dynamic("with-signal")), stage=0)
    assert seen["groups/sampled"] == STAGE["prompts_per_step"]
    assert 0 < seen["groups/learned_from"] < STAGE["prompts_per_step"]


def test_a_step_in_which_nobody_can_say_is_no_failure_and_no_update(tmp_path):
    silent = {"rewards": {"tests/train/mine.py:silent": 1.0}}
    folder = run(tmp_path / "run", STAGE | silent)
    seen = metrics(folder, stage=0)
    assert seen["unscored"] == STAGE["prompts_per_step"] * STAGE["rollouts_per_prompt"]
    assert seen["grad_norm"] == 0.0
    assert "reward" not in seen


def test_the_same_seed_refills_with_the_same_problems(tmp_path):
    stage = STAGE | MOST | dynamic("refill") | {"steps": 2}
    one, other = (weights(run(tmp_path / name, stage)) for name in "ab")
    assert all((one[name] == other[name]).all() for name in one)
    slots = weights(run(tmp_path / "c", stage | {"slots": 3}))
    assert all((one[name] - slots[name]).abs().max() < 1e-5 for name in one)


def test_the_entropy_of_what_was_sampled_is_the_mean_surprise():
    made = group([1.0, 0.0], [2, 3], seed=1)
    surprise = -np.concatenate([rollout.logprobs for rollout in made.rollouts])
    found = Collected([made], rounds=1, greedy_tokens=0, dynamic=False)
    assert found.entropy == pytest.approx(float(surprise.mean()), rel=1e-6)
    assert found.entropy > 0


def test_a_step_that_has_asked_every_problem_there_is_ends_there(tmp_path):
    (tmp_path / "four.jsonl").write_text("".join(f'{{"prompt": "{n}+1="}}\n' for n in range(4)))
    start = run(tmp_path / "start", SUPERVISED)
    never = STAGE | {"rewards": {"tests/train/mine.py:never": 1.0}} | dynamic("refill")
    stage = never | {"problems": {"source": str(tmp_path / "four.jsonl")}}
    made = read_recipe(
        {"threads": 1, "model": str(start / "model"), "stage": [stage]}, source="test"
    )
    folder = train_recipe(made, run=tmp_path / "run", base=Path.cwd(), name="test", quiet=True)
    assert metrics(folder, stage=0)["groups/sampled"] == 4
