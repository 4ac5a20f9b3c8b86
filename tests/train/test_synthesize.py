"""`cohort synthesize` and imitating references: all rules over the same answers, and rows without labels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cohort.cli.main import app
from cohort.config.load import read_recipe
from cohort.errors import CohortError, DataError, RecipeError, RewardsFailedError
from cohort.report.show import show_groups
from cohort.train.synthesize_model import synthesize_model
from tests.report.kept import answers
from tests.rewards.services.fault_server import chat, response, serving
from tests.train.runs import SUPERVISED, recipe, rows, run
from tests.train.scripted_teacher import share_of
from tests.train.test_teach import COLD, PROBLEMS, TEACHER, taught

RULES = [
    "single",
    "majority",
    "self-chosen",
    "least perplexity",
    "mutual predictability",
    "synthesis",
]
SELECT = {
    "kind": "select",
    "name": "references",
    "problems": PROBLEMS | {"held_out_problems": 6},
    "teacher": {"reference": "majority", "equality": "text"},
    "rewards": {"agrees": 0.0},
    "steps": 2,
    "prompts_per_step": 4,
    "rollouts_per_prompt": 4,
    "max_new_tokens": 12,
}


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cold")
    return run(folder / "run", COLD) / "model"


def summary(cold: Path, **changes: object):
    stage = {k: v for k, v in SELECT.items() if k != "prompts_per_step"}
    stage |= {"steps": 1, "teacher": TEACHER, **changes}
    made = read_recipe({"threads": 1, "model": str(cold), "stage": [stage]}, source="test")
    return synthesize_model(made, base=Path.cwd(), reward="correct")


def test_every_rule_is_asked_about_the_same_answers(cold: Path) -> None:
    found = summary(cold)
    assert list(found["rules"]) == RULES
    assert found["problems"] == 6
    assert found["rules"]["single"]["abstained"] == 0
    assert summary(cold) == found
    json.dumps(found, allow_nan=False)


def test_of_one_answer_every_rule_but_the_model_takes_that_one(cold: Path) -> None:
    rules = summary(cold, rollouts_per_prompt=1)["rules"]
    assert rules["least perplexity"]["right"] == rules["single"]["right"]
    assert rules["mutual predictability"]["abstained"] in (0, 6)


def test_what_selects_with_a_teacher_keeps_references_and_no_label(tmp_path: Path) -> None:
    imitate = SUPERVISED | {"problems": "stage:references", "steps": 2}
    folder = run(tmp_path / "run", COLD, SELECT, imitate)
    lines = (folder / "stages" / "references" / "kept.jsonl").read_text().splitlines()
    kept = [json.loads(line) for line in lines]
    assert 0 < len(kept) <= 8
    assert all(set(row) == {"id", "prompt", "completion"} for row in kept)
    told = [json.loads(c)["reference"] for (c,) in rows(folder, "SELECT columns FROM groups")]
    assert {row["completion"] for row in kept} <= {own["text"] for own in told}


def test_filters_of_answers_are_refused_where_references_are_kept() -> None:
    with pytest.raises(RecipeError, match="best_of is for answers"):
        recipe(COLD, SELECT | {"best_of": 1})


def test_a_group_is_shown_with_its_reference(tmp_path: Path, cold: Path, capsys) -> None:
    folder = taught(tmp_path / "run", cold)
    ((problem, columns),) = rows(
        folder, "SELECT problem, columns FROM groups WHERE step = 2 LIMIT 1"
    )
    show_groups(folder, step=2, problem=problem)
    shown = capsys.readouterr().out
    reference = json.loads(columns)["reference"]
    assert ("no reference: " if "missing" in reference else "reference: ") in shown
    told = [own["reference"] for own in answers(folder / "report.html", "group")]
    assert told
    assert all("reference: " in lines[0] for lines in told)


def test_a_model_that_is_not_there_is_refused() -> None:
    with pytest.raises(CohortError):
        summary(Path("/nowhere/model"))


def command(cold: Path, *arguments: str):
    """The command as a person gives it, about four problems."""
    few = ["--set", "stage.0.problems.held_out_problems=4"]
    few += ["--set", "stage.0.problems.options={letters=4}", "--max-new-tokens", "12"]
    given = ["synthesize", str(cold), "--problems", "slips", "--rollouts", "2", *few, *arguments]
    return CliRunner().invoke(app, given)


def test_the_command_prints_the_rules_and_where_the_synthesis_differs(cold: Path) -> None:
    how = ["--set", "stage.0.teacher.template={candidates}="]
    how += ["--set", "stage.0.teacher.candidate={text}|", "--set", "stage.0.teacher.shown=answer"]
    done = command(cold, "--reward", "correct", *how)
    assert done.exit_code == 0, done.exception
    lines = done.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines[1 : 1 + len(RULES)]] == RULES
    assert any(line.startswith("differs from majority") for line in lines)
    assert "None" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--reward", "corect"], "there is no reward"),
        (["--reward", "agrees"], "compares with a reference"),
        (["--reward", "correct", "--set", "stage.0.teacher.template=all"], "no place {candidates}"),
        (["--reward", "correct", "--set", "stage.0.teacher=majority"], "compares a synthesis"),
        (["--reward", "correct", "--set", "stage.0.kind=evaluate"], "teacher"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(
    cold: Path, arguments: list[str], words: str
) -> None:
    refused = command(cold, *arguments).exception
    assert isinstance(refused, CohortError), refused
    assert words in refused.message


def test_an_anchor_that_does_not_answer_is_no_anchor_that_abstains(cold: Path) -> None:
    gone = TEACHER | {"anchor": "http://127.0.0.1:9/v1", "model": "m", "deadline_seconds": 1.0}
    with pytest.raises(RewardsFailedError, match="answered about no problem"):
        summary(cold, teacher=gone)


def test_a_problem_about_which_the_anchor_did_not_answer_is_not_judged(cold: Path) -> None:
    def reply(body: bytes) -> bytes:
        failing = share_of("fails", body) < 0.5
        return response(b"", "400 Bad Request") if failing else chat("<answer>a1</answer>")

    with serving(reply)() as served:
        url = f"http://127.0.0.1:{served.port}/v1"
        found = summary(cold, teacher=TEACHER | {"anchor": url, "model": "m", "shown": "whole"})
        count = len(served.requests)
    refused = sum(share_of("fails", body) < 0.5 for body in served.requests)
    assert count == 6
    assert 0 < refused < 6
    assert (found["problems"], found["unscored"]) == (6 - refused, refused)


def test_a_file_of_which_nothing_is_held_out_is_refused(cold: Path, tmp_path: Path) -> None:
    few = tmp_path / "few.jsonl"
    few.write_text('{"prompt": "aQ=", "answer": "a7"}\n')
    done = CliRunner().invoke(
        app, ["synthesize", str(cold), "--problems", str(few), "--reward", "math"]
    )
    assert isinstance(done.exception, DataError), done.exception
    assert "nothing is held out" in done.exception.message
