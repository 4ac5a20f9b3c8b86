"""The stage `select`: what its filters keep, that the data set is read again, and that it is not lost."""

import json
from pathlib import Path

import pytest

from cohort.config.selection import Select
from cohort.data.records import Problem
from cohort.errors import TrainingError
from cohort.report.metrics import describe_metric
from cohort.train.run import train_recipe
from cohort.train.sieve import REASONS, Candidate, Sieve
from tests.train import runs
from tests.train.runs import SUPERVISED, metrics, rows

SELECT = {
    "kind": "select",
    "name": "keep",
    "problems": "chain",
    "rewards": {"format": 0.5, "length": {"words": 3}},
    "steps": 3,
    "prompts_per_step": 4,
    "rollouts_per_prompt": 4,
    "max_new_tokens": 12,
    "cut": "keep",
}
RFT = {**SUPERVISED, "name": "rft", "problems": "stage:keep"}
SUM = Problem("p", "1+1=", {"answer": "2"})


class Cut(BaseException):
    """The process is gone."""


def _sieve(**options):
    made = {"kind": "select", "problems": "chain", "rewards": {}, "steps": 1, **options}
    return Sieve(Select.model_validate(made))


def _answer(text="an answer", tokens=3, stop="end", total=1.0, **parts):
    return Candidate(text, tokens, stop, total, parts)


@pytest.mark.parametrize(
    ("why", "options", "answer"),
    [
        ("unscored", {}, _answer(total=None)),
        ("total", {"least_total": 1.5}, _answer()),
        ("rewards", {"keep": {"a": 0.5}}, _answer(a=0.4)),
        ("rewards", {"keep": {"a": 0.5}}, _answer(a=None)),
        ("rewards", {"keep": {"stage:a": 0.5}}, _answer(a=0.4)),
        ("cut", {}, _answer(stop="length")),
        ("empty", {}, _answer(" \n")),
        ("tokens", {"least_tokens": 4}, _answer()),
        ("tokens", {"most_tokens": 2}, _answer()),
        ("characters", {"least_characters": 10}, _answer()),
        ("characters", {"most_characters": 8}, _answer()),
    ],
)
def test_each_filter_stops_what_it_is_for(why, options, answer):
    right = _answer("something", a=0.5)
    sieve = _sieve(**options)
    assert sieve.sift(SUM, [answer]) == [why]
    assert why in sieve.reasons
    if why not in ("total", "tokens", "characters"):
        assert sieve.sift(SUM, [right]) == [""]


def test_the_same_answer_to_the_same_prompt_is_kept_once_spaces_aside():
    sieve = _sieve()
    assert sieve.sift(SUM, [_answer("a b"), _answer("a\n b")]) == ["", "duplicate"]
    assert sieve.sift(SUM, [_answer(" a b")]) == ["duplicate"]
    assert sieve.sift(Problem("q", "2+2="), [_answer("a b")]) == [""]
    assert _sieve(distinct=False).sift(SUM, [_answer("a"), _answer("a")]) == ["", ""]


def test_the_best_of_a_group_are_kept_and_a_duplicate_is_none_of_them():
    given = [_answer("a", total=1.0), _answer("b", total=3.0), _answer("b", total=2.0)]
    assert _sieve(best_of=2).sift(SUM, given) == ["", "", "duplicate"]
    assert _sieve(best_of=1).sift(SUM, given) == ["best", "", "duplicate"]


def test_a_problem_has_enough_after_so_many_answers_whatever_its_copies_are_called():
    sieve = _sieve(per_problem=2)
    assert sieve.sift(SUM, [_answer("a"), _answer("b"), _answer("c")]) == ["", "", "problem"]
    copy = Problem("p~2", SUM.prompt, SUM.columns)
    assert sieve.sift(copy, [_answer("d")]) == ["problem"]


def _kept(folder):
    lines = (folder / "stages" / "keep" / "kept.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def _run(folder, *stages):
    return train_recipe(_every_step(*stages), run=folder, base=Path.cwd(), name="t", quiet=True)


def _every_step(*stages):
    made = runs.recipe(*stages)
    saving = made.checkpoints.model_copy(update={"every_steps": 1})
    return made.model_copy(update={"checkpoints": saving})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return _run(tmp_path_factory.mktemp("select") / "run", SUPERVISED, SELECT, RFT)


def test_what_is_kept_has_its_problem_and_its_rewards(whole):
    kept = _kept(whole)
    assert len(kept) == sum(metrics(whole, stage=1, step=step)["kept"] for step in (1, 2, 3))
    assert len({row["id"] for row in kept}) == len(kept)
    stored = {
        (prompt, text, reward)
        for prompt, text, reward in rows(
            whole, "SELECT prompt, text, reward FROM rollouts JOIN groups ON id = group_id"
        )
    }
    assert {(row["prompt"], row["completion"], row["reward"]) for row in kept} <= stored
    assert all(set(row["rewards"]) == {"format", "length"} and row["answer"] for row in kept)


def test_the_advantage_that_is_shown_is_one_where_an_answer_is_kept(whole):
    ((total,),) = rows(whole, "SELECT SUM(advantage) FROM rollouts")
    assert total == len(_kept(whole))


def test_every_answer_is_counted_once(whole):
    for step in (1, 2, 3):
        found = metrics(whole, stage=1, step=step)
        assert found["kept"] + sum(found.get(f"dropped/{why}", 0.0) for why in REASONS) == 16.0
        assert "dropped/cut" not in found  # it is not asked


def test_every_metric_of_a_step_is_explained(whole):
    assert all(describe_metric(name, "select") for name in metrics(whole, stage=1))


def test_a_run_killed_while_it_selects_leaves_the_same_bytes(tmp_path, monkeypatch, whole):
    from cohort.train.stage import StageContext

    step, seen = StageContext.step, []

    def cut(self, number, *given, **more):
        if self.name == "keep" and number == 2 and not seen:
            seen.append(number)
            raise Cut
        return step(self, number, *given, **more)

    monkeypatch.setattr(StageContext, "step", cut)
    with pytest.raises(Cut):
        _run(tmp_path / "run", SUPERVISED, SELECT, RFT)
    again = _run(tmp_path / "run", SUPERVISED, SELECT, RFT)
    file = Path("stages/keep/kept.jsonl")
    assert (again / file).read_bytes() == (whole / file).read_bytes()
    assert all(
        left.equal(right)
        for left, right in zip(
            runs.weights(again).values(), runs.weights(whole).values(), strict=True
        )
    )


def test_a_stage_that_keeps_nothing_ends_the_run_and_says_why(tmp_path):
    strict = {**SELECT, "keep": {"length": 2.0}}
    with pytest.raises(TrainingError, match="kept none of 48 answers: 48 for rewards") as end:
        runs.run(tmp_path / "run", SUPERVISED, strict, RFT)
    assert end.value.exit_code == 1
    assert not (tmp_path / "run" / "stages" / "keep").exists()


def test_kept_and_other_data_are_mixed(tmp_path, whole):
    mix = [{"source": "stage:keep", "share": 3}, {"source": "chain", "share": 1}]
    folder = runs.run(tmp_path / "run", SUPERVISED, SELECT, {**RFT, "problems": {"mix": mix}})
    assert (folder / "stages/keep/kept.jsonl").read_bytes()
    assert not all(
        left.equal(right)
        for left, right in zip(
            runs.weights(folder).values(), runs.weights(whole).values(), strict=True
        )
    )
