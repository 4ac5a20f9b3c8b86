"""Advantages that a critic has a part in, and what the critic is to say the next time.

A critic says for each token how much reward is still to come before it, V_t, and for a rollout that
was cut what would have come after it, the bootstrap; that of a rollout that ended is 0. The targets
that come out beside the advantages are never whitened.

    N rollouts, numbered from 0 in their order; T sampled tokens, in order within their rollout.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cohort.objective import hybrid, returns
from cohort.objective.rows import is_last
from cohort.objective.segments import suffix_sums


class Judged(NamedTuple):
    """An advantage for each token, and the value that the critic is to learn for it: [T] each."""

    advantages: Float[Tensor, "T"]
    targets: Float[Tensor, "T"]


def token_rewards(
    rewards: Float[Tensor, "N"],
    rollout: Int[Tensor, "T"],
    *,
    penalty: Float[Tensor, "T"] | None,
) -> Float[Tensor, "T"]:
    """The rollout's reward at its last token, less what each token pays.

        r_t = 1[t last] r - penalty_t

    DeepSeekMath (arXiv:2402.03300), eq. 2, with penalty = beta log(pi / pi_ref).
    """
    each = torch.where(is_last(rollout), rewards[rollout], 0.0)
    return each if penalty is None else each - penalty


def gae(
    rewards: Float[Tensor, "N"],
    rollout: Int[Tensor, "T"],
    *,
    values: Float[Tensor, "T"],
    bootstrap: Float[Tensor, "N"],
    penalty: Float[Tensor, "T"] | None,
    gamma: float,
    lam: float,
) -> Judged:
    """Generalized advantage estimates of the rollouts' rewards.

        A_t = sum_l (gamma lambda)^l delta_{t+l},   delta_t = r_t + gamma V_{t+1} - V_t,   R = A + V

    Schulman et al. 2015 (arXiv:1506.02438), eq. 16.
    """
    each = token_rewards(rewards, rollout, penalty=penalty)
    found = returns.gae(each, values, rollout, gamma=gamma, lam=lam, bootstrap=bootstrap)
    return Judged(found, found + values)


def whitened_gae(
    rewards: Float[Tensor, "N"],
    rollout: Int[Tensor, "T"],
    *,
    values: Float[Tensor, "T"],
    bootstrap: Float[Tensor, "N"],
    penalty: Float[Tensor, "T"] | None,
    gamma: float,
    lam: float,
    epsilon: float,
) -> Judged:
    """`gae` with mean 0 and variance 1 over the step's tokens; the targets are those of before.

        A' = (A - mean(A)) / sqrt(var(A) + epsilon),   R = A + V

    PPO in practice, for language models since Ziegler et al. 2019 (arXiv:1909.08593).
    """
    found, targets = gae(
        rewards,
        rollout,
        values=values,
        bootstrap=bootstrap,
        penalty=penalty,
        gamma=gamma,
        lam=lam,
    )
    return Judged(returns.whitened(found, correction=1, epsilon=epsilon), targets)


def length_adaptive_gae(
    rewards: Float[Tensor, "N"],
    rollout: Int[Tensor, "T"],
    *,
    values: Float[Tensor, "T"],
    bootstrap: Float[Tensor, "N"],
    penalty: Float[Tensor, "T"] | None,
    alpha: float,
    epsilon: float,
) -> Judged:
    """Whitened estimates that look further in long answers, and targets that are whole returns.

        lambda = 1 - 1 / (alpha |o|),   R_t = sum_{k >= t} r_k + V(after)

    VAPO (arXiv:2504.05118): lambda is 1 for the critic, and there is no discount.
    """
    each = token_rewards(rewards, rollout, penalty=penalty)
    lam = returns.length_adaptive_lambda(rollout.bincount(), alpha=alpha).to(values)[rollout]
    found = returns.gae(each, values, rollout, gamma=1.0, lam=lam, bootstrap=bootstrap)
    targets = to_come(each, rollout, bootstrap=bootstrap, gamma=1.0)
    return Judged(returns.whitened(found, correction=1, epsilon=epsilon), targets)


def n_step(
    rewards: Float[Tensor, "N"],
    rollout: Int[Tensor, "T"],
    *,
    values: Float[Tensor, "T"],
    bootstrap: Float[Tensor, "N"],
    penalty: Float[Tensor, "T"] | None,
    n: int,
    gamma: float,
) -> Judged:
    """The return of n tokens, less the value before them.

        R_t = sum_{k < n} gamma^k r_{t+k} + gamma^n V_{t+n},   A = R - V

    A2C and A3C (arXiv:1602.01783), section 4.
    """
    each = token_rewards(rewards, rollout, penalty=penalty)
    targets = returns.n_step(each, values, rollout, n=n, gamma=gamma, bootstrap=bootstrap)
    return Judged(targets - values, targets)


def hybrid_per_sample(
    rewards: Float[Tensor, "N"],
    rollout: Int[Tensor, "T"],
    *,
    values: Float[Tensor, "T"],
    bootstrap: Float[Tensor, "N"],
    penalty: Float[Tensor, "T"] | None,
    gamma: float,
    squash: float,
) -> Judged:
    """Each answer against the critic's value of its prompt: A_i = y_i - V(prompt).

        y_i = sum_{k < |o_i|} gamma^k r_ik + gamma^|o_i| V(after a cut)

    Hybrid GRPO (arXiv:2502.01652), with credit by sample as in its author's later code. `squash`: the
    reward is tanh(squash r), or as it is where that is 0.
    """
    targets = _hybrid_targets(rewards, rollout, bootstrap, penalty, gamma=gamma, squash=squash)
    first = _firsts(rollout)
    found = hybrid.per_sample_credit(targets[first], values[first], rollout[first], centred=False)
    return Judged(found[rollout], targets)


def hybrid_centred(
    rewards: Float[Tensor, "N"],
    group: Int[Tensor, "N"],
    *,
    rollout: Int[Tensor, "T"],
    values: Float[Tensor, "T"],
    bootstrap: Float[Tensor, "N"],
    penalty: Float[Tensor, "T"] | None,
    gamma: float,
    squash: float,
) -> Judged:
    """Each answer against its group, the critic only after a cut: A_i = y_i - V - mean_group(y - V).

    y_i and `squash` as in `hybrid_per_sample`. Answers to one prompt have one V(prompt), which goes
    out; where no answer was cut this is GRPO's r_i - mean(r), whatever the critic says.
    """
    targets = _hybrid_targets(rewards, rollout, bootstrap, penalty, gamma=gamma, squash=squash)
    first = _firsts(rollout)
    found = hybrid.per_sample_credit(targets[first], values[first], group, centred=True)
    return Judged(found[rollout], targets)


def hybrid_shared(
    rewards: Float[Tensor, "N"],
    group: Int[Tensor, "N"],
    *,
    rollout: Int[Tensor, "T"],
    values: Float[Tensor, "T"],
    bootstrap: Float[Tensor, "N"],
    penalty: Float[Tensor, "T"] | None,
    gamma: float,
    squash: float,
) -> Judged:
    """All answers of a group have one advantage: A = 1/G sum_i y_i - V(prompt).

    Hybrid GRPO (arXiv:2502.01652), the paper's form; y_i and `squash` as in `hybrid_per_sample`. It
    says nothing of which answer was better.
    """
    targets = _hybrid_targets(rewards, rollout, bootstrap, penalty, gamma=gamma, squash=squash)
    first = _firsts(rollout)
    found = hybrid.shared_credit(targets[first], values[first], group)
    return Judged(found[rollout], targets)


def to_come(
    each: Float[Tensor, "T"],
    rollout: Int[Tensor, "T"],
    *,
    bootstrap: Float[Tensor, "N"],
    gamma: float,
) -> Float[Tensor, "T"]:
    """All that is still to come: R_t = sum_{k >= t} gamma^(k - t) r_k + gamma^(n - t) V(after)."""
    after = torch.where(is_last(rollout), gamma * bootstrap[rollout], 0.0)
    return suffix_sums(each + after, rollout, discount=gamma)


def _hybrid_targets(
    rewards: Float[Tensor, "N"],
    rollout: Int[Tensor, "T"],
    bootstrap: Float[Tensor, "N"],
    penalty: Float[Tensor, "T"] | None,
    *,
    gamma: float,
    squash: float,
) -> Float[Tensor, "T"]:
    """What is still to come of rewards that were squashed; of a rollout's first token, its y."""
    given = hybrid.squashed(rewards, scale=squash) if squash else rewards
    each = token_rewards(given, rollout, penalty=penalty)
    return to_come(each, rollout, bootstrap=bootstrap, gamma=gamma)


def _firsts(rollout: Int[Tensor, "T"]) -> Int[Tensor, "N"]:
    """The first token of each rollout."""
    lengths = rollout.bincount()
    return lengths.cumsum(0) - lengths
