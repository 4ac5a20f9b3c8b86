"""The recipes that come with Cohort are read, and what is written of them is read again."""

import tomllib
from pathlib import Path

import pytest

from cohort.cli.listing import first_comment
from cohort.config.load import dump_recipe, load_recipe, packaged_recipes, read_recipe

every_recipe = pytest.mark.parametrize("path", packaged_recipes().values(), ids=lambda p: p.stem)


def test_the_recipes_that_the_readme_promises_are_there() -> None:
    assert set(packaged_recipes()) >= {"chain", "countdown", "gsm8k", "happy", "length"}


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
