"""What a stage takes from earlier ones, put in place when it begins: data, a policy, reward models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from cohort.config.recipe import Recipe
from cohort.config.references import BASE, stage_of
from cohort.config.stages import Mixture, Trained
from cohort.policy.load import load_policy
from cohort.policy.policy import Policy
from cohort.rewards.score import check_columns
from cohort.tasks.later import Later
from cohort.tasks.mixed import Mixed
from cohort.tasks.problems import ProblemSource, open_source
from cohort.train.plan import StagePlan, check_prompts
from cohort.train.products import KEPT, MODEL, POLICY, Products
from cohort.train.reward_model_use import ends_of, models_of
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
        for model in models_of(plan):
            folder = self._products.of(model.stage, MODEL)
            model.open(folder, policy, ends_of(self._plans[model.stage]))
        source = self._arrived(plan.options.problems, plan.source)
        if source is plan.source:
            return plan
        opened = replace(plan, source=source)
        check_prompts(opened, policy)
        check_columns(plan.rewards, source.known())
        return opened

    def base(self) -> Policy:
        """The policy that the recipe begins with."""
        return load_policy(self._recipe.model, vocabulary=self._pieces, seed=self._recipe.seed)

    def _arrived(self, options: Mixture, source: ProblemSource) -> ProblemSource:
        """The source, what was to come later read from where it was left."""
        if isinstance(source, Mixed):
            both = zip(options.mix, source.parts, strict=True)
            own = [self._arrived(one.alone(), part.source) for one, part in both]
            if all(new is part.source for new, part in zip(own, source.parts, strict=True)):
                return source
            named = zip(source.parts, own, strict=True)
            return Mixed([replace(part, source=new) for part, new in named])
        if not isinstance(source, Later):
            return source
        file = self._products.of(stage_of(source.name), KEPT)
        kept = options.model_copy(update={"source": str(file), "held_out_problems": 0})
        return open_source(kept, Path())

    def begin(self, plan: StagePlan, policy: Policy) -> None:
        """The policy as the stage begins with it; called before its first step alone."""
        start = plan.options.start if isinstance(plan.options, Trained) else ""
        if start == BASE:
            _become(policy, weights_of(self.base()))
        elif start:
            _become(policy, load_file(self._products.of(stage_of(start), POLICY)))

    def end(self, plan: StagePlan, policy: Policy) -> None:
        """Keep the policy where a later stage begins with it; let go of the reward models."""
        for model in models_of(plan):
            model.close()
        if plan.name in self._starts:
            weights = {name: one.detach().contiguous() for name, one in weights_of(policy).items()}
            self._products.leave(plan.name, lambda folder: save_file(weights, folder / POLICY))


@torch.no_grad()
def _become(policy: Policy, weights: dict[str, Tensor]) -> None:
    for name, parameter in weights_of(policy).items():
        parameter.copy_(weights[name])
    policy.version += 1
