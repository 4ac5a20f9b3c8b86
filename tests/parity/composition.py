"""TRL's losses, put together from functions of `cohort.objective`.

    loss = sum_t  w_t * ( c_t * surrogate_t  +  beta * k_t )

A loss type is a surrogate and a weight. At the level of sequences the ratio of a token is the
geometric mean of its rollout's: the same surrogate of another score. Nothing is cut here: whatever
the number of micro-batches, a step is one sum. Two of TRL's choices do look at a micro-batch, the
denominator of bnpo and the threshold of the entropy; both are given the cut as numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from cohort.objective import corrections, kl, segments, sequence_surrogates, surrogates, weights
from cohort.objective.detached_surrogates import cispo, rollout_ratio, vespo, vespo_weight
from cohort.objective.entropy import most_uncertain
from tests.parity.cases import BUDGET_TOKENS, Case

SAPO = {"tau_positive": 1.0, "tau_negative": float(torch.tensor(1.05))}
"""The paper's temperatures; TRL has them in float32."""
SMALLEST_LOG_WEIGHT = math.log(1e-8)
"""What TRL's vespo takes for the logarithm of a weight of 0."""


@dataclass(frozen=True)
class Step:
    """A step's sampled tokens [T], in the order of their rollouts [N]."""

    new: Tensor
    old: Tensor
    reference: Tensor
    sampler: Tensor
    entropies: Tensor
    rollout: Tensor
    advantages: Tensor
    group: Tensor

    @property
    def lengths(self) -> Tensor:
        """The tokens of each rollout."""
        return torch.bincount(self.rollout, minlength=len(self.group))

    def first(self, rollouts: int) -> Step:
        """The part of the step that is its first rollouts."""
        tokens = self.rollout < rollouts
        flat = (self.new, self.old, self.reference, self.sampler, self.entropies, self.rollout)
        given = self.advantages[:rollouts], self.group[:rollouts]
        return Step(*(values[tokens] for values in flat), *given)


def loss(case: Case, sampled: Step) -> Tensor:
    """The loss of the update, of all its micro-batches together."""
    step = sampled.first(len(sampled.group) // case.updates)
    if case.on_policy:
        step = Step(**{**vars(step), "old": step.new.detach()})
    losses = correction(case, step) * SURROGATES[case.loss_type](case, step)
    if case.beta:
        losses = losses + case.beta * divergence(case, step)
    each = WEIGHTS[case.loss_type](case, sampled, step)
    return torch.dot(each[step.rollout].to(losses.dtype), losses)


def score(case: Case, step: Step) -> tuple[Tensor, Tensor]:
    """Two log-probabilities whose difference is the log-ratio at the level of the case."""
    if case.importance_sampling_level == "token":
        return step.new, step.old
    mean = sequence_surrogates.mean_log_ratio(step.new, step.old, step.rollout)
    return mean, torch.zeros_like(mean)


def bounded(case: Case, step: Step) -> Tensor:
    """The surrogates with a clip: grpo, bnpo, dr_grpo, dapo and luspo differ in their weights."""
    assert case.epsilon_high is not None
    clip = {"clip_low": case.epsilon, "clip_high": case.epsilon_high}
    advantages = step.advantages[step.rollout]
    if case.delta is not None:
        return surrogates.two_sided(*score(case, step), advantages, **clip, delta=case.delta)
    if case.importance_sampling_level == "sequence":
        return sequence_surrogates.gspo(step.new, step.old, advantages, step.rollout, **clip)
    return surrogates.clipped(step.new, step.old, advantages, **clip)


def weighed(case: Case, step: Step) -> Tensor:
    """cispo: `epsilon_high` bounds the ratio itself; unset, it is `epsilon`, a bound below 1."""
    most = case.epsilon if case.epsilon_high is None else case.epsilon_high
    advantages = step.advantages[step.rollout]
    if case.importance_sampling_level == "token":
        return cispo(step.new, step.old, advantages, ratio_max=most)
    weight = surrogates.ratio(*score(case, step)).clamp(max=most)
    return surrogates.policy_gradient(step.new, weight * advantages)


def gated(case: Case, step: Step) -> Tensor:
    """sapo, of the ratio at the level of the case."""
    return surrogates.sapo(*score(case, step), step.advantages[step.rollout], **SAPO)


def kernel(case: Case, step: Step) -> Tensor:
    """vespo, whose ratio is of rollouts at either level, times that to the sampler if there is one."""
    advantages = step.advantages[step.rollout]
    if not case.other_sampler:
        return vespo(step.new, step.old, advantages, step.rollout)
    mismatch = sampler_weight(case, step).log().clamp(min=SMALLEST_LOG_WEIGHT)
    product = rollout_ratio(step.new, step.old, step.rollout)
    product = product * segments.sums(mismatch, step.rollout).exp()
    weight = vespo_weight(product.clamp(min=math.exp(SMALLEST_LOG_WEIGHT)), advantages)
    return surrogates.policy_gradient(step.new, weight * advantages)


def divergence(case: Case, step: Step) -> Tensor:
    """k3, by default times the ratio: at the level of sequences the rollout's ratio, too."""
    if not case.use_bias_correction_kl:
        return kl.k3(step.new, step.reference)
    if case.importance_sampling_level == "token":
        return kl.unbiased_k3(step.new, step.old, step.reference)
    return surrogates.ratio(*score(case, step)) * kl.k3(step.new, step.reference)


def correction(case: Case, step: Step) -> Tensor:
    """The product of all that multiplies the surrogate and leaves the KL term alone."""
    factor = torch.ones_like(step.old)
    if case.off_policy_mask_threshold is not None:
        behaviour = step.sampler if case.other_sampler else step.old
        given = step.new.detach(), behaviour, step.advantages[step.rollout], step.rollout
        limit = case.off_policy_mask_threshold
        factor = factor * corrections.off_policy_sequence_mask(*given, delta=limit)
    if case.top_entropy_quantile < 1.0:
        factor = factor * uncertain(case, step)
    if case.other_sampler and case.loss_type != "vespo":
        factor = factor * sampler_weight(case, step)
    return factor


def uncertain(case: Case, step: Step) -> Tensor:
    """The most uncertain tokens of each micro-batch by itself."""
    share, part = case.top_entropy_quantile, micro_batch(case, step)[step.rollout]
    parts = [step.entropies[part == index] for index in range(case.micro_batches)]
    return torch.cat([most_uncertain(entropies, share=share) for entropies in parts])


def sampler_weight(case: Case, step: Step) -> Tensor:
    """The ratio of the old policy to the sampler, by token or by rollout, truncated or masked."""
    level, constraint = case.vllm_importance_sampling_mode.split("_")
    if level == "sequence":
        weight = corrections.sequence_importance(step.old, step.sampler, step.rollout)
    else:
        weight = corrections.importance(step.old, step.sampler)
    low, high = case.vllm_importance_sampling_clip_min, case.vllm_importance_sampling_clip_max
    assert high is not None
    if constraint == "mask":
        return corrections.masked(weight, low=low or 0.0, high=high)
    return corrections.truncated(weight, cap=high).clamp(min=low or 0.0)


def micro_batch(case: Case, step: Step) -> Tensor:
    """The micro-batch of each rollout; all have equally many."""
    count = len(step.group)
    return torch.arange(count) // (count // case.micro_batches)


def by_rollout(case: Case, sampled: Step, step: Step) -> Tensor:
    """grpo and sapo: the mean of each rollout, then of the rollouts."""
    return weights.per_rollout(step.lengths, step.group)


def by_sum(case: Case, sampled: Step, step: Step) -> Tensor:
    """luspo: the sum of each rollout, then the mean of the rollouts."""
    return weights.per_rollout_sum(step.lengths, step.group)


def by_budget(case: Case, sampled: Step, step: Step) -> Tensor:
    """dr_grpo: the sum of each rollout over the budget, then the mean of the rollouts."""
    return weights.constant_budget(step.lengths, step.group, budget_tokens=BUDGET_TOKENS)


def by_token(case: Case, sampled: Step, step: Step) -> Tensor:
    """dapo, cispo and vespo: the tokens of all that was sampled at once, shared by its updates."""
    return weights.per_token(sampled.lengths, sampled.group)[: len(step.group)] * case.updates


def by_token_of_micro_batch(case: Case, sampled: Step, step: Step) -> Tensor:
    """bnpo: the mean of the tokens of each micro-batch, then of the micro-batches."""
    return weights.per_prompt(step.lengths, micro_batch(case, step))


SURROGATES: dict[str, Callable[[Case, Step], Tensor]] = {
    **dict.fromkeys(("grpo", "dr_grpo", "dapo", "bnpo", "luspo"), bounded),
    "cispo": weighed,
    "sapo": gated,
    "vespo": kernel,
}
WEIGHTS: dict[str, Callable[[Case, Step, Step], Tensor]] = {
    **dict.fromkeys(("grpo", "sapo"), by_rollout),
    **dict.fromkeys(("dapo", "cispo", "vespo"), by_token),
    "dr_grpo": by_budget,
    "bnpo": by_token_of_micro_batch,
    "luspo": by_sum,
}
