"""A billion parameters in 16 GB: `python -m proofs.billion [--trl PYTHON] [--only NAMES...]`.

A random model of Llama-3.2-1B's shape (1.24 billion weights, 128,256 tokens, saved in bfloat16) goes through
`cohort train` for one step of GRPO: 8 answers of 64 tokens to a prompt of 64 tokens, sampled, scored, learned
from, saved. Each way is a process of its own whose address space is limited to 16 GiB before
torch is loaded; held is that the step was made, that its weights moved, and that the plan is not exceeded by
more than 5 %. With --trl also TRL's step by that interpreter, under the same limit (`billion_trl`).

Some ten minutes a way on one core, 6 GB below the folder of temporary files, which are removed.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from cohort.config.load import read_recipe
from cohort.config.recipe import Recipe
from cohort.train.fit import plan_recipe
from cohort.train.machine import this_machine
from proofs.billion_phases import Phases
from proofs.command import ENVIRONMENT

LIMIT = 16 << 30
GIB = 1 << 30
UNDER = 0.05
PROMPT, ANSWER, MEMBERS = 64, 64, 8
SHAPE = {
    "vocab_size": 128256, "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64, "tie_word_embeddings": True,
    "max_position_embeddings": 2048, "bos_token_id": None, "eos_token_id": 0, "pad_token_id": 1,
}  # fmt: skip
"""Llama-3.2-1B's, but for a context of 2,048 tokens."""
ADAFACTOR = {"name": "adafactor", "learning_rate": 1e-3}
WAYS: dict[str, dict[str, Any]] = {
    "all weights, float32, adafactor": {"optimizer": ADAFACTOR},
    "all weights, bfloat16 by chance, adafactor": {
        "dtype": "bfloat16", "optimizer": ADAFACTOR | {"rounding": "stochastic"},
    },
    "all weights, float32, adamw-8bit": {"optimizer": {"name": "adamw-8bit"}},
    "adapters, float32, adamw": {"lora": {"rank": 16}, "optimizer": {"learning_rate": 1e-4}},
}  # fmt: skip
REWARD = """
def spread(completions, **_):
    return [float(n % 4) for n in range(len(completions))]
"""


def make_model(folder: Path) -> None:
    """The model, its tokenizer of whole words, some problems, and a reward that differs within a group."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = ["<end>", "<pad>", *(f"w{n}" for n in range(SHAPE["vocab_size"] - 2))]
    pieces = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="w0"))
    pieces.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=pieces, eos_token="<end>", pad_token="<pad>", unk_token="w0"
    )
    torch.manual_seed(1)
    torch.set_default_dtype(torch.bfloat16)
    model = LlamaForCausalLM(LlamaConfig(**SHAPE))
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    prompts = (" ".join(f"w{7 * n + m}" for n in range(PROMPT)) for m in range(3))
    lines = [json.dumps({"id": f"p{m}", "prompt": text}) for m, text in enumerate(prompts)]
    (folder / "problems.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "reward.py").write_text(REWARD)


def recipe(way: dict[str, Any], folder: Path) -> Recipe:
    """One step of a way."""
    model = {"path": str(folder / "model")} | {n: way[n] for n in ("dtype", "lora") if n in way}
    stage = {
        "kind": "reinforce",
        "algorithm": {"name": "grpo", "beta": 0.0},
        "problems": {"source": str(folder / "problems.jsonl"), "held_out_problems": 1},
        "rewards": {f"{folder / 'reward.py'}:spread": 1.0},
        "steps": 1,
        "prompts_per_step": 1,
        "rollouts_per_prompt": MEMBERS,
        "max_new_tokens": ANSWER,
        "optimizer": way["optimizer"],
    }
    made = {"threads": 1, "model": model, "checkpoints": {"in_background": False}, "stage": [stage]}
    return read_recipe(made, source="a way")


def limited() -> None:
    """From here on this process has 16 GiB of addresses."""
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))


def measure(name: str, folder: Path) -> None:
    """In a process of its own: one step, and what each of its phases took."""
    from cohort.train.run import train_recipe

    phases = Phases()
    began = time.monotonic()
    with phases.watched():
        train_recipe(
            recipe(WAYS[name], folder), run=folder / "run", base=folder, name="one", quiet=True
        )
    print(
        json.dumps(phases.said() | {"seconds": time.monotonic() - began, "moved": _moved(folder)})
    )


def _moved(folder: Path) -> float:
    """How far the update moved some weights: the root mean square of what it changed of one matrix."""
    from safetensors import safe_open

    adapters = folder / "run" / "model" / "adapter_model.safetensors"
    if adapters.exists():  # the factors B are 0 at first
        with safe_open(adapters, "pt") as saved:
            name = next(name for name in saved.keys() if "lora_B" in name)  # noqa: SIM118
            return float(saved.get_tensor(name).float().square().mean().sqrt())
    name, found = "model.layers.3.self_attn.q_proj.weight", []
    for place in (folder / "model", folder / "run" / "model"):
        with safe_open(place / "model.safetensors", "pt") as saved:
            found.append(saved.get_tensor(name).float())
    return float((found[1] - found[0]).square().mean().sqrt())


def planned(name: str, folder: Path) -> dict[str, int]:
    """What `cohort plan` says of a way: bytes by item, and the peak."""
    (stage,) = plan_recipe(recipe(WAYS[name], folder), base=folder, machine=this_machine(1)).stages
    return {"peak": stage.peak_bytes} | {k: v for k, v in stage.bytes.items() if v}


def child(command: list[str]) -> tuple[int, dict[str, Any], str]:
    """Run a way under the limit; its exit code, what it printed, and the end of its complaints."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, preexec_fn=limited,
        env={**ENVIRONMENT, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"},
    )  # fmt: skip
    said = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {}
    return done.returncode, said, "\n".join(done.stderr.strip().splitlines()[-3:])[-600:]


def _gib(sizes: dict[str, Any]) -> str:
    return ", ".join(f"{name} {size / GIB:.2f}" for name, size in sizes.items())


def prove(names: list[str], trl: str) -> dict[str, object]:
    """Every way, and TRL's ways where there is an interpreter for them."""
    found: dict[str, object] = {}
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        subprocess.run(
            [sys.executable, "-m", "proofs.billion", "--make", place], check=True, env=ENVIRONMENT
        )
        for name in names:
            plan = planned(name, folder)
            command = [sys.executable, "-m", "proofs.billion", "--measure", name, place]
            code, said, complaint = child(command)
            subprocess.run(["rm", "-rf", str(folder / "run")], check=True)
            line = f"GiB planned: {_gib(plan)}; measured: " + (
                _gib(said["gib"]) if said else complaint
            )
            found[name] = f"{line}; {said['seconds']:.0f} s" if said else line
            print(name, found[name], file=sys.stderr, flush=True)
            short = said and plan["peak"] < (1 - UNDER) * said["gib"]["peak"]
            if code or not said["moved"] > 0 or short:
                failures.append(name)
        for way in ("adamw", "adafactor", "lora") if trl else ():
            code, said, complaint = child([trl, "-m", "proofs.billion_trl", way, place])
            found[f"TRL, {way}"] = (
                f"GiB {_gib(said['gib'])}; {said['seconds']:.0f} s" if said else complaint
            )
            print("TRL", way, found[f"TRL, {way}"], file=sys.stderr, flush=True)
    return {
        "name": "billion", "asked": len(names), "held": len(names) - len(failures),
        **found, "failures": failures,
    }  # fmt: skip


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m proofs.billion", description=__doc__)
    parser.add_argument("--trl", default="")
    parser.add_argument("--only", nargs="*", choices=WAYS, default=list(WAYS))
    parser.add_argument("--make", type=Path)
    parser.add_argument("--measure", nargs=2)
    asked = parser.parse_args()
    if asked.make:
        make_model(asked.make)
        return 0
    if asked.measure:
        measure(asked.measure[0], Path(asked.measure[1]))
        return 0
    result = prove(asked.only, asked.trl)
    print(json.dumps(result, indent=1))
    return 1 if result["failures"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
