"""What length and language add to the reward of an answer, beside its being right.

Pure numbers: how long an answer is and how many of its words are in the language asked for is
counted elsewhere.

    N rollouts of the step; lengths in sampled tokens.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cohort.objective.groups import group_extreme


def soft_overlong(lengths: Int[Tensor, "N"], *, longest: int, margin: int) -> Float[Tensor, "N"]:
    """A penalty that grows from 0 to -1 over the last `margin` tokens of the budget.

        0 if |y| <= L - m;   (L - m - |y|) / m up to L;   -1 beyond

    DAPO (arXiv:2503.14476), eq. 13: L = 20480, m = 4096, added to a reward of -1 or 1. A margin of
    0 is the step from 0 to -1 after `longest`.
    """
    assert 0 <= margin <= longest, (margin, longest)
    over = (lengths - (longest - margin)).double()
    if margin == 0:
        return -(over > 0.0).double()
    return -(over / margin).clamp(0.0, 1.0)


def kimi_length(
    lengths: Int[Tensor, "N"], correct: Bool[Tensor, "N"], group: Int[Tensor, "N"]
) -> Float[Tensor, "N"]:
    """Among the answers to one problem the short get more, and a wrong one nothing for being short.

        lambda = 1/2 - (len - min) / (max - min);   right: lambda, wrong: min(0, lambda)

    Kimi k1.5 (arXiv:2501.12599), section 2.3.3. All of one length: 0.
    """
    exact = lengths.double()
    low = group_extreme(exact, group, largest=False)
    spread = group_extreme(exact, group, largest=True) - low
    share = 0.5 - (exact - low) / spread
    reward = torch.where(correct, share, share.clamp(max=0.0))
    return reward.masked_fill(spread == 0.0, 0.0)


def language_share(
    words_of_target: Int[Tensor, "N"], words: Int[Tensor, "N"]
) -> Float[Tensor, "N"]:
    """The share of words that are of the language asked for; added to the reward as it is.

    DeepSeek-R1 (arXiv:2501.12948), section 2.3.2. An answer without words has share 0.
    """
    return words_of_target / words.clamp(min=1).double()


def over_budget(
    lengths: Int[Tensor, "N"], budget: Float[Tensor, "N"], *, tolerance: float
) -> Float[Tensor, "N"]:
    """-1 where an answer is longer than its problem's budget by more than a factor, else 0.

        -1[T(y) > tau b_0(x)]

    Kimi K3 (arXiv:2607.24653), known from secondary notes. `budget` in tokens, per rollout.
    """
    return -(lengths > tolerance * budget).double()
