"""The stage that keeps answers instead of learning from them."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from cohort.config.stages import PositiveInt, Sampled, Temperature


class Select(Sampled):
    """Sample, score, filter, and keep as a data set that later stages name as `stage:NAME`."""

    kind: Literal["select"]
    steps: PositiveInt
    """Steps: each samples `prompts_per_step` groups."""
    prompts_per_step: PositiveInt = 16
    """Problems per step."""
    rollouts_per_prompt: PositiveInt = 8
    """Answers per problem."""
    temperature: Temperature = Temperature()
    """Sampling temperature, a number or a table."""

    @field_validator("temperature", mode="before")
    @classmethod
    def _temperature_by_number(cls, value: object) -> object:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return {"start": value, "end": value} if is_number else value
