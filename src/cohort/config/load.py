"""Recipes in and out: a TOML file and `--set` options to a Recipe, and a Recipe back to TOML.

Every refusal is one RecipeError with the file, the place and the remedy. Nothing here looks at
problems, rewards or models, and nothing imports torch.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from cohort.config.base import Table
from cohort.config.checks import check_recipe
from cohort.config.lookup import nearest
from cohort.config.overrides import apply_overrides
from cohort.config.recipe import Model, Recipe
from cohort.config.refusals import refusal
from cohort.config.toml import read_toml
from cohort.errors import RecipeError, legible

PACKAGED = Path(__file__).parents[1] / "recipes"
"""The folder of the recipes that come with Cohort."""


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe of a file, or the packaged one of that name, with `a.b=c` options applied.

    Raises RecipeError for a missing or broken file, an unknown option, a value that does not fit,
    or options that contradict each other.
    """
    found = find_recipe(path)
    return read_recipe(apply_overrides(read_toml(found), overrides), source=found.name)


def read_recipe(data: dict[str, Any], *, source: str = "recipe") -> Recipe:
    """A Recipe from plain tables, checked as a file is; `source` names them in refusals."""
    try:
        # Strict: TOML has types, so "50" is not 50 and true is not 1.
        recipe = Recipe.model_validate(data, strict=True)
    except ValidationError as error:
        raise refusal(error, Recipe, source) from None
    try:
        check_recipe(recipe)
    except RecipeError as error:
        raise RecipeError(f"{source}: {error.message}", error.hint) from None
    return recipe


class _Asked(Table):
    """A model alone, as a command names it."""

    model: Model


def read_model(path: str, changes: Sequence[str], *, source: str) -> Model:
    """The model of a command that has no recipe; `changes` replace options of it: `model.dtype=bfloat16`."""
    data = apply_overrides({"model": {"path": path}}, changes)
    try:
        return _Asked.model_validate(data, strict=True).model
    except ValidationError as error:
        raise refusal(error, _Asked, source) from None


def dump_recipe(recipe: Recipe) -> str:
    """The recipe as TOML with every default written out; reading it gives an equal Recipe."""
    return tomli_w.dumps(recipe.model_dump(exclude_none=True))


def packaged_recipes() -> dict[str, Path]:
    """The recipes that come with Cohort, by name."""
    return {path.stem: path for path in sorted(PACKAGED.glob("*.toml"))}


def find_recipe(path: Path) -> Path:
    """The file that a path or the name of a packaged recipe stands for."""
    # os.path answers for every text; Path raises for names that are too long or go in circles.
    if os.path.isfile(path):
        _check_writable(path)
        return path
    packaged = packaged_recipes()
    if str(path) in packaged:
        return packaged[str(path)]
    if os.path.isdir(path):
        raise RecipeError(f"{path} is a folder, not a recipe", _file_hint(path))
    if os.path.lexists(path):
        raise RecipeError(
            f"{path} is no file that can be read",
            "name a .toml file; a pipe, a device or a broken link is none",
        )
    beside = path.parent.glob("*.toml") if os.path.isdir(path.parent) else ()
    near = nearest(str(path), [*packaged, *(str(file) for file in beside)])
    hint = f"did you mean {near}?" if near else f"packaged recipes: {', '.join(packaged)}"
    raise RecipeError(f"there is no recipe {legible(str(path), 200)}", hint)


def _check_writable(path: Path) -> None:
    """A run's folder is called after the recipe, and its copy of the recipe names the place."""
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError:
        raise RecipeError(
            f"the path {path} is not UTF-8: no copy of the recipe could name it",
            "rename the file or the folder",
        ) from None


def _file_hint(folder: Path) -> str:
    files = sorted(folder.glob("*.toml"))
    return f"did you mean {files[0]}?" if files else "name a .toml file"
