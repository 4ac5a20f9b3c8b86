"""The page's questions: each is answered from a run's store, quickly, and nothing is guessed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cohort.data.store import Store
from cohort.report import read
from cohort.report.views import curves, groups, tokens
from cohort.report.views.answers import AskedError, answer
from tests.report.runs import group, write_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


def ask(run: Path, question: str, **given: object) -> Any:
    with read.opened(run) as db:
        found = answer(db, run, question, {name: str(value) for name, value in given.items()})
    return json.loads(json.dumps(found, allow_nan=False))


def long_run(folder: Path, steps: int) -> Path:
    folder.mkdir()
    store = Store(folder / "run.db")
    store.begin_stage(0, name="learn", kind="reinforce", steps=steps)
    for step in range(1, steps + 1):
        values = {"reward": float(step), "kl": float("nan"), "num_tokens": 10.0 * step}
        store.write_step(0, step, seconds=2.0, metrics=values)
    store.close()
    return folder


def test_a_short_curve_is_what_was_measured(run: Path) -> None:
    told = ask(run, "curve", stage=1, metric="entropy")
    assert told["steps"] == [1, 2, 3]
    assert told["mean"] == [1.0, 0.5, 0.333333]
    assert told["stretch"] == 1


def test_a_long_curve_is_means_of_equal_stretches_with_their_ends(tmp_path: Path) -> None:
    with read.opened(long_run(tmp_path / "long", 25)) as db:
        told = curves.curve(db, 0, "reward", points=5)
    assert told["steps"] == [5, 10, 15, 20, 25]
    assert told["mean"] == [3.0, 8.0, 13.0, 18.0, 23.0]
    assert told["low"] == [1.0, 6.0, 11.0, 16.0, 21.0]
    assert told["high"] == [5.0, 10.0, 15.0, 20.0, 25.0]


def test_a_value_that_was_not_finite_is_a_gap(tmp_path: Path) -> None:
    told = ask(long_run(tmp_path / "long", 3), "curve", stage=0, metric="kl")
    assert told["mean"] == [None, None, None]


def test_speed_is_tokens_of_a_step_over_its_seconds(tmp_path: Path) -> None:
    told = ask(long_run(tmp_path / "long", 3), "curve", stage=0, metric=curves.SPEED)
    assert told["mean"] == [5.0, 5.0, 5.0]


def test_names_of_metrics_are_those_that_the_store_has(run: Path) -> None:
    with read.opened(run) as db:
        for stage in (0, 1, 7):
            assert curves.metric_names(db, stage) == read.metric_names(db, stage)


def test_a_step_without_groups_leads_to_the_nearest_that_has_some(run: Path) -> None:
    told = ask(run, "groups", stage=1, step=99)
    assert (told["step"], told["previous"], told["next"]) == (3, 2, None)
    assert (told["first"], told["last"]) == (1, 3)
    assert ask(run, "groups", stage=0)["step"] is None


def test_a_row_has_the_spread_and_the_ends_of_its_group(run: Path) -> None:
    row = ask(run, "groups", stage=1, step=1)["groups"][0]
    assert (row["problem"], row["mean"], row["spread"]) == ("chain-1", 0.5, 0.5)
    assert (row["best"], row["worst"], row["signs"]) == (1.0, 0.0, "ufd")


def test_the_answers_of_a_group_are_by_advantage(run: Path) -> None:
    told = ask(run, "group", id=1)
    assert [a["number"] for a in told["answers"]] == [0, 2, 1]
    assert told["answers"][0]["parts"] == [["correct", 1.0, "", ""]]
    assert told["answers"][1]["parts"][0][1:3] == [None, "unscorable"]


def test_a_problem_is_found_at_all_its_steps(run: Path) -> None:
    told = ask(run, "history", problem="chain-1")
    assert [(p["stage"], p["step"]) for p in told["places"]] == [(1, 1), (1, 2), (1, 3)]


def test_a_problem_that_was_asked_often_is_shown_at_evenly_spaced_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "MOST_PLACES", 4)
    store = Store(tmp_path / "run.db")
    for step in range(1, 11):
        store.write_step(0, step, seconds=1.0, metrics={}, groups=[group("again")])
    store.close()
    told = ask(tmp_path, "history", problem="again")
    assert told["count"] == 10
    assert [place["step"] for place in told["places"]] == [1, 4, 7, 10]


def test_a_search_finds_prompts_answers_and_ids_whatever_their_case(run: Path) -> None:
    for text in ("CHAIN-2", "prompt OF chain-2"):
        assert {g["problem"] for g in ask(run, "search", text=text)["groups"]} == {"chain-2"}
    assert len(ask(run, "search", text="answer 2")["groups"]) == 3
    assert ask(run, "search", text="answer _")["groups"] == []
    assert ask(run, "search", text="%")["groups"] == []


def test_a_search_goes_on_where_its_slice_ended(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "SLICE_GROUPS", 2)
    monkeypatch.setattr(groups, "MOST_HITS", 1)
    found, below = [], None
    for _ in range(9):
        told = ask(run, "search", text="chain", **({"below": below} if below else {}))
        found += [row["id"] for row in told["groups"]]
        below = told["next"]
        if below is None:
            break
    assert below is None
    assert sorted(found) == [1, 2, 4, 5, 7, 8]


def test_tokens_without_a_tokenizer_are_numbers(run: Path) -> None:
    told = ask(run, "tokens", id=1)
    assert told["decoded"] is False
    assert told["answers"]["0"]["text"] == ["⟨0⟩", "⟨1⟩"]
    assert told["answers"]["0"]["logprob"] == [-0.5, -0.5]
    assert told["answers"]["0"]["advantage"] == 0.5


def test_tokens_beyond_the_limit_are_left_out(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MOST_TOKENS", 5)
    told = ask(run, "tokens", id=1)["answers"]
    assert told["1"] is not None
    assert told["2"] is None


def test_a_broken_tokenizer_is_none(run: Path) -> None:
    (run / "model").mkdir()
    (run / "model" / "tokenizer.json").write_text("{}")
    assert ask(run, "tokens", id=1)["decoded"] is False


@pytest.mark.parametrize(
    ("question", "given"),
    [
        ("nothing", {}),
        ("__class__", {}),
        ("curve", {"stage": "1"}),
        ("curve", {"stage": "x", "metric": "reward"}),
        ("group", {"id": "1e3"}),
        ("group", {"id": "9" * 40}),
        ("group", {"id": "999"}),
        ("groups", {"stage": "٣"}),
        ("search", {"text": "x" * 3000}),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(run: Path, question: str, given: Any) -> None:
    with pytest.raises(AskedError):
        ask(run, question, **given)


def test_the_whole_run_says_what_each_metric_means(run: Path) -> None:
    told = ask(run, "run")
    learn = next(stage for stage in told["stages"] if stage["name"] == "learn")
    assert learn["metrics"][0]["name"] == "reward"
    assert all(m["meaning"] for m in learn["metrics"] if not m["name"].startswith("rewards/"))
    assert told["status"] == "finished"
    assert [e["after"] for e in told["evaluations"]] == ["warm", "learn"]


def test_what_a_run_is_asked_first_changes_when_a_step_is_written(run: Path) -> None:
    before = ask(run, "pulse")
    store = Store(run / "run.db")
    store.write_step(1, 4, seconds=1.0, metrics={"reward": 1.0})
    store.close()
    assert ask(run, "pulse") != before


def test_a_run_that_has_just_begun_is_told_too(tmp_path: Path) -> None:
    Store(tmp_path / "run.db").close()
    told = ask(tmp_path, "run")
    assert told["stages"] == []
    assert ask(tmp_path, "search", text="x")["groups"] == []


def test_tokens_have_what_the_last_update_saw_of_them_and_only_those_that_were_in_one(
    run: Path,
) -> None:
    found = ask(run, "tokens", id=1)["answers"]
    assert found["0"]["ratio"] == [1.5, 1.0]
    assert found["0"]["entropy"] == [0.0, 2.0]
    assert found["0"]["clipped"] == [0]
    assert not {"ratio", "entropy", "clipped"} & set(found["2"])


def test_a_tokenizer_of_the_run_itself_is_read_while_there_is_no_model(run: Path) -> None:
    from tokenizers import Tokenizer, models

    words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(9)}, unk_token="w0"))
    words.save(str(run / "tokenizer.json"))
    found = ask(run, "tokens", id=1)
    assert found["decoded"] is True
    assert "w1" in "".join(found["answers"]["0"]["text"])
