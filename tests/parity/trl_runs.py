"""TRL's own `GRPOTrainer` on the step: sampled, scored and cut by TRL, with TRL's loss of each part.

Masks, advantages, old, reference and sampler log-probabilities, corrections and micro-batches are
all TRL's. There is no vLLM here: a trainer is built without it, and then told that it had sampled.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from datasets import Dataset
from torch import Tensor
from transformers import OPTForCausalLM, TrainerCallback
from trl import GRPOConfig, GRPOTrainer
from trl.trainer.utils import split_tensor_dict

from cohort.policy.new import new_tokenizer
from tests.parity.cases import BUDGET_TOKENS, Case
from tests.parity.trl_step import (
    LENGTHS,
    MEMBERS,
    NEW,
    OLD,
    PROMPTS,
    Inputs,
    given_rewards,
    given_rollouts,
    move,
    tiny_model,
)


class Outcome(NamedTuple):
    """A loss and its gradients, by sampled token and by weight of the model."""

    loss: float
    by_logprob: Tensor
    by_weight: Tensor


class Update(NamedTuple):
    """The weights of a model and the gradient with which an update changes them."""

    weights: dict[str, Tensor]
    gradient: Tensor


@dataclass(frozen=True)
class Sampled:
    """A trainer that has sampled, its model, which has moved on since, and what TRL sampled."""

    case: Case
    trainer: GRPOTrainer
    model: OPTForCausalLM
    inputs: Inputs

    @property
    def micro_batches(self) -> list[Inputs]:
        """Those of the first update."""
        parts = self.case.micro_batches * self.case.updates
        return split_tensor_dict(self.inputs, parts)[: self.case.micro_batches]


def sample(case: Case, folder: Path, **options: Any) -> Sampled:
    """What TRL makes of the prescribed answers. The reference model is the one in the folder."""
    model = tiny_model(folder)
    move(model, OLD)
    trainer = new_trainer(case, model, folder, **options)
    trainer.model = DoublePrecision(model)
    if trainer.ref_model is not None:
        trainer.ref_model = DoublePrecision(trainer.ref_model)
    if case.other_sampler:
        trainer.use_vllm, trainer._last_loaded_step = True, trainer.state.global_step
    model.train()
    rows = [{"prompt": prompt} for prompt in PROMPTS for _ in range(MEMBERS)]
    inputs = trainer._generate_and_score_completions(rows)
    move(model, NEW)
    trainer.current_gradient_accumulation_steps = case.micro_batches
    return Sampled(case, trainer, model, inputs)


def new_trainer(case: Case, model: OPTForCausalLM, folder: Path, **options: Any) -> GRPOTrainer:
    """A trainer with the options of a case; others take precedence over them."""
    parts = case.micro_batches * case.updates
    settings = {
        **case.options(),
        "output_dir": str(folder / "trainer"),
        "per_device_train_batch_size": len(LENGTHS) // parts,
        "gradient_accumulation_steps": case.micro_batches,
        "steps_per_generation": parts,
        "num_generations": MEMBERS,
        "num_iterations": 1 if case.on_policy else 2,
        "max_completion_length": BUDGET_TOKENS,
        **{"bf16": False, "use_cpu": True, "gradient_checkpointing": False, "report_to": []},
        **{"save_strategy": "no", "logging_strategy": "no", "disable_tqdm": True},
        **options,
    }
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are using 'rollout_func'", UserWarning)
        return GRPOTrainer(
            model=model,
            reward_funcs=given_rewards,
            args=GRPOConfig(**settings),
            train_dataset=Dataset.from_dict({"prompt": list(PROMPTS)}),
            processing_class=new_tokenizer([str(number) for number in range(20)]),
            rollout_func=given_rollouts(folder if case.other_sampler else None),
        )


def update(sampled: Sampled) -> Outcome:
    """TRL's loss of the first update, of all its micro-batches, and its gradients."""
    policy = sampled.trainer.model
    sampled.model.zero_grad()
    losses = [sampled.trainer.compute_loss(policy, inputs) for inputs in sampled.micro_batches]
    torch.stack(losses).sum().backward()
    own = (sampled.inputs["completion_mask"] * sampled.inputs["tool_mask"]).bool()
    by_logprob = torch.zeros(own.shape, dtype=torch.float64)
    rows = torch.cat([logprobs.grad for logprobs in policy.asked])
    by_logprob[: len(rows)] = rows[:, -own.shape[1] :]
    total = sum(loss.item() for loss in losses)
    return Outcome(total, by_logprob[own], weight_gradient(sampled.model))


class DoublePrecision(torch.nn.Module):
    """A model with a head in float64: that of TRL is in float32, whatever its model is in."""

    is_gradient_checkpointing = False

    def __init__(self, model: OPTForCausalLM) -> None:
        super().__init__()
        self.model, self.asked = model, list[Tensor]()

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **_: object) -> SimpleNamespace:
        outputs = self.model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False)
        every = outputs.logits[:, :-1].log_softmax(-1)
        chosen = every.gather(-1, input_ids[:, 1:, None])[..., 0]
        if chosen.requires_grad:
            chosen.retain_grad()
            self.asked.append(chosen)
        return SimpleNamespace(log_probs=chosen, entropy=-(every.exp() * every).sum(-1).detach())


def weight_gradient(model: torch.nn.Module) -> Tensor:
    """All gradients of a model as one vector."""
    return torch.cat([w.grad.flatten() for w in model.parameters() if w.grad is not None])


def train(case: Case, folder: Path) -> tuple[Sampled, list[Update]]:
    """Two updates of TRL's own training loop on what it sampled once, by gradient descent."""
    model = tiny_model(folder)
    loop = {"max_steps": 2, "learning_rate": 0.02, "max_grad_norm": 0.0, "optim": "sgd"}
    trainer = new_trainer(case, model, folder, **loop, lr_scheduler_type="constant")
    recorder = Recorder()
    trainer.add_callback(recorder)
    trainer.train()
    parts = trainer._buffered_inputs
    whole = {key: join([part[key] for part in parts]) for key in parts[0]}
    return Sampled(case, trainer, model, whole), recorder.updates


def join(parts: list[Tensor]) -> Tensor:
    """The tensor that was split; a number was not."""
    return torch.cat(parts) if parts[0].ndim else parts[0]


class Recorder(TrainerCallback):
    """The weights and the gradient before each update."""

    def __init__(self) -> None:
        self.updates: list[Update] = []

    def on_pre_optimizer_step(self, *_: object, model: OPTForCausalLM, **__: object) -> None:
        weights = {name: weight.clone() for name, weight in model.state_dict().items()}
        self.updates.append(Update(weights, weight_gradient(model)))
