"""The recipes that come with Cohort are read, and what is written of them is read again."""

import tomllib
from pathlib import Path

import pytest

from cohort.cli.listing import first_comment
from cohort.config.load import dump_recipe, load_recipe, packaged_recipes, read_recipe

PIPELINES = ("r1", "r1-zero")

every_recipe = pytest.mark.parametrize("path", packaged_recipes().values(), ids=lambda p: p.stem)


def test_the_recipes_that_the_readme_promises_are_there() -> None:
    promised = {"chain", "countdown", "gsm8k", "happy", "length", "r1", "r1-zero"}
    assert set(packaged_recipes()) >= promised


@every_recipe
def test_a_packaged_recipe_survives_being_written_and_read(path: Path) -> None:
    recipe = load_recipe(path)
    assert read_recipe(tomllib.loads(dump_recipe(recipe))) == recipe


@every_recipe
def test_a_packaged_recipe_says_in_its_first_line_what_it_does(path: Path) -> None:
    assert path.read_text().startswith("# ")
    assert 40 <= len(first_comment(path)) <= 120


@every_recipe
def test_the_files_a_recipe_lies_beside_are_there(path: Path) -> None:
    for stage in load_recipe(path).stage:
        source = stage.problems.source
        if source.endswith(".jsonl") and "/" not in source:
            assert (path.parent / source).is_file()


def test_the_reward_model_of_r1_rewards_its_last_steps_alone_and_liking_itself_no_policy() -> None:
    stages = load_recipe(packaged_recipes()["r1"]).stage
    reinforced = [stage for stage in stages if stage.kind == "reinforce"]
    assert ["stage:people" in stage.rewards for stage in reinforced] == [False, False, True]
    assert reinforced[-1].steps < reinforced[-2].steps
    for stage in stages:
        if stage.kind in ("reinforce", "select") and "liked" in stage.rewards:
            assert stage.rewards["liked"].weight == 0.0


@pytest.mark.parametrize("name", PIPELINES)
def test_an_evaluation_of_the_same_problems_follows_every_stage_that_trains_the_policy(
    name: str,
) -> None:
    stages = load_recipe(packaged_recipes()[name]).stage
    measured = [stage for stage in stages if stage.kind == "evaluate"]
    assert all(stage.problems == measured[0].problems for stage in measured)
    trains = [stage.kind in ("supervised", "reinforce") for stage in stages]
    after = [stage.kind == "evaluate" for stage in stages[1:]] + [False]
    assert all(then for own, then in zip(trains, after, strict=True) if own)
