"""The stage that keeps answers instead of learning from them."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from cohort.config.optimizer import Count
from cohort.config.stages import Bounded, PositiveInt, Taught, Temperature


class Select(Taught):
    """Sample, score, filter, and keep as a data set that later stages name as `stage:NAME`.

    What is kept is `stages/NAME/kept.jsonl` in the run's folder: a line for each answer with its prompt,
    `completion`, the problem's columns and the rewards. Nothing is trained.
    """

    kind: Literal["select"]
    steps: PositiveInt
    """Steps: each samples `prompts_per_step` groups."""
    prompts_per_step: PositiveInt = 16
    """Problems per step."""
    rollouts_per_prompt: PositiveInt = 8
    """Answers per problem."""
    temperature: Temperature = Temperature()
    """Sampling temperature, a number or a table."""
    keep: dict[str, Bounded] = {}
    """The least that a reward must say of an answer for it to be kept, by the reward's name:
    `{ correct = 1.0, "stage:judge" = 0.5 }`. Where it cannot say, the answer is not kept."""
    least_total: Bounded = -1e9
    """The least weighted sum of the rewards that is kept."""
    best_of: Count = 0
    """The most answers kept of a group, those with the highest sum of rewards. 0: as many as pass."""
    per_problem: Count = 0
    """The most answers kept of a problem that is asked in several steps, the earliest. 0: no limit."""
    distinct: bool = True
    """Keep an answer to a prompt once, spaces and line breaks aside."""
    cut: Literal["drop", "keep"] = "drop"
    """What to do with answers that were cut at `max_new_tokens`: imitated, they end where they were cut."""
    least_tokens: Count = 0
    """The fewest sampled tokens of an answer that is kept, its end token included."""
    most_tokens: Count = 0
    """The most sampled tokens of an answer that is kept, its end token included. 0: no limit."""
    least_characters: Count = 0
    """The fewest characters of an answer that is kept."""
    most_characters: Count = 0
    """The most characters of an answer that is kept. 0: no limit."""

    @field_validator("temperature", mode="before")
    @classmethod
    def _temperature_by_number(cls, value: object) -> object:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return {"start": value, "end": value} if is_number else value
