"""cat-rubric end to end: an anchor and a judge over HTTP, 30 % of whose calls fail."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import pytest

from cohort.policy.load import take_over
from cohort.policy.new import new_tokenizer
from cohort.rewards.judge.trivial import is_trivial
from cohort.tasks.slips import Slips
from cohort.train.optim import Updater
from proofs.compare import differences
from tests.rewards.services.fault_server import serving
from tests.tiny import tiny_model
from tests.train.runs import SUPERVISED, metrics, rows, run
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


@contextmanager
def services(judge, *, malformed: float = 0.0, **judging):
    """A stage whose anchor and judge are these; and what the judge is asked."""
    with ExitStack() as stack:
        first = stack.enter_context(serving(anchor(malformed))())
        second = stack.enter_context(serving(judge)())
        url = "http://127.0.0.1:{}/v1".format
        yield (
            {
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
            },
            second.requests,
        )


def taught(folder: Path, judge, **options) -> tuple[Path, list[bytes]]:
    """A run with these services; and what the judge was asked."""
    with services(judge, **options) as (stage, asked):
        return run(folder, COLD, stage), list(asked)


def expected(columns: str, text: str) -> float:
    """The share that the scripted judge sees met; nobody is asked about an answer of no words."""
    if is_trivial(text):
        return 0.0
    criteria = json.loads(columns)["reference"]["criteria"]
    return sum(is_met(criterion, text) for criterion in criteria) / len(criteria)


def test_a_judge_that_fails_in_passing_changes_no_reward(tmp_path: Path) -> None:
    judge = failing(scripted_judge, 0.3, for_good=False)
    folder, asked = taught(tmp_path / "run", judge, retry_budget=200)
    found = rows(folder, SCORES)
    assert len(found) == 18
    judged = [(columns, text, value) for columns, text, value, _ in found if value is not None]
    assert len(judged) > 12
    assert all(value == expected(columns, text) for columns, text, value in judged)
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
    assert all(value == expected(columns, text) for columns, text, value in scored)


class Cut(BaseException):
    """The process is gone."""


@pytest.mark.parametrize(
    "update", [COLD["steps"] + 1, pytest.param(COLD["steps"] + 2, marks=pytest.mark.slow)]
)
def test_a_run_that_was_cut_goes_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, update: int
) -> None:
    judge = failing(scripted_judge, 0.3, for_good=True)
    with services(judge, retry_budget=0, retries=0) as (stage, asked):
        whole = run(tmp_path / "whole", COLD, stage)
        made, counted = Updater.update, count(1)

        def cut(self):
            if next(counted) == update:
                raise Cut
            return made(self)

        monkeypatch.setattr(Updater, "update", cut)
        with pytest.raises(Cut):
            run(tmp_path / "run", COLD, stage)
        monkeypatch.undo()
        before = len(asked)
        again = run(tmp_path / "run", COLD, stage)
        assert differences(whole, again) == []
    assert len(asked) - before <= before, "what the journal has is not asked again"


def test_a_malformed_rubric_is_a_failure_of_its_whole_group(tmp_path: Path) -> None:
    folder, asked = taught(tmp_path / "run", scripted_judge, malformed=1.0)
    assert {(value, kind) for *_, value, kind in rows(folder, SCORES)} == {(None, "rubric")}
    assert not asked, "there is nothing to ask"
    seen = metrics(folder, stage=1)
    assert seen["rewards/rubric/failed_rubric"] == 9
    assert seen["grad_norm"] == 0.0


def test_a_small_model_can_be_the_judge_and_fail_without_changing_a_reward(tmp_path: Path) -> None:
    model, tokenizer = tiny_model(), new_tokenizer(Slips().vocabulary())
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    judge = local_judge(take_over(model, tokenizer))
    sound, _ = taught(tmp_path / "sound", judge)
    folder, asked = taught(
        tmp_path / "failing", failing(judge, 0.3, for_good=False), retry_budget=200
    )
    assert len(asked) > len(set(asked)), "some calls failed and were made again"
    first, again = (rows(own, SCORES)[:9] for own in (sound, folder))  # of one and the same policy
    values = [value for *_, value, kind in again if kind == "scored"]
    assert len(values) > 6
    assert all(value * CRITERIA == pytest.approx(round(value * CRITERIA)) for value in values)
    assert all(
        one == other for one, other in zip(first, again, strict=True) if other[2] is not None
    )
