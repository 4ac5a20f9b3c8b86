"""The command that tries a recipe before a model is trained: `check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cohort.cli.training import Set
from cohort.cli.waiting import choose_waiting

if TYPE_CHECKING:
    from cohort.train.check_findings import Checked, Finding


def check(
    recipe: Annotated[str, typer.Argument(help="A recipe file, or the name of a packaged recipe.")],
    changes: Set = None,
    seconds: Annotated[
        float, typer.Option("--seconds", help="How long one call of a reward may take.", min=0.1)
    ] = 60.0,
    rewards_only: Annotated[
        bool, typer.Option("--rewards-only", help="Try the rewards and load no model.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Try a recipe before training: rewards with right, wrong and empty answers, groups, one micro-batch.

    Nothing is trained and nothing is written. Exit code 1 where something must be mended.
    """
    from pathlib import Path

    from cohort.config.load import find_recipe, load_recipe

    file = find_recipe(Path(recipe))
    resolved = load_recipe(file, changes or [])
    choose_waiting()
    from cohort.cli.printing import print_json
    from cohort.train.check import check_recipe

    checked = check_recipe(
        resolved, base=file.parent.resolve(), seconds=seconds, rewards_only=rewards_only
    )
    if as_json:
        print_json(checked.as_json())
    else:
        typer.echo("\n".join(page(file.name, checked)))
    if checked.to_mend:
        raise typer.Exit(1)


def page(name: str, checked: Checked) -> list[str]:
    """The lines of the terminal's page: what was looked at, what must be mended, what may be."""
    lines = [*checked.facts, ""]
    lines += _listed("to be mended before training", checked.to_mend)
    lines += _listed("worth a look", checked.to_look_at)
    if not checked.findings:
        lines.append(f"{name}: nothing was found.")
    return lines


def _listed(title: str, findings: list[Finding]) -> list[str]:
    if not findings:
        return []
    return [f"{title}:", *(f"  {f.where}: {f.name}: {f.text}" for f in findings), ""]
