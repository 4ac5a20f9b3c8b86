"""Where the files of a recipe are: each is looked for in the working folder, then beside the recipe.

The recipe comes back with whole paths, so that the copy in a run's folder repeats the run from
anywhere. What is not found is left as it is; whoever opens it says so.
"""

from __future__ import annotations

import os
from pathlib import Path

from cohort.config.any_stage import AnyStage
from cohort.config.recipe import Recipe
from cohort.config.stages import Sampled, Taught
from cohort.errors import RecipeError


def located(recipe: Recipe, base: Path) -> Recipe:
    """The recipe with whole paths; `base` is the folder that its file is in."""
    model = recipe.model.model_copy(update={"path": _model(recipe.model.path, base)})
    stages = [_stage(stage, base) for stage in recipe.stage]
    track = recipe.track.model_copy(update={"to": [_found(name, base) for name in recipe.track.to]})
    return recipe.model_copy(update={"model": model, "track": track, "stage": stages})


def _stage(stage: AnyStage, base: Path) -> AnyStage:
    problems = stage.problems.each(
        lambda one: {"source": _found(one.source, base), "held_out": _found(one.held_out, base)}
    )
    changes: dict[str, object] = {"problems": problems}
    if isinstance(stage, Sampled):
        changes["rewards"] = {_found(n, base): reward for n, reward in stage.rewards.items()}
    if isinstance(stage, Taught) and stage.teacher is not None:
        anchor = _found(stage.teacher.anchor, base)
        changes["teacher"] = stage.teacher.model_copy(update={"anchor": anchor})
    return stage.model_copy(update=changes)


def _model(path: str, base: Path) -> str:
    """The whole path of a model's folder, whatever it is called; a name on the hub as it is."""
    for folder in (Path.cwd(), base):
        if path and os.path.isdir(folder / path):
            return _writable(os.path.abspath(folder / path))
    return _found(path, base)


def _found(text: str, base: Path) -> str:
    """`file` or `file.py:function` with the file's whole path, where there is such a file.

    Links are not followed: a link `train.jsonl` to a blob without a suffix is a JSONL file.
    """
    file, colon, function = text.partition(".py:")
    file += ".py" if colon else ""
    for folder in (Path.cwd(), base):
        path = folder / file
        # os.path answers for every text; Path raises for names that are too long.
        if file and ("." in file or "/" in file) and os.path.exists(path):
            return _writable(os.path.abspath(path)) + (f":{function}" if colon else "")
    return text


def _writable(path: str) -> str:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise RecipeError(
            f"the path {path} is not UTF-8: no copy of the recipe could name it",
            "rename the file or the folder",
        ) from None
    return path
