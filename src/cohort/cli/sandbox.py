"""The command `sandbox`: run one program as rewards run those of a model, and print what happened."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cohort.errors import RewardError

if TYPE_CHECKING:
    from cohort.rewards.sandbox.program import Report

MOST_BYTES = 16 * 2**20
"""No program of a model is larger, and no input of one."""


def sandbox(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A Python program.")],
    given: Annotated[
        Path | None, typer.Option("--input", help="A file that the program reads as its stdin.")
    ] = None,
    tier: Annotated[
        str | None,
        typer.Option(help="namespaces, landlock, seatbelt or remote:...; else the strongest."),
    ] = None,
    seconds: Annotated[float, typer.Option(help="Its limit of time.", min=0.1)] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Run a Python program in the sandbox and print what happened.

    Exit code 0: it ended by itself, with its code 0. 1: it ended in any other way. 2: it was not run.
    """
    from cohort.rewards.sandbox.program import Limits, Program
    from cohort.rewards.sandbox.sandbox import Sandbox

    program = Program(files={"main.py": _content(file)}, limits=Limits(wall_seconds=seconds))
    stdin = _content(given) if given else b""
    box = Sandbox(tier or "")
    for stronger, reason in box.choice.missing.items():
        print(f"no {stronger}: {reason}", file=sys.stderr)
    report = box.run(program, stdin)
    _print_json(report) if as_json else _print(report)
    if (report.end, report.code) != ("exited", 0):
        raise typer.Exit(1)


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise RewardError(f"{file} cannot be read: {error.strerror}", "name a file") from error
    if len(content) > MOST_BYTES:
        raise RewardError(f"{file} is larger than {MOST_BYTES} bytes", "name a smaller file")
    return content


def _print_json(report: Report) -> None:
    from cohort.cli.printing import print_json

    # JSON escapes control characters only up to the space; a terminal heeds others too.
    texts = {
        name: "".join(
            c if c.isprintable() or c < " " else "\ufffd"
            for c in content.decode("utf-8", "replace")
        )
        for name, content in (("stdout", report.stdout), ("stderr", report.stderr))
    }
    print_json(
        {
            "end": report.end,
            "code": report.code,
            **texts,
            "seconds": round(report.seconds, 4),
            "peak_memory_bytes": report.peak_memory_bytes,
            "tier": report.tier,
        }
    )


def _print(report: Report) -> None:
    from cohort.cli.printing import print_table
    from cohort.rewards.sandbox.program import shown

    print_table(
        {
            "end": f"{report.end} {report.code}",
            "seconds": round(report.seconds, 3),
            "memory": f"{report.peak_memory_bytes / 2**20:.1f} MiB",
            "tier": report.tier,
        }
    )
    for name, content in (("stdout", report.stdout), ("stderr", report.stderr)):
        if content:
            typer.echo(f"\n{name}\n{shown(content).rstrip()}")
