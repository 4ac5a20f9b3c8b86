"""Architectures, tiny and random: packed rows, gradients, greedy tokens, saving, adapters; a table.

Each figure is the worst of three seeds, all given beforehand. `--write` puts them into docs/models.md.
"""

from __future__ import annotations

import sys
import warnings
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
    Architecture,
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
HEAD = (
    "| architecture | special | packed | gradient | greedy | saved | LoRA |",
    "| --- | --- | --- | --- | --- | --- | --- |",
)


def prove(short: bool, seed: int) -> dict[str, object]:
    """Every architecture with every seed; `short` takes the first seed alone."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    lines, failures = list(HEAD), []
    asked = held = 0
    for name, architecture in (TRAINED | PLAIN).items():
        own = [_figures(architecture, s) for s in (SEEDS[:1] if short else SEEDS)]
        asked += len(own)
        held += sum(isinstance(one, Figures) and one.held for one in own)
        failures += [
            f"{name}: {one}" for one in own if not isinstance(one, Figures) or not one.held
        ]
        rows = "plain rows: " if name in PLAIN else ""
        lines.append(_line(name, rows + architecture.special, own))
    for name, (_, _, reason) in REFUSED.items():
        said = _refusal(name)
        asked, held = asked + 1, held + (reason in said)
        failures += [] if reason in said else [f"{name}: {said}"]
        lines.append(f"| {name} | refused: {said} | | | | | |")
    seeds = SEEDS[:1] if short else SEEDS
    lines += ["", f"Seeds {', '.join(map(str, seeds))}; held to {TOLERANCE:g}."]
    if "--write" in sys.argv and not failures:
        _write(lines)
    return {
        "name": "architectures",
        "asked": asked,
        "held": held,
        "architectures in packed rows": len(TRAINED),
        "architectures in plain rows": len(PLAIN),
        "architectures refused": len(REFUSED),
        "tolerance": TOLERANCE,
        "seeds": list(seeds),
        "failures": failures[:10],
    }


def _figures(architecture: Architecture, seed: int) -> Figures | str:
    try:
        return figures(architecture, seed)
    except (CohortError, RuntimeError) as error:
        return f"{type(error).__name__}: {error}"[:300]


def _line(name: str, special: str, found: list[Figures | str]) -> str:
    own = [one for one in found if isinstance(one, Figures)]
    if len(own) < len(found):
        return (
            f"| {name} | {special} | {next(one for one in found if isinstance(one, str))} | | | | |"
        )
    cells = (
        f"{max(one.packed for one in own):.1e}",
        f"{max(one.gradient for one in own):.1e}",
        f"{min(one.greedy for one in own):.0%}",
        "equal" if all(one.saved for one in own) else "differs",
        _worst([one.adapters for one in own]),
    )
    return f"| {name} | {special} | {' | '.join(cells)} |"


def _worst(found: list[float | str]) -> str:
    said = [one for one in found if isinstance(one, str)]
    return said[0][:160] if said else f"{max(one for one in found if isinstance(one, float)):.1e}"


def _refusal(name: str) -> str:
    try:
        take_over(refused(name), new_tokenizer(PIECES))
    except CohortError as error:
        return error.message
    return "it was taken"


def _write(lines: list[str]) -> None:
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    made = "\n".join((MARKS[0], *lines, MARKS[1]))
    PAGE.write_text(before + made + after, encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv, seed=1)))
