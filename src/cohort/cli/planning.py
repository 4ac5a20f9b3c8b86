"""The command that says what a run will take before it is begun: `plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cohort.cli.training import Set
from cohort.cli.waiting import choose_waiting

if TYPE_CHECKING:
    from cohort.train.fit import Planned
    from cohort.train.forecast import StageForecast

Memory = Annotated[
    str,
    typer.Option(
        "--memory",
        help="What there is, as 16GiB: settings are chosen with which the run fits into it.",
    ),
]


def plan(
    recipe: Annotated[str, typer.Argument(help="A recipe file, or the name of a packaged recipe.")],
    changes: Set = None,
    memory: Memory = "",
    gpu: Annotated[
        str, typer.Option("--gpu", help='Plan for a GPU, as "RTX 4090"; this CPU without it.')
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a run will take: peak memory by item, tokens and seconds of a step, the expected end.

    Nothing is trained and no weights are read. With --memory, settings are chosen that fit.
    """
    from pathlib import Path

    from cohort.config.load import find_recipe, load_recipe

    file = find_recipe(Path(recipe))
    resolved = load_recipe(file, changes or [])
    choose_waiting()
    from cohort.cli.printing import print_json
    from cohort.train.fit import parse_memory, plan_recipe
    from cohort.train.machine import gpu as known_gpu
    from cohort.train.machine import this_machine

    given = parse_memory(memory) if memory else 0
    machine = known_gpu(gpu) if gpu else this_machine(resolved.threads)
    planned = plan_recipe(
        resolved,
        base=file.parent.resolve(),
        machine=machine,
        memory=given or (machine.memory_bytes if gpu else 0),
    )
    print_json(as_data(planned)) if as_json else typer.echo("\n".join(page(file.name, planned)))


def as_data(planned: Planned) -> dict[str, Any]:
    """A plan for machines: bytes and seconds."""
    return {
        "machine": planned.machine.name,
        "memory_bytes": planned.memory_bytes,
        "peak_bytes": planned.largest.peak_bytes,
        "seconds": sum(stage.seconds for stage in planned.stages),
        "chosen": list(planned.chosen),
        "notes": list(planned.notes),
        "stages": [
            {
                "name": stage.name,
                "kind": stage.kind,
                "steps": stage.steps,
                "peak_bytes": stage.peak_bytes,
                "bytes": stage.bytes,
                "tokens_per_step": stage.tokens_per_step,
                "step_seconds": stage.step_seconds,
            }
            for stage in planned.stages
        ],
    }


def page(name: str, planned: Planned) -> list[str]:
    """The lines of the terminal's page: stages, the largest one's items, what was chosen."""
    from cohort.train.fit import shown

    largest = planned.largest
    room = f" of {shown(planned.memory_bytes)}" if planned.memory_bytes else ""
    lines = [f"{name} on {planned.machine.name}: {shown(largest.peak_bytes)}{room} at most", ""]
    lines += [f"{'stage':24}{'peak':>11}{'tokens/step':>13}{'s/step':>9}{'steps':>7}{'in all':>10}"]
    lines += [_stage(stage, shown(stage.peak_bytes)) for stage in planned.stages]
    seconds = sum(stage.seconds for stage in planned.stages)
    lines += [
        "",
        f"expected end: {_duration(seconds)} after the beginning, without the rewards' time",
    ]
    lines += ["", f"memory of stage {largest.name}, the largest:"]
    lines += [f"  {item:20}{shown(size):>11}" for item, size in largest.bytes.items() if size]
    if planned.chosen:
        lines += ["", "chosen, so that it fits:", *(f"  {why}" for why in planned.chosen)]
    if planned.notes:
        lines += ["", *planned.notes]
    return lines


def _stage(stage: StageForecast, most: str) -> str:
    name = stage.name if len(stage.name) < 24 else f"{stage.name[:22]}…"
    return (
        f"{name:24}{most:>11}{stage.tokens_per_step:>13,}{stage.step_seconds:>9.3g}"
        f"{stage.steps:>7}{_duration(stage.seconds):>10}"
    )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
