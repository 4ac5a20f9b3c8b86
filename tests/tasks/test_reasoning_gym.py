"""Tasks of reasoning-gym as problems: pure draws, held-out ones apart, scores from the sandbox."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cohort.config.stages import Problems
from cohort.errors import DataError
from cohort.rewards.outcome import Scored
from cohort.tasks.generated import is_reserved
from cohort.tasks.problems import open_source
from cohort.tasks.reasoning_gym import ReasoningGym, score
from cohort.tasks.reasoning_gym_answers import may_be_evaluated

pytest.importorskip("reasoning_gym")


def source(task: str, **options: object) -> ReasoningGym:
    return ReasoningGym(task, options, held_out_problems=8)


def test_a_batch_is_a_function_of_its_arguments_and_never_has_a_held_out_problem() -> None:
    first, second = source("chain_sum"), source("chain_sum")
    drawn = first.batch(seed=1, purpose="a", step=3, count=20)
    assert drawn == second.batch(seed=1, purpose="a", step=3, count=20)
    assert drawn != first.batch(seed=2, purpose="a", step=3, count=20)
    assert not any(is_reserved(problem) for problem in drawn)
    assert len({problem.id for problem in drawn}) == 20
    assert all(is_reserved(problem) for problem in first.held_out())
    assert [p.id for p in first.held_out()[:4]] == [p.id for p in first.known()]


def test_a_recipe_names_a_task_and_gives_its_options() -> None:
    options = Problems(
        source="reasoning-gym:chain_sum",
        options={"min_terms": 2, "max_terms": 2},
        held_out_problems=4,
        template="Work it out. {prompt}",
    )
    (problem,) = open_source(options, Path()).batch(seed=1, purpose="a", step=1, count=1)
    assert str(problem.prompt).startswith("Work it out. ")
    place = json.loads(str(problem.columns["reasoning_gym"]))
    assert place["options"] == {"min_terms": 2, "max_terms": 2}
    assert problem.id.startswith("reasoning-gym:chain_sum:")


@pytest.mark.parametrize(
    ("task", "options", "words"),
    [
        ("chain_sums", {}, "no task"),
        ("chain_sum", {"terms": 2}, 'no option "terms"'),
        ("chain_sum", {"seed": 2}, 'no option "seed"'),
        ("chain_sum", {"min_terms": -1}, "does not take"),
    ],
)
def test_what_the_library_does_not_have_is_refused(task: str, options: dict, words: str) -> None:
    with pytest.raises(DataError, match=words):
        ReasoningGym(task, options, held_out_problems=1)


def test_its_demonstrations_are_its_answers_and_it_has_no_vocabulary() -> None:
    (shown,) = source("chain_sum").demonstrations(seed=1, step=1, count=1)
    assert shown.completion == f"<answer>{shown.problem.columns['answer']}</answer>"
    with pytest.raises(DataError):
        source("chain_sum").vocabulary()
    with pytest.raises(DataError, match="no answer to imitate"):
        source("graph_color").demonstrations(seed=1, step=1, count=1)


def test_scores_come_from_the_sandbox_and_an_evaluated_answer_does_nothing(tmp_path: Path) -> None:
    drawn = [
        *source("chain_sum").batch(seed=1, purpose="a", step=1, count=2),
        *source("countdown").batch(seed=1, purpose="a", step=1, count=1),
    ]
    own = [f"<think>so</think><answer> {p.columns['answer']} </answer>" for p in drawn]
    written = tmp_path / "written"
    hostile = f"__import__('pathlib').Path('{written}').write_text('x')"
    columns = [str(p.columns["reasoning_gym"]) for p in drawn]
    said = score(
        completions=[*own, "banana", hostile, "<think>no end"],
        reasoning_gym=[*columns, columns[0], columns[2], columns[0]],
    )
    assert said[:3] == [Scored(1.0)] * 3
    assert said[3:] == [Scored(0.0)] * 3
    assert not written.exists()


@pytest.mark.parametrize("text", ["12*(85 - 10) - 43", "x**2/2 + 3*x + C", "sin(x) + exp(2*x)"])
def test_an_expression_may_be_evaluated(text: str) -> None:
    assert may_be_evaluated(text, "simple_integration")


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('x')",
        "exec(chr(120))",
        "sqrt('open(1)')",
        "().__class__",
        "x.__class__",
        "(lambda: 1)()",
        "[open][0](1)",
        "print (1)",
        "sin\n(x) (1)",
        "getattr\t(x, 1)",
        "1 if x else 2; x",
        "9" * 20_001,
    ],
)
def test_what_could_do_more_than_mathematics_is_no_answer_to_evaluate(text: str) -> None:
    assert not may_be_evaluated(text, "countdown")


def test_lists_are_evaluated_without_calls_and_other_tasks_are_asked_about_any_text() -> None:
    assert may_be_evaluated("[[0, 1], [1, 0]]", "binary_matrix")
    assert may_be_evaluated("['A', 'B']", "string_insertion")
    assert not may_be_evaluated("[print(1)]", "n_queens")
    assert not may_be_evaluated("[x.y]", "spiral_matrix")
    assert may_be_evaluated("print('anything')", "chain_sum")
