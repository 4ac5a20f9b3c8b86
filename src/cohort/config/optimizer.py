"""What every optimizer of a stage is told: the policy's, a critic's, a reward model's."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cohort.config.base import Table

MOST = 10**9
"""The most that a count or a weight can be: more is a mistake, and no machine would end it."""

Count = Annotated[int, Field(ge=0, le=MOST)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class Optimizer(Table):
    """AdamW (Loshchilov and Hutter 2019) with a linear warm-up and a schedule over the stage's steps."""

    learning_rate: Annotated[float, Field(gt=0.0, le=1e6)] = 1e-6
    """The highest learning rate of the stage."""
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    """How the learning rate goes on after the warm-up; cosine and linear end at `final_share`."""
    final_share: Fraction = 0.0
    """The share of the highest learning rate that cosine and linear end at."""
    warmup_steps: Count = 0
    """Optimizer updates over which the learning rate rises linearly from 0."""
    beta1: Fraction = 0.9
    """Decay of AdamW's first moment."""
    beta2: Fraction = 0.999
    """Decay of AdamW's second moment."""
    epsilon: Annotated[float, Field(gt=0.0, le=1.0)] = 1e-8
    """AdamW's epsilon."""
    weight_decay: Annotated[float, Field(ge=0.0, le=100.0)] = 0.0
    """AdamW's decoupled weight decay, on matrices only."""
    max_gradient_norm: Annotated[float, Field(gt=0.0)] = 1.0
    """The gradient is scaled down to this norm when it is larger."""
