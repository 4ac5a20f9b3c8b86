"""Steps of Cohort and of TRL without vLLM on one GPU, with models of the shapes of Qwen2.5.

    python benchmarks/on_gpu.py [--workloads 0.5B 1.5B] [--steps 3] [--json FILE]

Random bfloat16 weights, 16 prompts of 306 tokens with 8 answers each, at most 256 new tokens; an answer
ends after each token with a chance of about 1/128. TRL samples with transformers' `generate` and with its
continuous batching, trains bfloat16 weights without checkpointing in four micro-batches, and is measured
in the order TRL, Cohort, Cohort, TRL; each turn is a process of its own, whose first step is not counted.
Cohort keeps float32 masters of the weights, TRL does not. Ratios are of medians of seconds per completion
token; memory is the peak of tensors on the GPU. Before anything is measured the gradients of one step in
float32 are compared on the first workload. A way of TRL's that fails is named and left out.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from turns import Runner, Turn, TurnError
from versus_trl import PARTS, summary
from workloads import GPU_WORKLOADS, save_model

LEAST_COSINE = 0.9999
MICROBATCHES = 4


def main() -> int:
    """Compare, measure, print; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workloads", nargs="+", choices=GPU_WORKLOADS, default=list(GPU_WORKLOADS))
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--no-gradient", action="store_true", help="leave the comparison out")
    parser.add_argument("--short", action="store_true", help="one turn of each instead of two")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("this needs a CUDA device", file=sys.stderr)
        return 2
    print(torch.cuda.get_device_name(), "torch", torch.__version__, flush=True)
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(options.workloads):
            save_model(GPU_WORKLOADS[name].size, Path(folder) / name)
            torch.cuda.empty_cache()
            runner = Runner(Path(folder), turns=8, device="cuda", threads=8)
            if not number and not options.no_gradient and not _same(runner, name):
                return 1
            results[name] = measure(runner, name, options.steps, short=options.short)
            print("\n".join(lines(name, results[name])), flush=True)
            if options.json:
                options.json.write_text(json.dumps(results))
    return 0


def _same(runner: Runner, name: str) -> bool:
    turn = runner.turn("trl", name, "fp32", parts=16)
    runner.run(turn)
    gap = runner.run(replace(turn, side="cohort"))
    print(f"gradients on TRL's rollouts: {gap}", flush=True)
    return gap["cosine"] > LEAST_COSINE


def measure(runner: Runner, name: str, steps: int, *, short: bool) -> dict[str, Any]:
    """Both sides, A B B A, and the ratios to each way of TRL's to sample."""
    lengths = {"steps": steps, "warmup_steps": 1}
    generate = runner.turn("trl", name, "bf16", parts=MICROBATCHES, **lengths)
    ours = runner.turn("cohort", name, "bf16", **lengths)
    found: dict[str, list[dict[str, Any]]] = {"generate": [], "cohort": [], "continuous": []}
    order: tuple[tuple[str, Turn], ...] = (
        ("generate", generate),
        ("cohort", ours),
        ("continuous", replace(generate, continuous=True)),
    )
    if not short:
        order += (("cohort", replace(ours, seed=1)), ("generate", replace(generate, seed=1)))
    failed = {}
    for way, turn in order:
        try:
            one = runner.run(turn)
            found[way].append(one)
            print(f"{name} {way}: {json.dumps(one['steps'])}", flush=True)  # what is cut is not lost
        except TurnError as error:
            failed[way] = str(error)
            print(f"{way} failed: {error}", flush=True)
    cohort = summary(ours, found["cohort"])
    results: dict[str, Any] = {"cohort": cohort, "failed": failed}
    for way in ("generate", "continuous"):
        if found[way]:
            theirs = summary(replace(generate, continuous=way == "continuous"), found[way])
            ratios = {
                f"{part}_ratio": theirs[f"{part}_seconds_per_token"]
                / cohort[f"{part}_seconds_per_token"]
                for part in PARTS
            }
            memory = cohort["peak_bytes"] / theirs["peak_bytes"]
            results[way] = {**ratios, "memory_ratio": memory, "trl": theirs}
    return results


def lines(name: str, found: dict[str, Any]) -> list[str]:
    """A line for each side and each ratio."""
    said = []
    sides = {"Cohort": found["cohort"]}
    sides |= {f"TRL, {w}": found[w]["trl"] for w in ("generate", "continuous") if w in found}
    for side, one in sides.items():
        said.append(
            f"{name} {side:16} step {one['step_seconds']:7.2f} s, sampling "
            f"{one['sampling_seconds']:7.2f}, update {one['update_seconds']:7.2f}, tokens "
            f"{one['tokens']:7.0f}, first step {one['first_step_seconds']:6.1f} s, "
            f"{one['peak_bytes'] / 2**30:6.1f} GiB"
        )
    for way in ("generate", "continuous"):
        if way in found:
            ratios = ", ".join(f"{part} {found[way][f'{part}_ratio']:.2f}x" for part in PARTS)
            said.append(f"{name} against {way}: {ratios}, memory {found[way]['memory_ratio']:.2f}")
    return said


if __name__ == "__main__":
    sys.exit(main())
