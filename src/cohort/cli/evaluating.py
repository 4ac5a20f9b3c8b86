"""The command that measures models and runs on held-out problems: `eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cohort.cli.training import MaxNewTokens, Set
from cohort.cli.waiting import choose_waiting


def evaluate(
    models: Annotated[
        list[str],
        typer.Argument(help="Model folders, hub names or run folders; each against the first."),
    ],
    problems: Annotated[str, typer.Option(help="A task, a file, or file.py:function.")],
    rewards: Annotated[
        list[str],
        typer.Option(help="A reward by name; the first decides what is right. Repeatable."),
    ],
    samples: Annotated[int, typer.Option(help="Sampled answers per problem.")] = 8,
    category: Annotated[
        str, typer.Option(help="A column of the problems, by which results are told apart.")
    ] = "",
    checkpoints: Annotated[
        bool, typer.Option("--checkpoints", help="Of a run, every checkpoint that is there.")
    ] = False,
    max_new_tokens: MaxNewTokens = 256,
    changes: Set = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure models on held-out problems, each compared with the first; nothing is trained.

    All get the same problems and the same draws. The best one, marked by a star, is the one that is right
    most often: rewards do not choose it.
    """
    from cohort.config.load import read_recipe
    from cohort.config.overrides import apply_overrides
    from cohort.config.references import called

    stage = {
        "kind": "evaluate",
        "problems": problems,
        "rewards": dict.fromkeys(rewards, 1.0),
        "success": called(rewards[0]),
        "samples_per_problem": samples,
        "max_new_tokens": max_new_tokens,
    }
    data: dict[str, Any] = {"model": models[0], "stage": [stage]}
    recipe = read_recipe(apply_overrides(data, changes or []), source="cohort eval")
    choose_waiting()
    from cohort.cli.printing import print_columns, print_json
    from cohort.report.measured import table
    from cohort.train.evaluate_model import evaluate_models

    found = evaluate_models(
        recipe, models, base=Path.cwd(), category=category, checkpoints=checkpoints
    )
    print_json(found) if as_json else print_columns(table(found))
