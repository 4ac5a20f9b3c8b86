"""What a stage takes from earlier ones, put in place when it begins: data, a policy, reward models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from cohort.config.checks import shown_name
from cohort.config.preferences import RewardModel
from cohort.config.recipe import Recipe
from cohort.config.references import BASE, stage_of
from cohort.config.stages import Trained
from cohort.errors import RewardError
from cohort.policy.load import load_policy
from cohort.policy.policy import Policy
from cohort.rewards.stage_model import Ends, StageModel
from cohort.tasks.later import Later
from cohort.tasks.problems import open_source
from cohort.train.plan import StagePlan, check_prompts
from cohort.train.products import KEPT, MODEL, POLICY, Products
from cohort.train.state import weights_of


class Beginnings:
    """Gives stages what earlier ones left, and keeps what later ones ask for."""

    def __init__(self, recipe: Recipe, plans: Sequence[StagePlan], products: Products) -> None:
        self._recipe, self._products = recipe, products
        self._plans = {plan.name: plan for plan in plans}
        self._pieces = plans[0].source.vocabulary() if recipe.model.new is not None else []
        starts = [one.options.start for one in plans if isinstance(one.options, Trained)]
        self._starts = {stage_of(start) for start in starts} - {""}

    def ready(self, plan: StagePlan, policy: Policy) -> StagePlan:
        """The plan with the data and the reward models of earlier stages in it.

        Raises RunError where they are gone, DataError where a problem cannot be asked.
        """
        for model in _models(plan):
            folder = self._products.of(model.stage, MODEL)
            model.open(folder, policy, steps_of(self._plans[model.stage]))
        if not isinstance(plan.source, Later):
            return plan
        file = self._products.of(stage_of(plan.source.name), KEPT)
        options = plan.options.problems.model_copy(update={"source": str(file)})
        opened = replace(plan, source=open_source(options, Path()))
        check_prompts(opened, policy)
        return opened

    def base(self) -> Policy:
        """The policy that the recipe begins with."""
        return load_policy(self._recipe.model, vocabulary=self._pieces, seed=self._recipe.seed)

    def begin(self, plan: StagePlan, policy: Policy) -> None:
        """The policy as the stage begins with it; called before its first step alone."""
        start = plan.options.start if isinstance(plan.options, Trained) else ""
        if start == BASE:
            _become(policy, weights_of(self.base()))
        elif start:
            _become(policy, load_file(self._products.of(stage_of(start), POLICY)))

    def end(self, plan: StagePlan, policy: Policy) -> None:
        """Keep the policy where a later stage begins with it; let go of the reward models."""
        for model in _models(plan):
            model.close()
        if plan.name in self._starts:
            weights = {name: one.detach().contiguous() for name, one in weights_of(policy).items()}
            self._products.leave(plan.name, lambda folder: save_file(weights, folder / POLICY))


def _models(plan: StagePlan) -> list[StageModel]:
    functions = [reward.function for reward in plan.rewards]
    return [function for function in functions if isinstance(function, StageModel)]


def steps_of(plan: StagePlan) -> Ends | None:
    """Where steps end by the rule of a stage `reward-model`; None where it has none.

    It is called in this process, with the reward model. Raises RewardError for one that cannot be.
    """
    options = plan.options
    if not isinstance(options, RewardModel) or not options.steps_by:
        return None
    (rule,) = [one for one in plan.rewards if one.name == shown_name(options.steps_by)]
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


@torch.no_grad()
def _become(policy: Policy, weights: dict[str, Tensor]) -> None:
    for name, parameter in weights_of(policy).items():
        parameter.copy_(weights[name])
    policy.version += 1
