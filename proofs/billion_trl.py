"""TRL's side of `proofs.billion`: one step of its `GRPOTrainer`, with its defaults but for what the step is.

Run by an interpreter that has TRL; whoever runs it sets the limit. float32 and no autocast, as a CPU without
instructions for bfloat16 wants it; gradient checkpointing as TRL has it by default.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from proofs.billion_phases import read

GIB_KEYS = {"peak": "VmHWM", "addresses": "VmPeak"}


def main(way: str, folder: Path) -> None:
    """One step: `adamw` (TRL's default), `adafactor`, or `lora` with AdamW."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    torch.set_num_threads(1)
    row = json.loads((folder / "problems.jsonl").read_text().splitlines()[0])
    options: dict[str, Any] = {"optim": "adafactor"} if way == "adafactor" else {}
    more: dict[str, Any] = {}
    if way == "lora":
        from peft import LoraConfig

        more["peft_config"] = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear")
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as out:
        trainer = GRPOTrainer(
            model=str(folder / "model"),
            reward_funcs=lambda completions, **_: [float(n % 4) for n in range(len(completions))],
            args=GRPOConfig(
                output_dir=out, seed=1, use_cpu=True, bf16=False, max_steps=1,
                model_init_kwargs={"dtype": "float32"}, per_device_train_batch_size=8,
                num_generations=8, max_completion_length=64, beta=0.0, loss_type="grpo",
                save_strategy="no", logging_strategy="no", disable_tqdm=True, report_to=[], **options,
            ),
            train_dataset=Dataset.from_list([{"prompt": row["prompt"]}]),
            **more,
        )  # fmt: skip
        trainer.train()
    gib = {name: read(line) for name, line in GIB_KEYS.items()}
    print(json.dumps({"gib": gib, "seconds": time.monotonic() - began}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
