"""A reward model in use by a later stage: which rewards are such, and where steps of answers end for it."""

from __future__ import annotations

from typing import Any

from cohort.config.preferences import RewardModel
from cohort.config.references import called
from cohort.errors import RewardError
from cohort.rewards.stage_model import Ends, StageModel
from cohort.train.plan import StagePlan


def models_of(plan: StagePlan) -> list[StageModel]:
    """The rewards of a stage that are models of earlier stages."""
    functions = [reward.function for reward in plan.rewards]
    return [function for function in functions if isinstance(function, StageModel)]


def ends_of(plan: StagePlan) -> Ends | None:
    """Where steps end by the rule of a stage `reward-model`; None where it has none.

    The rule is called in this process, with the model. Raises RewardError for one that cannot be.
    """
    options = plan.options
    if not isinstance(options, RewardModel) or not options.steps_by:
        return None
    (rule,) = [one for one in plan.rewards if one.name == called(options.steps_by)]
    if rule.counts_tokens or rule.is_async:
        raise RewardError(
            f'reward "{rule.name}" says where steps end, and it is async or counts tokens',
            "use a plain function that counts characters",
        )

    def ends(**given: Any) -> list[list[int]]:
        known = {n: v for n, v in given.items() if rule.takes_everything or n in rule.parameters}
        said: Any = rule.function(**known, **rule.arguments)
        return [[end for end, _ in own] if isinstance(own, list | tuple) else [] for own in said]

    return ends
