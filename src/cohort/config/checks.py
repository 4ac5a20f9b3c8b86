"""Options that are each possible and together are not: one sentence, the value seen, the remedy.

Pure functions of a Recipe; no file is opened. Whether a task, a reward or an algorithm exists is
asked where it is defined. The first contradiction found is the one reported.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from cohort.config.any_stage import AnyStage
from cohort.config.check_filters import check_filters
from cohort.config.check_mix import check_mix, check_parts
from cohort.config.check_optimizer import check_optimizer, check_rounding
from cohort.config.check_pairs import check_pairs
from cohort.config.check_references import check_references
from cohort.config.check_reward_models import check_reward_models
from cohort.config.check_teacher import check_teacher
from cohort.config.lookup import shown
from cohort.config.preferences import Preference, RewardModel
from cohort.config.recipe import NewModel, Recipe
from cohort.config.references import called
from cohort.config.selection import Select
from cohort.config.stages import Evaluate, Reinforce, Sampled, Trained
from cohort.errors import RecipeError, legible, listed

MOST_NEW_PARAMETERS = 10**10


def check_recipe(recipe: Recipe) -> None:
    """Raise RecipeError for the first contradiction of a recipe; return when there is none."""
    _check_names(recipe)
    check_references(recipe)
    for number, stage in enumerate(recipe.stage):
        _check_stage(stage, f"stage.{number}")
        check_teacher(stage, f"stage.{number}")
        check_rounding(stage, recipe.model.dtype, f"stage.{number}")
    check_reward_models(recipe)
    _check_new_model(recipe)


def is_builtin_task(source: str) -> bool:
    """Whether a source has the form of a task's name: no path, no suffix, no `hub:`."""
    return not any(mark in source for mark in "./\\:")


def _check_names(recipe: Recipe) -> None:
    given = [stage.name for stage in recipe.stage if stage.name]
    for names in (given, recipe.stage_names()):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise RecipeError(
                f"two stages have the name {legible(twice[0])}: reports could not tell them apart",
                "give one of them another name",
            )


def _check_stage(stage: AnyStage, where: str) -> None:
    _check_problems(stage, where)
    if isinstance(stage, Sampled):
        _check_rewards(stage, where)
        check_parts(stage, where)
        for name, reward in stage.rewards.items():
            _check_finite(reward.arguments, (*where.split("."), "rewards", name))
    if isinstance(stage, Evaluate):
        _check_success(stage, where)
    if isinstance(stage, Select):
        check_filters(stage, where)
    if isinstance(stage, Preference):
        check_pairs(stage, where)
    if isinstance(stage, Reinforce):
        _check_group(stage, where)
    if isinstance(stage, Trained | RewardModel):
        check_optimizer(stage.optimizer, where)


def _check_problems(stage: AnyStage, where: str) -> None:
    check_mix(stage.problems, where)
    for problems in stage.problems.tables:
        if not problems.source:
            raise RecipeError(
                f"{where}.problems is empty", "name a task, a file, or file.py:function"
            )
        _check_finite(problems.options, (*where.split("."), "problems", "options"))


def _check_rewards(stage: Sampled, where: str) -> None:
    if not stage.rewards and not isinstance(stage, Preference | RewardModel):
        raise RecipeError(
            f"{where}.rewards is empty: no answer can be better than another",
            "name at least one reward, for example rewards = { correct = 1.0 }",
        )


def _check_finite(values: object, place: tuple[str | int, ...]) -> None:
    """What goes to functions as it is has no type that would keep NaN and infinity out."""
    if isinstance(values, Mapping | list):
        below = values.items() if isinstance(values, Mapping) else enumerate(values)
        for key, inner in below:
            _check_finite(inner, (*place, key))
    elif isinstance(values, float) and not math.isfinite(values):
        raise RecipeError(f"{shown(place)} is {values}", "give a finite number")


def _check_success(stage: Evaluate, where: str) -> None:
    names = [called(reward) for reward in stage.rewards]
    if stage.success not in names:
        raise RecipeError(
            f'{where}.success is "{legible(stage.success)}", which is not among the stage\'s '
            f"rewards: {listed(names)}",
            f"add it to {where}.rewards (the weight may be 0), or name one of those",
        )


def _check_group(stage: Reinforce, where: str) -> None:
    if len(stage.reward_bounds) != 2 or not stage.reward_bounds[0] < stage.reward_bounds[1]:
        raise RecipeError(
            f"{where}.reward_bounds is {stage.reward_bounds}",
            "give the least and the most, for example [-1.0, 1.0]",
        )
    if stage.minibatches_per_step > stage.prompts_per_step:
        raise RecipeError(
            f"{where}.minibatches_per_step is {stage.minibatches_per_step} and prompts_per_step is "
            f"{stage.prompts_per_step}: a group is never divided",
            "use at most as many minibatches as prompts",
        )
    if stage.reward_scale == 0.0:
        raise RecipeError(
            f"{where}.reward_scale is 0: there is nothing to learn", "use 1, or leave it out"
        )
    if all(reward.weight == 0.0 for reward in stage.rewards.values()):
        raise RecipeError(
            f"{where}.rewards all have weight 0: there is nothing to learn",
            "give at least one reward another weight",
        )


def _check_new_model(recipe: Recipe) -> None:
    new = recipe.model.new
    if new is None:
        return
    if _parameters(new) > MOST_NEW_PARAMETERS:
        raise RecipeError(
            f"model.new has about {_parameters(new):.1e} parameters: a new model is a small one",
            "lower hidden, layers or feed_forward",
        )
    named = [one.source for one in recipe.stage[0].problems.tables]
    if source := next((name for name in named if not is_builtin_task(name)), ""):
        raise RecipeError(
            f'model.new takes its tokens from the first stage\'s task, and "{legible(source)}" is '
            "no task",
            "begin with a built-in task, or give model.path",
        )
    for number, stage in enumerate(recipe.stage):
        if not isinstance(stage, Sampled) or not stage.rewards:
            continue
        if stage.max_new_tokens >= new.context:
            raise RecipeError(
                f"stage.{number}.max_new_tokens is {stage.max_new_tokens} and model.new.context is "
                f"{new.context}: no room is left for a prompt",
                "lower max_new_tokens or raise context",
            )


def _parameters(new: NewModel) -> int:
    """Those of its layers, roughly: attention's four matrices and the three behind them."""
    return new.layers * new.hidden * (4 * new.hidden + 3 * new.feed_forward)
