"""The commands that say what there is: `recipes` and `algorithms`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cohort.errors import RecipeError

if TYPE_CHECKING:
    from cohort.objective.algorithms import Algorithm


def recipes(
    action: Annotated[str | None, typer.Argument(help="`copy`, or nothing for the list.")] = None,
    name: Annotated[str | None, typer.Argument(help="The recipe to copy.")] = None,
    destination: Annotated[
        Path | None, typer.Argument(metavar="[DEST]", help="Where to; NAME.toml without it.")
    ] = None,
) -> None:
    """List the packaged recipes, or copy one to change it: `cohort recipes copy chain`."""
    from cohort.cli.printing import print_columns
    from cohort.config.load import packaged_recipes

    if action is None:
        print_columns([(name, first_comment(path)) for name, path in packaged_recipes().items()])
    elif action == "copy" and name is not None:
        typer.echo(copy_recipe(name, destination or Path(f"{name}.toml")))
    else:
        raise RecipeError(
            f"recipes can be listed or copied, not: {' '.join(filter(None, (action, name)))}",
            "write cohort recipes, or cohort recipes copy NAME [DEST]",
        )


def first_comment(path: Path) -> str:
    """The first line of a recipe, which is a comment that says what it does."""
    with path.open(encoding="utf-8") as file:
        return file.readline().removeprefix("#").strip()


def copy_recipe(name: str, destination: Path) -> Path:
    """Copy a packaged recipe, and the problems that lie beside it, to a file or into a folder.

    Raises RecipeError rather than write over anything.
    """
    from cohort.config.load import packaged_recipes
    from cohort.config.lookup import nearest

    packaged = packaged_recipes()
    if name not in packaged:
        near = nearest(name, packaged)
        hint = f"did you mean {near}?" if near else f"packaged recipes: {', '.join(packaged)}"
        raise RecipeError(f"there is no packaged recipe {name}", hint)
    target = destination / f"{name}.toml" if destination.is_dir() else destination
    if not target.parent.is_dir():
        raise RecipeError(f"there is no folder {target.parent}", "make it first")
    copies = {packaged[name]: target}
    copies |= {file: target.parent / file.name for file in problem_files(packaged[name])}
    for copy in copies.values():
        if copy.exists():
            hint = "name another place: cohort recipes copy NAME DEST"
            raise RecipeError(f"{copy} exists already", hint)
    for source, copy in copies.items():
        shutil.copyfile(source, copy)
    return target


def problem_files(recipe: Path) -> list[Path]:
    """The files of problems that lie beside a recipe and are named in it."""
    from cohort.config.load import load_recipe

    stages = load_recipe(recipe).stage
    sources = {one.source for stage in stages for one in stage.problems.tables}
    return sorted(file for file in recipe.parent.iterdir() if file.name in sources)


def algorithms(
    name: Annotated[str | None, typer.Argument(help="One algorithm, with its choices.")] = None,
) -> None:
    """List the algorithms with their papers, or one: its equation, choices, and what differs from grpo."""
    from cohort.cli.printing import print_columns
    from cohort.objective.presets import ALGORITHMS, choose
    from cohort.report.algorithms import beside

    if name is not None:
        _one_algorithm(choose(name, {}))
        return
    heads = ("algorithm", "advantage", "weight", "surrogate", "further", "paper")
    tables = ("advantage", "weight", "surrogate")
    rows = [
        (row.name, *(row.chosen[table] for table in tables), ", ".join(beside(row)), row.paper)
        for row in ALGORITHMS.values()
    ]
    print_columns([heads, *rows])


def _one_algorithm(algorithm: Algorithm) -> None:
    from cohort.cli.printing import print_columns
    from cohort.objective.grpo import GRPO
    from cohort.report.algorithms import differences, equation, lines, meanings

    typer.echo(f"{algorithm.name}: {algorithm.title} ({algorithm.paper})\n")
    for line in equation(algorithm):
        typer.echo(f"    {line}")
    typer.echo("\nchoices")
    rows = lines(algorithm)
    print_columns([(f"    {row.table}", row.entry, row.function) for row in rows])
    typer.echo("\nnumbers")
    print_columns([(f"    {key}", value, meaning) for key, value, meaning in meanings(algorithm)])
    typer.echo(f"\ndiffers from grpo: {', '.join(differences(algorithm, GRPO)) or 'in nothing'}")
    if algorithm.left_open:
        typer.echo(f"the paper leaves open: {algorithm.left_open}")
    if algorithm.elsewhere:
        typer.echo(f"elsewhere: {algorithm.elsewhere}")
