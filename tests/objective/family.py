"""Every surrogate with the settings of its paper, under one signature, for tests of them all.

`others` are the log-probabilities of the old policy, the sampler or the reference: whatever the
surrogate compares with. The settings bite on ordinary numbers.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from cohort.objective import (
    corrections,
    detached_surrogates,
    divergence_masks,
    entropy,
    future_kl,
    kl,
    quadratic_surrogates,
    sequence_surrogates,
    surrogates,
)

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""(logprobs, others, advantages, rollout), each [T], to the losses, [T]."""

CLIP = {"clip_low": 0.2, "clip_high": 0.28}


def with_keep(surrogate: Callable[..., Tensor], region: Callable[..., Tensor]) -> Loss:
    def losses(now: Tensor, others: Tensor, advantages: Tensor, rollout: Tensor) -> Tensor:
        keep = region(now, others, advantages, delta=0.1)
        return surrogate(now, others, advantages, keep)

    return losses


def prime_rl(now: Tensor, others: Tensor, advantages: Tensor, keep: Tensor) -> Tensor:
    return quadratic_surrogates.prime_rl(now, others, advantages, keep, tau=1e-3)


def fipo(now: Tensor, others: Tensor, advantages: Tensor, rollout: Tensor) -> Tensor:
    future = future_kl.future_kl(now, others, rollout, half_life_tokens=32.0, ratio_max=10.0)
    weight = future_kl.fipo_weight(now, others, advantages, future)
    return weight * surrogates.clipped(now, others, advantages, **CLIP)


def opsm(now: Tensor, others: Tensor, advantages: Tensor, rollout: Tensor) -> Tensor:
    keep = corrections.off_policy_sequence_mask(now, others, advantages, rollout, delta=0.1)
    return keep * surrogates.clipped(now, others, advantages, **CLIP)


def kl_cov(now: Tensor, others: Tensor, advantages: Tensor, rollout: Tensor) -> Tensor:
    chosen = advantages > 0.5
    penalty = entropy.drift_penalty(now, others, chosen, coefficient=1.0)
    return surrogates.unclipped(now, others, advantages) + penalty


def token(function: Callable[..., Tensor], **settings: object) -> Loss:
    return lambda now, others, advantages, rollout: function(now, others, advantages, **settings)


def whole(function: Callable[..., Tensor], **settings: object) -> Loss:
    return lambda now, others, advantages, rollout: function(
        now, others, advantages, rollout, **settings
    )


def estimator(function: Callable[..., Tensor]) -> Loss:
    return lambda now, others, advantages, rollout: function(now, others)


TOKEN: dict[str, Loss] = {
    "clipped": token(surrogates.clipped, **CLIP),
    "dual_clipped": token(surrogates.dual_clipped, **CLIP, cap=3.0),
    "two_sided": token(surrogates.two_sided, **CLIP, delta=4.0),
    "unclipped": token(surrogates.unclipped),
    "policy_gradient": lambda now, others, advantages, rollout: surrogates.policy_gradient(
        now, advantages
    ),
    "sapo": token(surrogates.sapo, tau_positive=1.0, tau_negative=1.05),
    "cispo": token(detached_surrogates.cispo, ratio_max=5.0),
    "sao": token(detached_surrogates.sao, low=0.7, high=6.0),
    "dppo_tv": with_keep(detached_surrogates.dppo, divergence_masks.total_variation),
    "dppo_kl": with_keep(detached_surrogates.dppo, divergence_masks.binary_divergence),
    "prime_rl": with_keep(prime_rl, divergence_masks.total_variation),
    "dro": token(quadratic_surrogates.dro, beta=0.1),
    "kimi_k2_5": token(quadratic_surrogates.kimi_k2_5, log_low=-0.35, log_high=0.35, tau=0.1),
    "kl_cov": kl_cov,
}
"""A token's loss depends on that token alone."""

WHOLE: dict[str, Loss] = {
    "gspo": whole(sequence_surrogates.gspo, **CLIP),
    "gspo_token": whole(sequence_surrogates.gspo_token, **CLIP),
    "gmpo": whole(sequence_surrogates.gmpo, log_clip_low=0.4, log_clip_high=0.4),
    "topr": whole(detached_surrogates.topr),
    "vespo": whole(detached_surrogates.vespo),
    "kimi_k1_5": whole(quadratic_surrogates.kimi_k1_5, tau=0.1),
    "fipo": fipo,
    "opsm": opsm,
}
"""A token's loss depends on its whole rollout."""

POLICY = TOKEN | WHOLE

KL: dict[str, Loss] = {
    "k1": estimator(kl.k1),
    "k2": estimator(kl.k2),
    "k3": estimator(kl.k3),
    "k3_straight_through": estimator(kl.k3_straight_through),
    "unbiased_k3": lambda now, others, advantages, rollout: kl.unbiased_k3(
        now, others.detach() + 0.1, others
    ),
    "unbiased_k3 old": lambda now, others, advantages, rollout: kl.unbiased_k3(
        now, others, others.detach() - 0.1
    ),
}


def real(now: Tensor, others: Tensor, advantages: Tensor, rollout: Tensor) -> Tensor:
    """REAL with all rollouts in one group."""
    group = torch.zeros_like(rollout)
    return sequence_surrogates.real(now, others, advantages > 0, rollout, group=group, tau=0.5)


ALL = POLICY | KL | {"real": real}
