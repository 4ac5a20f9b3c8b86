"""LoRA: the base stays to the bit, peft alone loads what was saved, and the recipe `chain` learns with it.

Fixed beforehand: 100 updates on each architecture; seeds 1, 2 and 3 of `chain`, whose cold start trains all
weights and whose reinforcement trains adapters of rank 16, at ten times the recipe's learning rate and
otherwise as the recipe says. Held: of every seed more held-out sums are right in the first answer afterwards,
by more than the 95 % interval of the paired difference.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
import warnings
from pathlib import Path
from statistics import fmean, stdev

import torch
from safetensors.torch import load_file

from cohort.config.load import find_recipe, load_recipe, read_recipe
from cohort.config.recipe import LoRA, Model, Recipe
from cohort.report.read import answers, evaluations, opened
from cohort.train.run import train_recipe
from proofs.command import main
from tests.policy.architectures import TRAINED, adapter_by_peft_alone, tiny

UPDATES = 100
ARCHITECTURES = ("Llama", "Qwen3", "GPT-2", "Gemma 2", "DeepSeek-V3", "Mixtral")
SEEDS, SHORT_SEEDS = (1, 2, 3), ()
RATE = 10.0
CLOSE = 1e-5


def prove(short: bool, seed: int) -> dict[str, object]:
    """Both parts; `short` leaves the runs of `chain` out."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    found: dict[str, str] = {}
    failures = []
    for name in ARCHITECTURES[:2] if short else ARCHITECTURES:
        with tempfile.TemporaryDirectory() as folder:
            away = adapter_by_peft_alone(tiny(TRAINED[name]), Path(folder), UPDATES)
        found[f"{name}: base equal after {UPDATES} updates, logits by peft alone differ by"] = (
            f"{away:.1e}"
        )
        failures += [] if away < CLOSE else [f"{name}: {away}"]
    for own in SHORT_SEEDS if short else SEEDS:
        line, held = _learned(own)
        found[f"chain, seed {own}"] = line
        failures += [] if held else [f"chain, seed {own}: {line}"]
        print(line, file=sys.stderr, flush=True)
    return {
        "name": "LoRA",
        "asked": len(found),
        "held": len(found) - len(failures),
        **found,
        "failures": failures,
    }


def recipes(seed: int, base: Path) -> tuple[Recipe, Recipe]:
    """The cold start of all weights, and the rest of `chain` with adapters on its result."""
    whole = load_recipe(find_recipe(Path("chain")), [f"seed={seed}"])
    cold = whole.model_copy(update={"stage": whole.stage[:1]})
    rest = whole.model_dump(exclude_defaults=True, mode="json")
    rest["stage"] = rest["stage"][1:]
    for stage in rest["stage"]:
        if "optimizer" in stage:
            stage["optimizer"]["learning_rate"] *= RATE
    rest["model"] = Model(path=str(base), lora=LoRA(rank=16)).model_dump(exclude_none=True)
    return cold, read_recipe(rest, source="chain with adapters")


def _learned(seed: int) -> tuple[str, bool]:
    """What became of one seed, and whether it learned."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = folder / "cold" / "model"
        cold, rest = recipes(seed, base)
        began = time.process_time()
        train_recipe(cold, run=folder / "cold", base=folder, name="cold", quiet=True)
        before = load_file(base / "model.safetensors")
        run = train_recipe(rest, run=folder / "rest", base=folder, name="rest", quiet=True)
        seconds = time.process_time() - began
        after = load_file(base / "model.safetensors")
        kept = all(torch.equal(before[key], after[key]) for key in before)
        files = sorted(path.name for path in (run / "model").glob("*.safetensors"))
        gain, interval, shares = _gain(run)
    line = (
        f"{shares[0]:.3f} -> {shares[1]:.3f} right at first, {gain:+.3f} +- {interval:.3f}; "
        f"{', '.join(files)}; {seconds:.0f} s of processor time"
    )
    return line, gain > interval and kept and files == ["adapter_model.safetensors"]


def _gain(run: Path) -> tuple[float, float, tuple[float, float]]:
    """The mean difference of the greedy answers' success by problem, its 95 % interval, both shares."""
    with opened(run) as db:
        first, last = evaluations(db)
        both = [
            {a.problem: float(bool(a.success)) for a in answers(db, one.id, greedy_only=True)}
            for one in (first, last)
        ]
    pairs = [both[1][problem] - both[0][problem] for problem in both[0]]
    interval = 1.96 * stdev(pairs) / math.sqrt(len(pairs))
    return fmean(pairs), interval, (fmean(both[0].values()), fmean(both[1].values()))


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv, seed=1)))
