"""The command `cohort`: its table of commands, and what a refusal looks like in a terminal.

A refusal is at most six lines on stderr, `error: ...` and `hint: ...`, and its exit code is the
error's own; `-v` anywhere adds the traceback. Torch, pydantic and rich are imported inside the
commands that need them, so that `cohort --help` is instant.

    0    all asked work was done and saved
    1    training met something it must not go on with, a program in the sandbox did not end well, `check`
         found something to mend, or a fault of Cohort's own
    2    something asked for is impossible: a recipe, problems, a model, a reward, a run folder
    7    the disk: full, read-only, failing
    75   rewards failed for more answers than is allowed, or one in the training process hangs
    130  interrupted; 143 ended by SIGTERM; 141 the reader of the output closed it
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated

import typer

from cohort.cli import check, evaluating, listing, planning, reading, talking, training
from cohort.cli.sandbox import sandbox
from cohort.errors import CohortError, legible

MOST_LINES = 6
LONGEST_LINE = 600

app = typer.Typer(
    name="cohort",
    help="Train language models by Group Relative Policy Optimization, on the machine you have.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("train")(training.train)
app.command("check")(check.check)
app.command("plan")(planning.plan)
app.command("eval")(evaluating.evaluate)
app.command("sample")(talking.sample)
app.command("synthesize")(training.synthesize)
app.command("show")(reading.show)
app.command("compare")(reading.compare)
app.command("plot")(reading.plot)
app.command("report")(reading.report)
app.command("watch")(reading.watch)
app.command("track")(reading.track)
app.command("recipes")(listing.recipes)
app.command("algorithms")(listing.algorithms)
app.command("sandbox")(sandbox)


def _print_version(asked: bool) -> None:
    if asked:
        from cohort import __version__

        typer.echo(f"cohort {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Add the traceback to an error.")
    ] = False,
) -> None:
    """Options that come before a command; `run` reads `-v` itself, wherever it stands."""


def run() -> None:
    """Run the command of `sys.argv` and exit; the entry point of the installed `cohort`."""
    arguments, verbose = _without_verbose(sys.argv[1:])
    try:
        app(arguments)
    except CohortError as error:
        _print_refusal(error, verbose=verbose)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except SystemExit as end:
        # Click turns a pipe that nobody reads into 1, which is the code of a failed training.
        if not isinstance(end.__context__, BrokenPipeError):
            raise
        # Python flushes stdout once more at exit, which would raise again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None


def refusal_lines(error: CohortError) -> list[str]:
    """The lines that a refusal prints: the message, then the hint, cut at six; none is endless."""
    message = f"error: {error.message}".split("\n")
    hint = f"hint: {error.hint}".split("\n")[:2] if error.hint else []
    lines = [*message[: MOST_LINES - len(hint)], *hint]
    return [legible(line, LONGEST_LINE) for line in lines]


def _print_refusal(error: CohortError, *, verbose: bool) -> None:
    if verbose:
        traceback.print_exception(error)
    for line in refusal_lines(error):
        print(line, file=sys.stderr)


def _without_verbose(arguments: list[str]) -> tuple[list[str], bool]:
    """The arguments without `-v`, which may stand before or after the command, up to a `--`."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    kept = [argument for argument in arguments[:end] if argument not in ("-v", "--verbose")]
    return kept + arguments[end:], len(kept) < end
