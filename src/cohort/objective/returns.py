"""From rewards of tokens to what was still to come: returns, GAE, and the KL as a part of the reward.

T sampled tokens, in order within their rollout; N rollouts, numbered from 0 to N - 1.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cohort.objective.rows import as_rows, as_tokens, is_last


def kl_penalized(
    scores: Float[Tensor, "N"],
    logprobs: Float[Tensor, "T"],
    reference: Float[Tensor, "T"],
    rollout: Int[Tensor, "T"],
    *,
    beta: float,
) -> Float[Tensor, "T"]:
    """The rollout's score at its last token, less beta times k1 at every token.

        r_t = -beta log(pi / pi_ref) + 1[t last] score

    InstructGPT (arXiv:2203.02155); PPO as in DeepSeekMath (arXiv:2402.03300), eq. 2; REINFORCE++
    (arXiv:2501.03262). A constant: nothing flows back through it. Longer answers pay for more tokens.
    """
    penalty = beta * (logprobs - reference).detach()
    return torch.where(is_last(rollout), scores[rollout], 0.0) - penalty


def kl_penalized_score(
    scores: Float[Tensor, "N"],
    logprobs: Float[Tensor, "T"],
    reference: Float[Tensor, "T"],
    rollout: Int[Tensor, "T"],
    *,
    beta: float,
) -> Float[Tensor, "N"]:
    """The score less beta times the log-ratio of the whole rollout, R = r - beta log(pi / pi_ref).

    RLOO (arXiv:2402.14740), where a rollout is one action. A constant.
    """
    return scores.index_add(0, rollout, -beta * (logprobs - reference).detach())


def gae(
    rewards: Float[Tensor, "T"],
    values: Float[Tensor, "T"],
    rollout: Int[Tensor, "T"],
    *,
    gamma: float,
    lam: float | Float[Tensor, "T"],
    bootstrap: Float[Tensor, "N"],
) -> Float[Tensor, "T"]:
    """Generalized advantage estimates; the targets of the values are A + V.

        A_t = delta_t + gamma lambda A_{t+1},   delta_t = r_t + gamma V_{t+1} - V_t

    Schulman et al. 2015 (arXiv:1506.02438), eq. 16. `bootstrap` is the value after a rollout's last
    token: 0 where it ended, the critic's where it was cut off. `lam` may differ by token.
    """
    delta = rewards + gamma * values_after(values, rollout, bootstrap=bootstrap) - values
    decay = gamma * (lam if isinstance(lam, Tensor) else torch.full_like(values, lam))
    rows = _from_the_end(as_rows(delta, rollout), as_rows(decay, rollout))
    return as_tokens(rows, rollout)


def n_step(
    rewards: Float[Tensor, "T"],
    values: Float[Tensor, "T"],
    rollout: Int[Tensor, "T"],
    *,
    n: int,
    gamma: float,
    bootstrap: Float[Tensor, "N"],
) -> Float[Tensor, "T"]:
    """The return of n rewards and the value that follows them; the advantage is R - V.

        R_t = sum_{k < n} gamma^k r_{t+k} + gamma^n V_{t+n}

    A2C and A3C (arXiv:1602.01783), section 4. Where fewer than n tokens are left, all of them and the
    `bootstrap`. n of at least the rollout's length is A3C's return of a whole segment.
    """
    assert n >= 1, n
    after = values_after(values, rollout, bootstrap=bootstrap)
    last = is_last(rollout)
    result = rewards + gamma * after
    for _ in range(min(n, len(rewards)) - 1):
        following = values_after(result, rollout, bootstrap=torch.zeros_like(bootstrap))
        result = rewards + gamma * torch.where(last, after, following)
    return result


def values_after(
    values: Float[Tensor, "T"], rollout: Int[Tensor, "T"], *, bootstrap: Float[Tensor, "N"]
) -> Float[Tensor, "T"]:
    """For each token the value of its rollout's next one; after the last, the bootstrap."""
    following = as_tokens(as_rows(values, rollout).roll(-1, 1), rollout)
    return torch.where(is_last(rollout), bootstrap[rollout], following)


def length_adaptive_lambda(lengths: Int[Tensor, "N"], *, alpha: float) -> Float[Tensor, "N"]:
    """lambda = 1 - 1 / (alpha l): long answers look further. VAPO (arXiv:2504.05118).

    `lengths` in tokens; its alpha is 0.05. Below 1 / alpha tokens the formula is negative: 0 there.
    """
    return (1.0 - 1.0 / (alpha * lengths.double())).clamp(min=0.0)


def whitened(values: Float[Tensor, "T"], *, correction: int, epsilon: float) -> Float[Tensor, "T"]:
    """Mean 0 and variance 1 over all tokens of the step.

        A = (x - mean(x)) / sqrt(var(x) + epsilon)

    As REINFORCE++ (arXiv:2501.03262) does, and PPO in practice. `correction` 1 is the sample
    variance. Values are whitened as advantages, never as targets of a critic. One token: 0.
    """
    centred = values - values.mean()
    variance = centred.square().sum() / max(1, len(values) - correction)
    return centred / (variance + epsilon).sqrt()


def _from_the_end(
    values: Float[Tensor, "n L"], decay: Float[Tensor, "n L"]
) -> Float[Tensor, "n L"]:
    """x_t = values_t + decay_t x_{t+1}, from the last column to the first."""
    following = torch.zeros_like(values[:, 0]) if values.shape[1] else values.sum(1)
    columns = []
    for value, factor in zip(reversed(values.unbind(1)), reversed(decay.unbind(1)), strict=True):
        following = value + factor * following
        columns.append(following)
    return torch.stack(columns[::-1], dim=1) if columns else values
