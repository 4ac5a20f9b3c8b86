"""Recipes in and out: a TOML file and `--set` options to a Recipe, and a Recipe back to TOML.

Every refusal is one RecipeError with the file, the place and the remedy. Nothing here looks at
problems, rewards or models, and nothing imports torch.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from cohort.config.checks import check_recipe
from cohort.config.lookup import nearest
from cohort.config.overrides import apply_overrides
from cohort.config.recipe import Recipe
from cohort.config.refusals import refusal
from cohort.errors import RecipeError

PACKAGED = Path(__file__).parents[1] / "recipes"
"""The folder of the recipes that come with Cohort."""


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe of a file, or the packaged one of that name, with `a.b=c` options applied.

    Raises RecipeError for a missing or broken file, an unknown option, a value that does not fit,
    or options that contradict each other.
    """
    found = find_recipe(path)
    return read_recipe(apply_overrides(_read_toml(found), overrides), source=found.name)


def read_recipe(data: dict[str, Any], *, source: str = "recipe") -> Recipe:
    """A Recipe from plain tables, checked as a file is; `source` names them in refusals."""
    try:
        # Strict: TOML has types, so "50" is not 50 and true is not 1.
        recipe = Recipe.model_validate(data, strict=True)
    except ValidationError as error:
        raise refusal(error, Recipe, source) from None
    check_recipe(recipe)
    return recipe


def dump_recipe(recipe: Recipe) -> str:
    """The recipe as TOML with every default written out; reading it gives an equal Recipe."""
    return tomli_w.dumps(recipe.model_dump(exclude_none=True))


def packaged_recipes() -> dict[str, Path]:
    """The recipes that come with Cohort, by name."""
    return {path.stem: path for path in sorted(PACKAGED.glob("*.toml"))}


def find_recipe(path: Path) -> Path:
    """The file that a path or the name of a packaged recipe stands for."""
    if path.is_file():
        return path
    packaged = packaged_recipes()
    if str(path) in packaged:
        return packaged[str(path)]
    if path.is_dir():
        raise RecipeError(f"{path} is a folder, not a recipe", _file_hint(path))
    near = nearest(str(path), [*packaged, *(str(file) for file in path.parent.glob("*.toml"))])
    hint = f"did you mean {near}?" if near else f"packaged recipes: {', '.join(packaged)}"
    raise RecipeError(f"there is no recipe {path}", hint)


def _file_hint(folder: Path) -> str:
    files = sorted(folder.glob("*.toml"))
    return f"did you mean {files[0]}?" if files else "name a .toml file"


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path} is not TOML: {error}", "text values need quotes") from None
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path} is not UTF-8 text: {error.reason}") from None
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}") from None
