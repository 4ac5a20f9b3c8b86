"""The critic of a stage `reinforce`: what says how much reward is still to come after each token."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cohort.config.base import Table
from cohort.config.optimizer import Count, Optimizer


class Critic(Table):
    """A critic is learned beside the policy, from the same answers. `critic = "own"` is short for
    `critic = { kind = "own" }`."""

    kind: Literal["own", "head"] = "own"
    """`own`: a model beside the policy, as large as it. `head`: one linear layer that reads the hidden
    states which the policy's log-probabilities are made of, and moves them too."""
    start: str = ""
    """The layers and the head of an `own` critic: empty, the policy's layers as the stage finds them and
    a head that says 0; or `stage:NAME`, those of the reward model that stage left."""
    optimizer: Optimizer = Optimizer(learning_rate=1e-5)
    """The critic's own optimizer, of a `head` for that layer alone; it starts fresh."""
    coefficient: Annotated[float, Field(ge=0.0, le=1e6)] = 0.1
    """What the loss of a `head` weighs in the loss of the policy's layers; 0: it does not move them."""
    clip: Annotated[float, Field(ge=0.0, le=1e6)] = 0.2
    """A value that an update has moved further than this, in reward, is not moved on; 0: none is held."""
    pretraining_steps: Count = 0
    """The first steps of the stage, in which the critic alone learns and the policy stays as it is."""
