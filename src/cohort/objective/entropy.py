"""Entropy, and the tokens that keep it or spend it.

Which tokens are chosen (the most uncertain, those of the highest covariance) is a question about
all tokens of a step: these functions are given all of them at once, before anything is cut. What
they return are masks and constants; only `entropy` and `bonus` are differentiated.

    T sampled tokens, V tokens of the vocabulary.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def entropy(logits: Float[Tensor, "T V"]) -> Float[Tensor, "T"]:
    """The entropy of the distribution at each token in nats, H = -sum_v pi_v log pi_v.

    Its gradient with respect to the logits is -pi (log pi + H). A logit of -inf, from a sampling
    mask, adds nothing to the value and has no gradient.
    """
    logprobs = torch.log_softmax(logits, dim=-1)
    finite = logprobs.masked_fill(logprobs == -torch.inf, 0.0)
    return -(logprobs.exp() * finite).sum(-1)


def bonus(entropies: Float[Tensor, "T"], *, coefficient: float) -> Float[Tensor, "T"]:
    """What is added to a token's loss so that entropy is kept, L = -coefficient H.

    A3C (arXiv:1602.01783); its weight is the surrogate's.
    """
    return -coefficient * entropies


@torch.no_grad()
def quantile(values: Float[Tensor, "T"], *, share: float) -> Float[Tensor, ""]:
    """The value below which that share of the values lies, linear between neighbours."""
    ordered = values.sort().values
    place = share * (ordered.shape[0] - 1)
    below = int(place)
    above = min(below + 1, ordered.shape[0] - 1)
    return torch.lerp(ordered[below], ordered[above], place - below)


def most_uncertain(entropies: Float[Tensor, "T"], *, share: float) -> Bool[Tensor, "T"]:
    """The share of tokens with the greatest entropy, H_t >= quantile(H, 1 - share).

    "Beyond the 80/20 rule" (arXiv:2506.01939): the surrogate of the top 20 % alone, 0.2. The
    weights still count all tokens. Tokens equal to the threshold are kept.
    """
    return entropies >= quantile(entropies, share=1.0 - share)


@torch.no_grad()
def covariances(logprobs: Float[Tensor, "T"], advantages: Float[Tensor, "T"]) -> Float[Tensor, "T"]:
    """Each token's part in the covariance of log-probability and advantage.

        cov_t = (log pi_t - mean(log pi)) (A_t - mean(A))

    Cui et al. (arXiv:2505.22617): the sum of these is what takes entropy away. Means are
    over all tokens of the step.
    """
    return (logprobs - logprobs.mean()) * (advantages - advantages.mean())


def clip_cov(
    covariance: Float[Tensor, "T"],
    eligible: Bool[Tensor, "T"],
    uniforms: Float[Tensor, "T"],
    *,
    low: float,
    high: float,
    share: float,
) -> Bool[Tensor, "T"]:
    """Tokens that Clip-Cov takes out of the loss: a random few among those of high covariance.

    Candidates are eligible (not clipped already) with low < cov < high; of them those with the
    smallest of their `uniforms` are taken, as many as `share` of all tokens, at least one. Cui et
    al. (arXiv:2505.22617): 1, 5 and 2e-4. Their loss is 0, and they still count.
    """
    candidate = eligible & (covariance > low) & (covariance < high)
    count = max(1, int(share * covariance.shape[0]))
    order = uniforms.masked_fill(~candidate, torch.inf).argsort()
    taken = torch.zeros_like(candidate)
    taken[order[:count]] = True
    return taken & candidate


def kl_cov(covariance: Float[Tensor, "T"], *, share: float) -> Bool[Tensor, "T"]:
    """Tokens that KL-Cov holds back: the share of highest covariance, at least one.

    Cui et al. (arXiv:2505.22617): 2e-4. Their loss gets `drift_penalty` on top of
    `surrogates.unclipped`.
    """
    count = min(max(1, int(share * covariance.shape[0])), covariance.shape[0])
    taken = torch.zeros_like(covariance, dtype=torch.bool)
    taken[covariance.topk(count).indices] = True
    return taken


def drift_penalty(
    logprobs: Float[Tensor, "T"],
    old: Float[Tensor, "T"],
    chosen: Bool[Tensor, "T"],
    *,
    coefficient: float,
) -> Float[Tensor, "T"]:
    """KL-Cov's penalty, coefficient |log(pi / pi_old)| on the chosen tokens, 0 on the others.

    Cui et al. (arXiv:2505.22617), with the absolute value as in their code. On policy it
    is 0 with gradient 0: it acts from the second update on.
    """
    distance = (logprobs - old.detach()).abs()
    return coefficient * torch.where(chosen, distance, torch.zeros_like(distance))
