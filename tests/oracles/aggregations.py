"""The cases of aggregations: the weight of a token, and that of a micro-batch."""

from collections.abc import Callable

import torch
from torch import Tensor

from cohort.objective import weights
from tests.oracles.step import Step, ppo

Result = dict[str, object]


def micro_batches(step: Step) -> Result:
    losses = ppo(step).detach()
    parts = [torch.isin(step.rollout, torch.tensor(rows)) for rows in step["micro_batches"]]
    share = step.weights("token-mean")
    return {
        "correct_global": sum(torch.dot(share[part], losses[part]) for part in parts),
        "wrong_mean_of_micro_means": torch.stack([losses[part].mean() for part in parts]).mean(),
    }


def effective_weights(step: Step) -> Result:
    lengths = torch.tensor(step["lengths"]).long()
    group = torch.zeros_like(lengths)
    budget = int(step["budget"])
    return {
        "seq-mean-token-mean": weights.per_rollout(lengths, group),
        "token-mean": weights.per_token(lengths, group),
        "seq-mean-token-sum": weights.per_rollout_sum(lengths, group),
        "seq-mean-token-sum-norm": weights.constant_budget(lengths, group, budget_tokens=budget),
    }


def prompt_mean(step: Step) -> Result:
    """Every token of a rollout has the same loss."""
    prompts = step["lengths_by_prompt"]
    group = torch.tensor([number for number, row in enumerate(prompts) for _ in row])
    lengths = torch.tensor([length for row in prompts for length in row]).long()
    loss = torch.tensor([x for row in step["per_token_loss"] for x in row], dtype=torch.float64)

    def mean(weight: Tensor) -> Tensor:
        return (weight * lengths * loss).sum().to(step.dtype)

    return {
        "prompt_mean": mean(weights.per_prompt(lengths, group)),
        "token_mean": mean(weights.per_token(lengths, group)),
        "seq_mean": mean(weights.per_rollout(lengths, torch.zeros_like(group))),
    }


CASES: dict[str, Callable[[Step], Result]] = {
    "agg_microbatch_pitfall": micro_batches,
    "agg_effective_weights": effective_weights,
    "agg_prompt_mean_vs_token_mean": prompt_mean,
}
