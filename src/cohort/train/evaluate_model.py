"""`cohort eval`: measure a model on held-out problems without a run folder."""

from __future__ import annotations

from pathlib import Path

from cohort.config.recipe import Recipe
from cohort.config.stages import Evaluate
from cohort.policy.load import load_policy
from cohort.report.statistics import summarize_evaluation
from cohort.rewards.isolation.runner import Runner
from cohort.train.evaluate import measure
from cohort.train.located import located
from cohort.train.plan import Given, check_prompts, make_plan
from cohort.train.run import set_threads


def evaluate_model(recipe: Recipe, *, base: Path) -> dict[str, object]:
    """The summary of the recipe's only stage, an evaluation; see report.statistics."""
    recipe = located(recipe, base)
    (plan,) = make_plan(recipe, base, Given())
    assert isinstance(plan.options, Evaluate), plan.options.kind
    set_threads(recipe.threads)
    policy = load_policy(recipe.model, vocabulary=[], seed=recipe.seed)
    check_prompts(plan, policy)
    with Runner() as runner:
        rewards = runner.house(plan.rewards)
        answers, _ = measure(
            plan.options,
            policy,
            plan.source.held_out(),
            rewards,
            seed=recipe.seed,
            runner=runner,
        )
    return summarize_evaluation(answers, samples=plan.options.samples_per_problem)
