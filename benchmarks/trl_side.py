"""TRL's side: its own `GRPOTrainer` and training loop with a clock around its sampling and scoring.

Sampling is `generate` of transformers, or its continuous batching; there is no vLLM. A whole step is one
batch, cut into nothing unless the turn says into how many parts.
The clock needs two private methods, which TRL 1.16 has: `_generate` and `_calculate_rewards`.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import TrainerCallback
from trl import GRPOConfig, GRPOTrainer
from turns import ROLLOUTS_FILE, Step, Turn, gradients_of, now, peak_bytes
from workloads import ALL, even_share, load_model, problems, tokenizer


def measure(turn: Turn) -> dict[str, Any]:
    """The measured steps of a turn, the memory they took, and what TRL was told."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = new_trainer(turn, folder, max_steps=turn.warmup_steps + turn.steps)
        rest = peak_bytes(turn.device)
        trainer.train()
    arguments, steps = trainer.args, trainer.watch.steps
    return {
        "steps": [asdict(step) for step in steps[turn.warmup_steps :]],
        "first_step_seconds": steps[0].step_seconds,
        "rest_bytes": rest,
        "peak_bytes": peak_bytes(turn.device),
        "used": {
            "weights": str(trainer.model.dtype),
            "bf16_autocast": bool(arguments.bf16),
            "gradient_checkpointing": bool(arguments.gradient_checkpointing),
            "optimizer": str(getattr(arguments.optim, "value", arguments.optim)),
        },
    }


def gradient(turn: Turn) -> dict[str, float]:
    """Write the rollouts of one step, their rewards, and the gradient before it is clipped."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = new_trainer(turn, folder, max_steps=1, max_grad_norm=0.0)
        with gradients_of(trainer.model) as found:
            trainer.train()
    torch.save(trainer.watch.rollouts | {"gradient": found}, Path(turn.folder) / ROLLOUTS_FILE)
    return {}


def new_trainer(turn: Turn, folder: str, **options: Any) -> Timed:
    """A trainer for the workload of a turn; every step has all its prompts, in order."""
    workload = ALL[turn.workload]
    weights = torch.bfloat16 if turn.precision == "bf16" else torch.float32
    rows = [
        {"prompt": problem.prompt, **problem.columns} for problem in problems(workload)
    ] * options["max_steps"]
    settings = {
        **{"output_dir": folder, "seed": turn.seed, "use_cpu": turn.device == "cpu"},
        **{"per_device_train_batch_size": workload.rollouts // turn.parts},
        **{"gradient_accumulation_steps": turn.parts, "steps_per_generation": turn.parts},
        **{"num_generations": workload.rollouts_per_prompt, "num_iterations": 1},
        **{"max_completion_length": workload.max_new_tokens, "temperature": 1.0},
        **{"loss_type": "grpo", "beta": 0.0, "shuffle_dataset": False},
        **{"learning_rate": workload.learning_rate, "lr_scheduler_type": "constant"},
        **{"save_strategy": "no", "logging_strategy": "no", "disable_tqdm": True, "report_to": []},
        **options,
    }
    if turn.continuous:
        settings["use_transformers_continuous_batching"] = True
    if turn.precision != "default":
        settings["bf16"] = turn.precision == "autocast"
        settings["gradient_checkpointing"] = turn.checkpointing
    return Timed(
        turn.device,
        model=load_model(Path(turn.folder), weights),
        reward_funcs=even_share,
        args=GRPOConfig(**settings),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer(workload.size.vocabulary),
    )


class Watch(TrainerCallback):
    """The seconds of every step, from its batch of prompts to its cleared gradients."""

    def __init__(self, device: str) -> None:
        self.steps: list[Step] = []
        self.rollouts: dict[str, Any] = {}
        """The latest step's: prompt_ids, completion_ids, rewards, one per rollout."""
        self.sampling_seconds = self.reward_seconds = 0.0
        self._device, self._began = device, 0.0

    def on_step_begin(self, *_: object, **__: object) -> None:
        """TRL samples inside of the step."""
        self._began = now(self._device)

    def on_step_end(self, *_: object, **__: object) -> None:
        """The optimizer step is made."""
        assert self.sampling_seconds, "this TRL does not sample in `_generate`"
        step = Step(
            step_seconds=now(self._device) - self._began,
            sampling_seconds=self.sampling_seconds,
            reward_seconds=self.reward_seconds,
            tokens=sum(len(ids) for ids in self.rollouts["completion_ids"]),
        )
        self.steps.append(step)
        self.sampling_seconds = self.reward_seconds = 0.0


class Timed(GRPOTrainer):
    """TRL's trainer as it is, with a clock."""

    def __init__(self, device: str, **options: Any) -> None:
        self.watch, self._clock_of = Watch(device), device
        super().__init__(callbacks=[self.watch], **options)

    def _generate(self, prompts: list[str]) -> Any:
        began = now(self._clock_of)
        found = super()._generate(prompts)
        self.watch.sampling_seconds = now(self._clock_of) - began
        self.watch.rollouts = {"prompt_ids": found[0], "completion_ids": found[1]}
        return found

    def _calculate_rewards(self, *given: Any) -> torch.Tensor:
        began = now(self._clock_of)
        rewards: torch.Tensor = super()._calculate_rewards(*given)
        self.watch.reward_seconds = now(self._clock_of) - began
        self.watch.rollouts["rewards"] = rewards[:, 0].tolist()
        return rewards
