"""Stages that learn from comparisons: a reward model, and direct preference optimisation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from cohort.config.stages import (
    MOST,
    Count,
    Optimizer,
    PositiveInt,
    Reward,
    Sampled,
    Stage,
    Temperature,
    Trained,
)


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


class Preference(Sampled, Trained):
    """Direct preference optimisation (Rafailov et al. 2023, arXiv:2305.18290) on pairs of answers.

    The pairs are rows with `chosen` and `rejected`, or, where the stage has rewards, made of the answers
    that it samples in every step: those with a higher sum of rewards are chosen.
    """

    kind: Literal["preference"]
    steps: PositiveInt
    """Optimizer updates."""
    loss: Literal["sigmoid", "robust", "ipo", "hinge"] = "sigmoid"
    """What is made of the margin between chosen and rejected: DPO's own loss, robust DPO
    (arXiv:2403.00409), IPO (arXiv:2310.12036), or the hinge of SLiC (arXiv:2305.10425)."""
    beta: Annotated[float, Field(gt=0.0, le=MOST)] = 0.1
    """How strongly the policy is held to the reference, the policy as the stage begins with it."""
    label_smoothing: Annotated[float, Field(ge=0.0, lt=0.5)] = 0.0
    """The share of pairs whose label is taken to be wrong (`sigmoid` and `robust`)."""
    length_normalized: bool = False
    """Take the mean log-probability of an answer's tokens and not the sum, as DeepSeekMath writes DPO
    (arXiv:2402.03300, eq. 12)."""
    pairs_per_step: PositiveInt = 32
    """Rows per update, where the pairs are rows."""
    evaluate_every: PositiveInt = 50
    """Steps between two measurements on the held-out rows; the last step is measured too."""
    rewards: dict[str, Reward] = {}
    """Reward functions as in other stages; with them the stage samples its pairs, and problems need no
    `chosen` and `rejected`."""
    sampled_from: Literal["policy", "reference"] = "policy"
    """Who answers where the pairs are sampled: the policy as it is in the step, or as the stage began."""
    prompts_per_step: PositiveInt = 16
    """Problems per step, where the pairs are sampled."""
    rollouts_per_prompt: PositiveInt = 8
    """Answers per problem, where the pairs are sampled."""
    pairs_per_prompt: PositiveInt = 1
    """The most pairs made of a problem's answers: the best with the worst, the second best with the
    second worst and so on, then those of other ranks, as far as their rewards differ."""
    temperature: Temperature = Temperature()
    """Sampling temperature, a number or a table; log-probabilities are taken at 1 whatever it is."""
    tokens_per_microbatch: Count = 0
    """The most tokens one forward pass holds, though a pair is never divided; changes memory and speed,
    never the gradient's sum. 0: as suits the device: 2,048 on a CPU, 8,192 on a GPU."""

    @field_validator("temperature", mode="before")
    @classmethod
    def _temperature_by_number(cls, value: object) -> object:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return {"start": value, "end": value} if is_number else value
