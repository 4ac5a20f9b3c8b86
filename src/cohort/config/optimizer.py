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
    """An optimizer with a linear warm-up and a schedule over the stage's steps."""

    name: Literal["adamw", "adafactor", "muon", "adamw-8bit"] = "adamw"
    """`adamw` (Loshchilov and Hutter 2019) keeps 8 bytes a weight; `adafactor` (Shazeer and Stern 2018)
    almost none; `muon` (Jordan 2024) 4 bytes of a hidden matrix, whose updates it makes orthogonal, and is
    AdamW for all else; `adamw-8bit` 2 bytes, and needs the extra `eight-bit`."""
    rounding: Literal["masters", "stochastic", "nearest"] = "masters"
    """How bfloat16 weights take an update: `masters` updates a float32 copy of each, 4 bytes a weight;
    `stochastic` keeps none and rounds up or down by chance, right on average; `nearest` keeps none and loses
    what is less than 1/512 of a weight."""
    learning_rate: Annotated[float, Field(gt=0.0, le=1e6)] = 1e-6
    """The highest learning rate of the stage; of `adafactor` it is relative to the size of the weights."""
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    """How the learning rate goes on after the warm-up; cosine and linear end at `final_share`."""
    final_share: Fraction = 0.0
    """The share of the highest learning rate that cosine and linear end at."""
    warmup_steps: Count = 0
    """Optimizer updates over which the learning rate rises linearly from 0."""
    beta1: Fraction = 0.9
    """Decay of AdamW's first moment; `adafactor` has none."""
    beta2: Fraction = 0.999
    """Decay of AdamW's second moment; that of `adafactor` follows from the update's number."""
    epsilon: Annotated[float, Field(gt=0.0, le=1.0)] = 1e-8
    """AdamW's epsilon; the smallest gradient that `adafactor` tells from 0."""
    weight_decay: Annotated[float, Field(ge=0.0, le=100.0)] = 0.0
    """Decoupled weight decay, on matrices only."""
    max_gradient_norm: Annotated[float, Field(gt=0.0)] = 1.0
    """The gradient is scaled down to this norm when it is larger."""
