"""Writes TRL's losses and gradients of all cases to `golden.json`; TRL 1.16 has to be installed.

    python -m tests.parity.golden            computes and writes them
    python -m tests.parity.golden --check    computes them and compares: 1 where one has changed

The inputs of the step are in it once; gradients are by log-probability, in float64.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
import trl
from torch import Tensor
from transformers.utils.logging import disable_progress_bar

from tests.parity.cases import CASES, TOLERANCE, Case, changes
from tests.parity.trl_runs import sample, update
from tests.parity.trl_step import step_of

FILE = Path(__file__).parent / "golden.json"


def main(arguments: list[str]) -> int:
    """0 where all was written, or is as written; 1 where something differs."""
    os.environ["CI"] = "1"  # and TRL does not report that it is used
    logging.getLogger("trl").setLevel(logging.ERROR)
    disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        content = computed(Path(folder))
    if arguments == ["--check"]:
        return compared(json.loads(FILE.read_text()), json.loads(text(content)))
    FILE.write_text(text(content))
    print(f"{len(content['cases'])} cases of TRL {content['trl']} in {FILE.stat().st_size} bytes")
    return 0


def computed(folder: Path) -> dict[str, Any]:
    """The step, and what TRL makes of it in every case."""
    full = next(case for case in CASES if case.beta and case.other_sampler)
    sampled = sample(full, folder)
    step = vars(step_of(sampled.model, sampled.inputs))
    flat = {name: digits(values.detach()) for name, values in step.items()}
    return {"trl": trl.__version__, "step": flat, "cases": [record(case, folder) for case in CASES]}


def record(case: Case, folder: Path) -> dict[str, Any]:
    """A case by what is not a default, with TRL's loss and gradient."""
    outcome = update(sample(case, folder))
    given = {"loss_type": case.loss_type, **dict(changes(case))}
    loss, gradient = (
        digits(torch.tensor(outcome.loss, dtype=torch.float64)),
        digits(outcome.by_logprob),
    )
    return {"case": given, "loss": loss, "gradient": gradient}


def digits(values: Tensor) -> Any:
    """Numbers with twelve digits."""
    if not values.is_floating_point():
        return values.tolist()
    rounded = [float(f"{value:.12g}") for value in values.double().reshape(-1).tolist()]
    return rounded if values.ndim else rounded[0]


def text(content: dict[str, Any]) -> str:
    """JSON with a line for each case."""
    head = json.dumps({"trl": content["trl"], "step": content["step"]})[:-1]
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in content["cases"])
    return f'{head}, "cases": [\n{lines}\n]}}\n'


def compared(stored: dict[str, Any], found: dict[str, Any]) -> int:
    """1 where a number is further from the stored one than the tolerance, or a case is another."""
    if [case["case"] for case in stored["cases"]] != [case["case"] for case in found["cases"]]:
        print("golden.json has other cases: python -m tests.parity.golden writes it anew")
        return 1
    furthest = max(
        *(furthest_apart(stored["step"][name], found["step"][name]) for name in found["step"]),
        *(
            furthest_apart([old["loss"], *old["gradient"]], [new["loss"], *new["gradient"]])
            for old, new in zip(stored["cases"], found["cases"], strict=True)
        ),
    )
    print(f"{len(found['cases'])} cases: the furthest number is {furthest:.1e} from the stored one")
    return int(furthest > TOLERANCE)


def furthest_apart(stored: list[float], found: list[float]) -> float:
    return max(abs(a - b) for a, b in zip(stored, found, strict=True))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
