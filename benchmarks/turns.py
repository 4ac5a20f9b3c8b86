"""A turn: one side of a comparison, alone in a process of its own, and what it measured there.

The process is this interpreter with the threads of the turn, so that both sides have the same torch
and leave no memory to one another. A turn that fails ends the comparison; nothing is tried twice.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch.optim.optimizer import Optimizer, register_optimizer_step_pre_hook

ROLLOUTS_FILE = "rollouts.pt"
"""Beside the model: TRL's rollouts and its gradient, for Cohort to find the same."""
TAIL_LINES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a process is asked for. Not `steps`: the gradient of one step, instead of seconds.

    precision: fp32, autocast (float32 weights, bfloat16 operations), bf16 (bfloat16 weights), or
    default: TRL's own choice, of checkpointing too. folder: where the model is. continuous: TRL samples
    by transformers' continuous batching. parts: micro-batches of TRL's step.
    """

    side: str
    workload: str
    folder: str
    precision: str
    checkpointing: bool = False
    continuous: bool = False
    parts: int = 1
    steps: int = 0
    warmup_steps: int = 0
    seed: int = 0
    device: str = "cpu"
    threads: int = 1

    @property
    def configuration(self) -> str:
        """The turn's precision and checkpointing in words."""
        words = {"fp32": "float32", "autocast": "bf16 autocast", "bf16": "bf16 weights"}
        if self.precision == "default":
            return "as it comes"
        kept = ", checkpointing" if self.checkpointing else ""
        batching = ", continuous batching" if self.continuous else ""
        return f"{words[self.precision]}{kept}{batching}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The seconds of one step and its completion tokens."""

    step_seconds: float
    sampling_seconds: float
    reward_seconds: float
    tokens: int


class TurnError(Exception):
    """A turn whose process failed, with the end of what it printed."""


class Runner:
    """Starts turns one after another, and says on stderr how far it is."""

    def __init__(self, folder: Path, *, turns: int, device: str, threads: int) -> None:
        self._folder, self._device, self._threads = folder, device, threads
        self._began, self._done, self._total = time.perf_counter(), 0, turns

    def run(self, turn: Turn) -> dict[str, Any]:
        """What the turn measured. Raises TurnError."""
        task = "steps" if turn.steps else "gradient"
        print(
            f"[{self._done + 1}/{self._total}] {turn.workload}: {turn.side}, {turn.configuration}, "
            f"{task}{self._left()}",
            file=sys.stderr,
        )
        found = launch(turn)
        self._done += 1
        return found

    def turn(self, side: str, workload: str, precision: str, **options: Any) -> Turn:
        """A turn on the device and the threads that were asked for."""
        return Turn(
            side=side,
            workload=workload,
            folder=str(self._folder / workload),
            precision=precision,
            device=self._device,
            threads=self._threads,
            **options,
        )

    def _left(self) -> str:
        if not self._done:
            return ""
        each = (time.perf_counter() - self._began) / self._done
        return f" (about {each * (self._total - self._done) / 60:.0f} min left)"


def launch(turn: Turn) -> dict[str, Any]:
    """What a turn measures, in a process of its own. Raises TurnError."""
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder) / "turn.json"
        asked.write_text(json.dumps(asdict(turn)))
        script = Path(__file__).with_name("versus_trl.py")
        done = subprocess.run(
            [sys.executable, str(script), "--turn", str(asked)],
            env=os.environ | environment(turn),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode:
            tail = "\n".join(done.stdout.splitlines()[-TAIL_LINES:])
            raise TurnError(f"{turn.side} ({turn.configuration}) on {turn.workload}:\n{tail}")
        found: dict[str, Any] = json.loads(answer_file(asked).read_text())
    return found


def environment(turn: Turn) -> dict[str, str]:
    """The variables that the libraries read when they are loaded."""
    threads = str(turn.threads)
    limits = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), threads)
    return limits | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def answer(asked: Path) -> None:
    """In the turn's own process: do what the file asks, and write what was measured beside it."""
    turn = Turn(**json.loads(asked.read_text()))
    torch.set_num_threads(turn.threads)
    if turn.side == "trl":
        import trl_side as side
    else:
        import cohort_side as side
    found = side.measure(turn) if turn.steps else side.gradient(turn)
    answer_file(asked).write_text(json.dumps(found))


def answer_file(asked: Path) -> Path:
    """Where a process leaves what it measured."""
    return asked.with_suffix(".answer")


def now(device: str) -> float:
    """Seconds on a clock, when everything that was asked of the device is done."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def peak_bytes(device: str) -> int:
    """The most memory so far: of tensors on a GPU, else of the whole process."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss begins on Linux with the peak of the process that started this
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


@contextmanager
def gradients_of(model: torch.nn.Module) -> Iterator[dict[str, torch.Tensor]]:
    """Filled with the model's gradients by name at the moment of the next optimizer step."""
    found: dict[str, torch.Tensor] = {}

    def keep(_: Optimizer, *__: object) -> None:
        named = model.named_parameters()
        found.update({n: p.grad.detach().cpu().clone() for n, p in named if p.grad is not None})

    hook = register_optimizer_step_pre_hook(keep)
    try:
        yield found
    finally:
        hook.remove()
    assert found, "no optimizer step was made"
