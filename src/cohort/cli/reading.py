"""The commands that read a run folder: `show`, `compare`, `plot`, `watch`, `report`, `track`.

They never write to its store.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

Run = Annotated[Path, typer.Argument(help="A run folder, for example runs/chain.")]


def show(
    run: Run,
    stage: Annotated[
        str | None, typer.Option(help="A stage's name or number; the last without it.")
    ] = None,
    step: Annotated[int | None, typer.Option(help="The step; the last without it.")] = None,
    problem: Annotated[str | None, typer.Option(help="The id of a problem.")] = None,
    groups: Annotated[int, typer.Option(help="How many groups at most.", min=1)] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show groups of a run: the problem, its answers, rewards and advantages."""
    if as_json:
        from cohort.cli.printing import print_json
        from cohort.report.show import told_groups

        print_json(told_groups(run, stage=stage, step=step, problem=problem, limit=groups))
        return
    from cohort.report.show import show_groups

    show_groups(run, stage=stage, step=step, problem=problem, limit=groups)


def report(
    run: Run,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Write report.html into a run folder and print where it is, or print the summary as JSON."""
    if as_json:
        from cohort.cli.printing import print_json
        from cohort.report.summary import summarize

        print_json(summarize(run))
        return
    from cohort.report.html import write_report

    typer.echo(write_report(run))


def compare(
    runs: Annotated[
        list[Path], typer.Argument(help="Run folders; the others are held against the first.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare runs on held-out problems, with 95 % intervals and a paired test."""
    from dataclasses import asdict

    from cohort.report.compare import compare as held_against
    from cohort.report.compare import comparison

    results = held_against(runs)
    if as_json:
        from cohort.cli.printing import print_json

        print_json([asdict(result) for result in results])
        return
    from cohort.cli.printing import print_columns

    print_columns(comparison(results))


def plot(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The picture: .png, .svg or .pdf.")
    ],
    metric: Annotated[str, typer.Option(help="The metric.")] = "reward",
    stage: Annotated[
        str | None, typer.Option(help="A stage's name or number; the last that measures it.")
    ] = None,
) -> None:
    """Draw a metric of one or several runs as a picture (extra `plot`)."""
    from cohort.report.plot import plot as draw

    draw(runs, metric, output, stage=stage)
    typer.echo(output)


def track(
    run: Run,
    to: Annotated[
        list[str],
        typer.Option(help="wandb, tensorboard, trackio, mlflow, or file.py:function. Repeatable."),
    ],
    project: Annotated[str, typer.Option(help="What the run belongs to there.")] = "cohort",
    groups_every_steps: Annotated[
        int, typer.Option(help="Steps between two tables of groups; 0 for none.", min=0)
    ] = 10,
    wait_seconds: Annotated[
        float, typer.Option(help="After so long it is given up.", min=0.0, max=3600.0)
    ] = 600.0,
) -> None:
    """Tell other programs of a run that is there: metrics, and tables of groups.

    What a sink knows already is not said again. A run tells its sinks by itself: see `[track]`.
    """
    from pydantic import ValidationError

    from cohort.config.refusals import refusal
    from cohort.config.track import Track
    from cohort.report.track.sinks import track as tell

    try:
        options = Track(
            to=to,
            project=project,
            groups_every_steps=groups_every_steps,
            wait_seconds=wait_seconds,
        )
    except ValidationError as error:
        raise refusal(error, Track, "cohort track") from None
    tell(run, options)


def watch(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, for example runs/chain.")],
    port: Annotated[int, typer.Option(help="The port; 0 takes a free one.", min=0, max=65535)] = 0,
) -> None:
    """Serve a page over runs on this machine, live while they go on, until Ctrl-C.

    Prints its address, which holds a token; nobody without it is answered. Nothing is written.
    """
    from cohort.report.watch.server import watch as listen

    watched = listen(runs, port=port)
    typer.echo(watched.address)
    sys.stdout.flush()
    watched.serve()
