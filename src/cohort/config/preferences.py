"""Stages that learn from comparisons: a reward model, and direct preference optimisation."""

from __future__ import annotations

from typing import Literal

from cohort.config.stages import Optimizer, PositiveInt, Stage, Trained


class RewardModel(Stage):
    """A model that says what an answer is worth, named by later stages as the reward `stage:NAME`."""

    kind: Literal["reward-model"]
    steps: PositiveInt
    """Optimizer updates."""
    start: str = ""
    """The model to begin with, its head apart: empty, the policy as it is; `base`, the recipe's model; or
    `stage:NAME`, the reward model of that stage, which is trained on."""
    optimizer: Optimizer = Optimizer(learning_rate=1e-5, schedule="cosine")
    """The optimizer of this stage; it starts fresh."""


class Preference(Trained):
    """Direct preference optimisation (Rafailov et al. 2023, arXiv:2305.18290) on pairs of answers."""

    kind: Literal["preference"]
    steps: PositiveInt
    """Optimizer updates."""
