"""The kinds of stages that a recipe can have."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cohort.config.preferences import Preference, RewardModel
from cohort.config.selection import Select
from cohort.config.stages import Evaluate, Reinforce, Supervised

AnyStage = Annotated[
    Supervised | Reinforce | Evaluate | RewardModel | Preference | Select,
    Field(discriminator="kind"),
]
