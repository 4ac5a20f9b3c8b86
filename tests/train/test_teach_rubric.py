"""cat-rubric end to end: an anchor and a judge over HTTP, 30 % of whose calls fail."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import pytest

from cohort.policy.load import take_over
from cohort.policy.new import new_tokenizer
from cohort.tasks.slips import Slips
from tests.rewards.services.fault_server import serving
from tests.tiny import tiny_model
from tests.train.runs import EVERYTHING, SUPERVISED, metrics, rows, run, weights
from tests.train.scripted_teacher import (
    CRITERIA,
    anchor,
    failing,
    is_met,
    local_judge,
    scripted_judge,
)

COLD = SUPERVISED | {"problems": "slips", "steps": 20}
SCORES = (
    "SELECT g.columns, r.text, s.value, s.kind FROM scores s JOIN rollouts r USING (group_id, number) "
    "JOIN groups g ON g.id = s.group_id WHERE s.function = 'rubric' ORDER BY g.id, r.number"
)


def taught(folder: Path, judge, *, malformed: float = 0.0, **judging) -> tuple[Path, list[bytes]]:
    """A run whose anchor and judge are these; and what the judge was asked."""
    with ExitStack() as stack:
        first = stack.enter_context(serving(anchor(malformed))())
        second = stack.enter_context(serving(judge)())
        url = "http://127.0.0.1:{}/v1".format
        stage = {
            "kind": "reinforce",
            "problems": "slips",
            "teacher": {"criteria": CRITERIA, "anchor": url(first.port), "model": "a"},
            "rewards": {"rubric": {"url": url(second.port), "model": "j", **judging}},
            "failures_allowed": 1.0,
            "steps": 2,
            "prompts_per_step": 3,
            "rollouts_per_prompt": 3,
            "max_new_tokens": 8,
            "optimizer": {"learning_rate": 1e-3},
        }
        return run(folder, COLD, stage), list(second.requests)


def expected(columns: str, text: str) -> float:
    criteria = json.loads(columns)["reference"]["criteria"]
    return sum(is_met(criterion, text) for criterion in criteria) / len(criteria)


def test_a_judge_that_fails_in_passing_changes_no_reward(tmp_path: Path) -> None:
    judge = failing(scripted_judge, 0.3, for_good=False)
    folder, asked = taught(tmp_path / "run", judge, retry_budget=200)
    found = rows(folder, SCORES)
    assert len(found) == 18
    judged = [(columns, text, value) for columns, text, value, _ in found if value is not None]
    assert len(judged) > 12
    assert all(value in (expected(columns, text), 0.0) for columns, text, value in judged)
    assert len(asked) > len(set(asked)), "some calls failed and were made again"


def test_what_a_judge_fails_at_for_good_has_no_reward(tmp_path: Path) -> None:
    judge = failing(scripted_judge, 0.3, for_good=True)
    folder, _ = taught(tmp_path / "run", judge, retry_budget=0, retries=0)
    found = rows(folder, SCORES)
    failed = [value for *_, value, kind in found if kind == "unreachable"]
    assert len(found) == 18
    assert failed
    assert set(failed) == {None}
    scored = [(c, t, v) for c, t, v, kind in found if kind == "scored"]
    assert all(value in (expected(columns, text), 0.0) for columns, text, value in scored)


def test_the_same_services_give_the_same_bits(tmp_path: Path) -> None:
    both = []
    for name in "ab":
        judge = failing(scripted_judge, 0.3, for_good=True)
        both.append(taught(tmp_path / name, judge, retry_budget=0, retries=0)[0])
    one, other = (rows(folder, EVERYTHING) for folder in both)
    assert one == other
    first, second = map(weights, both)
    assert all((first[name] == second[name]).all() for name in first)


def test_a_malformed_rubric_is_a_failure_of_its_whole_group(tmp_path: Path) -> None:
    folder, asked = taught(tmp_path / "run", scripted_judge, malformed=1.0)
    assert {(value, kind) for *_, value, kind in rows(folder, SCORES)} == {(None, "rubric")}
    assert not asked, "there is nothing to ask"
    seen = metrics(folder, stage=1)
    assert seen["rewards/rubric/failed_rubric"] == 9
    assert seen["grad_norm"] == 0.0


def test_a_small_model_can_be_the_judge(tmp_path: Path) -> None:
    policy = take_over(tiny_model(), new_tokenizer(Slips().vocabulary()))
    judge = failing(local_judge(policy), 0.3, for_good=False)
    folder, _ = taught(tmp_path / "run", judge, retry_budget=200)
    values = [value for *_, value, kind in rows(folder, SCORES) if kind == "scored"]
    assert len(values) > 12
    assert all(value * CRITERIA == pytest.approx(round(value * CRITERIA)) for value in values)
