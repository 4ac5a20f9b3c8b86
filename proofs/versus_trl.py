"""TRL's GRPO trainer under the same kills: `.venv-parity/bin/python -m proofs.versus_trl`.

A tiny model, a checkpoint at every step, auto-resume by `resume_from_checkpoint=True` whenever a
checkpoint folder is there. Counted: kills after which it could resume by itself, and runs that ended
at the weights of a run that was never stopped. Children are forked, as those of `proofs.kills` are.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from proofs.forks import forked

STEPS, KILLS_A_RUN = 6, 5


def prove(kills: int, seed: int) -> dict[str, object]:
    """So many kills at random moments; what TRL makes of them."""
    import trl  # noqa: F401  # before forking
    from transformers import LlamaForCausalLM  # noqa: F401  # likewise
    from trl import GRPOConfig, GRPOTrainer  # noqa: F401  # likewise

    generator = np.random.default_rng(seed)
    made = resumed = equal = number = ended = 0
    reasons: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        plain = Path(name) / "plain"
        began = time.monotonic()
        assert forked(lambda: _train(plain)) == 0, "TRL does not run"
        seconds = time.monotonic() - began
        while made < kills:
            run, number, own = Path(name) / f"run-{number}", number + 1, 0
            while own < KILLS_A_RUN and made < kills:
                log = Path(name) / "log"
                delay = float(generator.uniform(0.3, 0.9)) * seconds
                code = forked(lambda r=run: _train(r), kill_after=delay, log=log)
                if code == 0:
                    break
                if code != -signal.SIGKILL:
                    reasons.append(log.read_text().strip().splitlines()[-1][:160])
                    break
                own, made = own + 1, made + 1
                code = forked(lambda r=run: _resumes(r), log=log)
                resumed += code == 0
                if code:
                    reasons.append(log.read_text().strip().splitlines()[-1][:160])
                    break
            code = forked(lambda r=run: _train(r))
            ended += code == 0
            equal += code == 0 and _weights(run) == _weights(plain)
    return {
        "name": "TRL under kill -9",
        "kills": made,
        "resumed by itself": resumed,
        "runs": number,
        "runs that ended": ended,
        "runs that ended at the same weights": equal,
        "reasons": reasons[:5],
    }


def _trainer(run: Path) -> Any:
    import torch
    from datasets import Dataset
    from transformers import LlamaConfig, LlamaForCausalLM
    from trl import GRPOConfig, GRPOTrainer

    from cohort.policy.new import new_tokenizer

    torch.set_num_threads(1)
    torch.manual_seed(0)
    tokenizer = new_tokenizer([str(n) for n in range(10)])
    tokenizer.padding_side = "left"
    shape = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=64,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return GRPOTrainer(
        model=LlamaForCausalLM(shape),
        reward_funcs=lambda completions, **_: [float(len(text)) for text in completions],
        args=GRPOConfig(
            output_dir=str(run),
            seed=1,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            per_device_train_batch_size=16,
            num_generations=4,
            num_iterations=2,
            max_completion_length=10,
            max_steps=STEPS,
            save_strategy="steps",
            save_steps=1,
            save_total_limit=2,
            logging_strategy="no",
            disable_tqdm=True,
            report_to=[],
        ),
        train_dataset=Dataset.from_list(
            [{"prompt": f"{n}{m}"} for n in range(9) for m in range(9)]
        ),
        processing_class=tokenizer,
    )


def _train(run: Path) -> int:
    trainer = _trainer(run)
    there = list(run.glob("checkpoint-*"))
    trainer.train(resume_from_checkpoint=bool(there))
    trainer.save_model(str(run / "result"))
    return 0


def _resumes(run: Path) -> int:
    """Whether the newest checkpoint can be loaded; nothing is trained."""
    from transformers import TrainerCallback

    class Stop(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            os._exit(0)

    trainer = _trainer(run)
    trainer.add_callback(Stop())
    trainer.train(resume_from_checkpoint=bool(list(run.glob("checkpoint-*"))))
    return 0


def _weights(run: Path) -> bytes:
    return (run / "result" / "model.safetensors").read_bytes()


if __name__ == "__main__":
    asked = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    print(json.dumps(prove(asked, seed=1), indent=1))
