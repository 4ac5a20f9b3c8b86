"""Stages that learn from comparisons: a reward model, and direct preference optimisation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from cohort.config.optimizer import Count
from cohort.config.stages import (
    MOST,
    Bounded,
    Optimizer,
    PositiveInt,
    Reward,
    Sampled,
    Temperature,
    Trained,
)


class RewardModel(Sampled):
    """A model that says what an answer is worth, named by later stages as the reward `stage:NAME`."""

    kind: Literal["reward-model"]
    steps: PositiveInt
    """Optimizer updates."""
    start: str = ""
    """The model to begin with, its head apart: empty, the policy as it is; `base`, the recipe's model; or
    `stage:NAME`, the reward model of that stage, which is trained on."""
    rewards: dict[str, Reward] = {}
    """What scores the answers that are sampled from the policy. Without any, the rows hold the answers:
    `chosen` and `rejected`; `answers` best first, or with `scores`; or `steps` with `labels`."""
    supervision: Literal["outcome", "process"] = "outcome"
    """What has a value: the whole answer, read after its last token, or each of its steps."""
    loss: Literal["pairs", "ranking", "regression", "binary"] = "pairs"
    """Of whole answers. `pairs`: Bradley-Terry on every two of a group; `ranking`: Plackett-Luce;
    `regression`: the squared error to the score; `binary`: cross-entropy to a score from 0 to 1."""
    margin: Annotated[float, Field(ge=0.0, le=MOST)] = 0.0
    """How much better the better answer of a pair should be, in the model's own unit. A column `margin`
    takes its place in its row."""
    centring: Annotated[float, Field(ge=0.0, le=MOST)] = 0.0
    """The weight of (r+ + r-)^2 in the loss of a pair, which keeps the values around 0."""
    separators: list[str] = []
    """Process supervision: a step ends where one of these texts begins, and at the answer's end. In rows
    of `steps` the first of them stands between two steps."""
    steps_by: str = ""
    """Process supervision: the one of `rewards` that says where steps end, instead of separators. It is
    asked again wherever the model is a reward."""
    labels: Literal["rewards", "completions"] = "rewards"
    """What a step's label is: what `rewards` say of it, from 0 to 1; or whether the policy, going on from
    it, comes to an answer that is right (Math-Shepherd)."""
    completions_per_step: PositiveInt = 8
    """Completions that are sampled from the end of a step."""
    soft_labels: bool = False
    """The label is the share of the completions that are right, instead of 1 where any is."""
    right_at: Bounded = 1.0
    """The total reward from which on a completed answer is right."""
    examples_per_step: PositiveInt = 16
    """Rows, or problems that are asked, per update."""
    rollouts_per_prompt: PositiveInt = 8
    """Answers that are sampled per problem."""
    sampled_steps: Count = 0
    """Steps that sample; after them the same answers are gone through again, in another order every time.
    0: every step samples its own."""
    temperature: Temperature = Temperature()
    """Sampling temperature, a number or a table."""
    replay: Annotated[float, Field(ge=0.0, le=0.9)] = 0.0
    """The share of a step's examples that are those of the reward models before, from `start` back."""
    tokens_per_microbatch: Count = 0
    """The most tokens one forward pass holds; changes memory and speed, never the gradient's sum. The
    answers to one problem stay together, also where they are more.
    0: as suits the device: 2,048 on a CPU, whose cache holds the activations then, 8,192 on a GPU."""
    optimizer: Optimizer = Optimizer(learning_rate=1e-5, schedule="cosine")
    """The optimizer of this stage; it starts fresh."""

    @field_validator("temperature", mode="before")
    @classmethod
    def _temperature_by_number(cls, value: object) -> object:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return {"start": value, "end": value} if is_number else value


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
