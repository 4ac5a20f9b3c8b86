"""The commands that train a model and make answers with it: `train`, `synthesize`.

They turn strings into options and call the train room; nothing is decided here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cohort.cli.waiting import choose_waiting
from cohort.errors import RecipeError

if TYPE_CHECKING:
    from cohort.config.recipe import Recipe

Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="OPTION=VALUE", help="Replace an option: stage.0.steps=50. Repeatable."
    ),
]
MaxNewTokens = Annotated[int, typer.Option(help="The most tokens an answer may have.")]
Model = Annotated[str, typer.Argument(help="A model folder, or a name on the hub.")]


Resume = Annotated[
    Path | None,
    typer.Option(metavar="RUN", help="Go on with the run in this folder, by its own recipe."),
]
AcceptChanges = Annotated[
    bool,
    typer.Option(
        "--accept-changes",
        help="Go on with a run also where its recipe, data, code of a reward or a version is "
        "another one than before; what changed is recorded.",
    ),
]


def _steps(text: str) -> int:
    """The N of `--profile N`; the train room says which numbers there may be."""
    try:
        return int(text)
    except ValueError:
        raise RecipeError(
            f"profile is {text!r}: it is the number of steps to measure, at least 1",
            "3 are enough to see where the time goes",
        ) from None


def _named(recipe: str | None, run: Path | None, resume: Path | None) -> tuple[Path, Path | None]:
    """The recipe's file and the run's folder."""
    if resume is None:
        if recipe is None:
            raise RecipeError("no recipe is given", "`cohort recipes` lists the packaged ones")
        return Path(recipe), run
    from cohort.train.folder import RECIPE, recipe_of

    if recipe is not None or run is not None:
        raise RecipeError("--resume names a run: give neither a recipe nor --run with it")
    recipe_of(resume)
    return resume / RECIPE, resume


def train(
    recipe: Annotated[
        str | None, typer.Argument(help="A recipe file, or the name of a packaged recipe.")
    ] = None,
    changes: Set = None,
    run: Annotated[Path | None, typer.Option(help="The run folder; runs/NAME without it.")] = None,
    resume: Resume = None,
    accept_changes: AcceptChanges = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check it, print the resolved recipe and stop.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, only the result.")] = False,
    memory: Annotated[
        str, typer.Option("--memory", help="What there is, as 16GiB: settings are chosen that fit.")
    ] = "",
    profile: Annotated[
        int | None,
        typer.Option(
            parser=_steps,
            metavar="N",
            help="Measure N reinforce steps after a first one, then record the operators of one "
            "more, which is slower; the report and profile.json say where the time went.",
        ),
    ] = None,
) -> None:
    """Train as a recipe says; prints the run folder. Given again, goes on where the run ended.

    With --memory, with the settings that `cohort plan` chooses.
    """
    from cohort.config.load import dump_recipe, find_recipe, load_recipe

    file, run = _named(recipe, run, resume)
    file = find_recipe(file)
    resolved = load_recipe(file, changes or [])
    choose_waiting()
    if memory:
        resolved = _fitted(resolved, file, memory)
    if dry_run:
        from cohort.train.plan import check_names
        from cohort.train.profile import steps_to_profile

        check_names(resolved, file.parent.resolve())
        if profile is not None:
            steps_to_profile(resolved, profile)
        typer.echo(dump_recipe(resolved), nl=False)
        return
    from cohort.train.run import train_recipe

    folder = train_recipe(
        resolved,
        run=run,
        base=file.parent.resolve(),
        name=file.stem,
        quiet=quiet,
        profile=profile,
        accept_changes=accept_changes,
    )
    typer.echo(folder)


def _fitted(recipe: Recipe, file: Path, memory: str) -> Recipe:
    """The recipe with settings that fit into so much memory; what was chosen goes to stderr."""
    from cohort.train.fit import parse_memory, plan_recipe
    from cohort.train.machine import this_device

    planned = plan_recipe(
        recipe,
        base=file.parent.resolve(),
        machine=this_device(recipe.threads),
        memory=parse_memory(memory),
    )
    for why in planned.chosen:
        typer.echo(f"chosen, so that it fits: {why}", err=True)
    return planned.recipe


def synthesize(
    model: Model,
    problems: Annotated[str, typer.Option(help="A task, a file, or file.py:function.")],
    reward: Annotated[str, typer.Option(help="The reward that says what is right.")],
    rollouts: Annotated[int, typer.Option(help="Sampled answers per problem.", min=1)] = 8,
    max_new_tokens: MaxNewTokens = 256,
    changes: Set = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make one answer out of several to held-out problems, beside the rules that pick one of them.

    Compute as Teacher at inference. How the model is asked: --set stage.0.teacher.shown=answer.
    """
    from cohort.config.load import read_recipe
    from cohort.config.overrides import apply_overrides

    stage = {
        "kind": "select",
        "problems": problems,
        "rewards": {"agrees": 1.0},
        "teacher": {"reference": "synthesis"},
        "steps": 1,
        "rollouts_per_prompt": rollouts,
        "max_new_tokens": max_new_tokens,
    }
    data: dict[str, Any] = {"model": model, "stage": [stage]}
    recipe = read_recipe(apply_overrides(data, changes or []), source="cohort synthesize")
    choose_waiting()
    from cohort.cli.printing import print_columns, print_json, print_table
    from cohort.report.synthesis import columns_of, differing_of
    from cohort.train.synthesize_model import synthesize_model

    summary = synthesize_model(recipe, base=Path.cwd(), reward=reward)
    if as_json:
        return print_json(summary)
    print_columns(columns_of(summary))
    print_columns(differing_of(summary))
    print_table({name: summary[name] for name in ("problems", "unscored")})
