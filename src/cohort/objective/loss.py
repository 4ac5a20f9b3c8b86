"""The loss of a step is a dot product over its sampled tokens.

    loss = sum_t  w_t * ( c_t * surrogate(logp_t, old_t, A_t)  +  beta * k(logp_t, ref_t) + ... )

Every w_t was counted for the whole update, so the sum over any part of the rollouts is that part's
share, and the parts add up to the same loss however the update is cut.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from cohort.objective.algorithms import Algorithm
from cohort.objective.choices_of_loss import Tokens


def policy_loss(algorithm: Algorithm, tokens: Tokens) -> Float[Tensor, ""]:
    """The share of these tokens in the update's loss.

    Whole rollouts only. The correction multiplies the surrogate and leaves the KL term and the
    entropy alone. `tokens.reference` is needed where the algorithm has a KL term in the loss,
    `tokens.chosen` where its entropy part is asked of all tokens.
    """
    losses = policy_losses(algorithm, tokens)
    if algorithm.beta and not algorithm.penalizes_reward:
        assert tokens.reference is not None, f"beta is {algorithm.beta} and there is no reference"
        losses = losses + algorithm.beta * algorithm.of("kl")(tokens, algorithm.values)
    entropy = algorithm.of("entropy")
    if entropy.function is not None:
        losses = losses + entropy(tokens, algorithm.values)
    return torch.dot(tokens.weights, losses)


def policy_losses(algorithm: Algorithm, tokens: Tokens) -> Float[Tensor, "T"]:
    """The corrected surrogate of each token: what the advantage alone asks for."""
    losses = algorithm.of("surrogate")(tokens, algorithm.values)
    correction = algorithm.of("correction")
    if correction.function is not None:
        losses = correction(tokens, algorithm.values) * losses
    match algorithm.chosen["entropy"]:
        case "most-uncertain":
            losses = torch.where(_chosen(tokens), losses, 0.0)
        case "clip-cov":
            losses = torch.where(_chosen(tokens), 0.0, losses)
    return losses


def _chosen(tokens: Tokens) -> Tensor:
    assert tokens.chosen is not None, "nothing was chosen among the tokens of the update"
    return tokens.chosen
