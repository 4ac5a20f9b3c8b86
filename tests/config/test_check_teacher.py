"""A teacher's options: what would be ignored, or never be compared with, is refused."""

from __future__ import annotations

import pytest

from cohort.config.load import load_recipe, packaged_recipes
from cohort.errors import RecipeError

CAT = packaged_recipes()["cat"]
TEACHER = "stage.2.teacher"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["stage.2.rewards={ format = 1.0 }"], "no reward compares with its reference"),
        (["stage.1.rewards={ agrees = 1.0, correct = 0.0 }"], "there is no teacher"),
        (["stage.2.environment='chain'"], "knows a problem's labels"),
        ([f"{TEACHER}.reference=majority"], "is for a synthesis"),
        ([f"{TEACHER}.model=m"], "is for a service"),
        ([f"{TEACHER}.anchor=https://a.example/v1"], "the service has no model"),
        ([f"{TEACHER}.anchor=''"], "anchor is empty"),
        ([f"{TEACHER}.template=x"], "no place {candidates}"),
        ([f"{TEACHER}.candidate=x"], "no place {text}"),
        ([f"{TEACHER}.include_question=true"], "has no place {question}"),
        ([f"{TEACHER}.criteria=5"], "the reward rubric is not there"),
        ([f"{TEACHER}.rubric_tokens=5"], "none are asked for"),
    ],
)
def test_what_a_teacher_would_ignore_is_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(CAT, overrides)
    assert message in caught.value.message


def test_a_reference_alone_is_short_for_a_teacher() -> None:
    recipe = load_recipe(CAT, ["stage.2.teacher=majority"])
    assert recipe.stage[2].teacher.reference == "majority"
