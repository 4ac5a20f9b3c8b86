"""Architectures, tiny and random: packed rows, gradients, greedy tokens, saving, adapters; a table.

Each figure is the worst of three seeds, all given beforehand. `--write` puts each line into docs/models.md
as soon as it is known; `--only NAME...` takes some of them, and `--missing` those that the page has not yet,
so that the table can be made in parts.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path

import torch

from cohort.errors import CohortError
from cohort.policy.load import take_over
from cohort.policy.new import new_tokenizer
from proofs.command import main
from tests.policy.architectures import (
    PLAIN,
    REFUSED,
    TOLERANCE,
    TRAINED,
    Figures,
    figures,
    refused,
)
from tests.tiny import PIECES

SEEDS = (0, 1, 2)
PAGE = Path(__file__).parents[1] / "docs" / "models.md"
MARKS = (
    "<!-- architectures: written by proofs/architectures.py -->",
    "<!-- end of architectures -->",
)
COLUMNS = ("packed", "gradient", "greedy", "saved", "LoRA")
HEAD = (
    f"| architecture | special | {' | '.join(COLUMNS)} |",
    f"| --- | --- |{' --- |' * len(COLUMNS)}",
)
REFUSALS = ("| refused | why |", "| --- | --- |")
EVERY = (*TRAINED, *PLAIN, *REFUSED)


def prove(short: bool, *, only: Collection[str] = EVERY, write: bool = False) -> dict[str, object]:
    """Every architecture of `only` with every seed; `short` takes the first seed alone."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    failures: list[str] = []
    seeds = SEEDS[:1] if short else SEEDS
    lines = known_lines()
    for name in only:
        line, missed = refusal(name) if name in REFUSED else row(name, seeds)
        failures += missed
        print(line, file=sys.stderr, flush=True)
        if write and not missed:
            lines[name] = line
            _write(lines)
    return {
        "name": "architectures",
        "asked": len(only),
        "held": len(only) - len({failure.partition(":")[0] for failure in failures}),
        "architectures in packed rows": len(TRAINED.keys() & {*only}),
        "architectures in plain rows": len(PLAIN.keys() & {*only}),
        "architectures refused": len(REFUSED.keys() & {*only}),
        "tolerance": TOLERANCE,
        "seeds": list(seeds),
        "failures": failures[:10],
    }


def row(name: str, seeds: Collection[int] = SEEDS) -> tuple[str, list[str]]:
    """The line of an architecture that is trained, and what of it did not hold."""
    architecture = (TRAINED | PLAIN)[name]
    found = [_figures(name, seed) for seed in seeds]
    own = [one for one in found if isinstance(one, Figures)]
    failures = [f"{name}: {one}" for one in found if not (isinstance(one, Figures) and one.held)]
    special = ("plain rows: " if name in PLAIN else "") + architecture.special
    cells = [f"{len(found) - len(own)} of {len(found)} seeds failed"] * len(COLUMNS)
    if len(own) == len(found):
        cells = [
            f"{max(one.packed for one in own):.1e}",
            f"{max(one.gradient for one in own):.1e}",
            f"{min(one.greedy for one in own):.0%}",
            "equal" if all(one.saved for one in own) else "differs",
            _worst([one.adapters for one in own]),
        ]
    return f"| {name} | {special} | {' | '.join(cells)} |", failures


def refusal(name: str) -> tuple[str, list[str]]:
    """The line of one that is refused, and what was said if it is not the reason."""
    said = "it was taken"
    try:
        take_over(refused(name), new_tokenizer(PIECES))
    except CohortError as error:
        said = error.message
    return f"| {name} | {said} |", [] if REFUSED[name][2] in said else [f"{name}: {said}"]


def known_lines() -> dict[str, str]:
    """The lines that the page has, by the name of their architecture."""
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(MARKS[0])
    table, _, _ = rest.partition(MARKS[1])
    named = {line.split(" | ")[0].removeprefix("| "): line for line in table.splitlines()}
    return {name: line for name, line in named.items() if name in EVERY}


def _figures(name: str, seed: int) -> Figures | str:
    try:
        return figures((TRAINED | PLAIN)[name], seed)
    except (CohortError, RuntimeError) as error:
        return f"{type(error).__name__}: {error}"[:300]


def _worst(found: list[float | str]) -> str:
    said = [one for one in found if isinstance(one, str)]
    worst = max((one for one in found if isinstance(one, float)), default=0.0)
    return said[0][:160] if said else (f"{worst:.1e}" if worst else "0")


def _write(known: Mapping[str, str]) -> None:
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    lines = [*HEAD, *(known[name] for name in (*TRAINED, *PLAIN) if name in known), ""]
    lines += [f"Seeds {', '.join(map(str, SEEDS))}; held to {TOLERANCE:g}.", ""]
    lines += [*REFUSALS, *(known[name] for name in REFUSED if name in known)]
    aside = PAGE.with_suffix(".part")
    aside.write_text(before + "\n".join((MARKS[0], *lines, MARKS[1])) + after, encoding="utf-8")
    aside.replace(PAGE)  # ended in between, the page is whole


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m proofs.architectures", description=__doc__)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--missing", action="store_true")
    parser.add_argument("--only", nargs="*", choices=EVERY, default=list(EVERY))
    asked = parser.parse_args()
    if asked.write and asked.short:
        parser.error("the table is of all seeds: --write goes without --short")
    return asked


if __name__ == "__main__":
    asked = _asked()
    there = known_lines() if asked.missing else {}
    names = [name for name in asked.only if name not in there]
    raise SystemExit(main(prove(asked.short, only=names, write=asked.write)))
