"""Options of a reward model that contradict each other, or that nothing would read.

What is read depends on where the answers are from (rows, or the policy), and on what has a value (the
answer, or its steps): whatever the chosen way does not read has to be as it is by default.
"""

from __future__ import annotations

from collections.abc import Sequence

from cohort.config.preferences import RewardModel
from cohort.config.recipe import Recipe
from cohort.config.references import stage_of
from cohort.errors import RecipeError, legible

OF_SAMPLING = (
    "labels",
    "rollouts_per_prompt",
    "sampled_steps",
    "temperature",
    "max_new_tokens",
    "slots",
    "compile_decoding",
    "failures_allowed",
    "steps_by",
)
OF_OUTCOMES = ("loss", "margin", "centring")
OF_PROCESSES = ("separators", "steps_by", "labels")
OF_COMPLETIONS = ("completions_per_step", "soft_labels", "right_at")
OF_PAIRS = ("margin", "centring")


def check_reward_models(recipe: Recipe) -> None:
    """Raise RecipeError for the first contradiction in a stage `reward-model`."""
    named = list(zip(recipe.stage_names(), recipe.stage, strict=True))
    models = {name: stage for name, stage in named if isinstance(stage, RewardModel)}
    for number, (name, stage) in enumerate(named):
        if isinstance(stage, RewardModel):
            where = f"stage.{number}"
            _check_read(stage, where)
            _check_steps(stage, where)
            _check_sampling(stage, where)
            _check_past(stage, where, name, models)


def _check_read(stage: RewardModel, where: str) -> None:
    if not stage.rewards:
        if _is_task(stage.problems.source):
            raise RecipeError(
                f"{where}.rewards is empty, and {legible(stage.problems.source)} has no answers of "
                "its own",
                "name rewards that score sampled answers, or rows with chosen and rejected",
            )
        _refuse(stage, where, OF_SAMPLING, "the rows hold the answers: nothing is sampled")
    if stage.supervision == "outcome":
        _refuse(stage, where, OF_PROCESSES, "whole answers have the value, and no step has")
    else:
        _refuse(stage, where, OF_OUTCOMES, "steps are labelled, and no answers are compared")
    if stage.labels == "rewards":
        _refuse(stage, where, OF_COMPLETIONS, "labels are not made by completions")
    if stage.loss != "pairs":
        _refuse(stage, where, OF_PAIRS, f"the loss is {stage.loss}, which has no pairs")


def _refuse(stage: RewardModel, where: str, options: Sequence[str], reason: str) -> None:
    for option in options:
        if getattr(stage, option) != type(stage).model_fields[option].get_default():
            raise RecipeError(f"{where}.{option} would change nothing: {reason}", "leave it out")


def _check_steps(stage: RewardModel, where: str) -> None:
    if stage.supervision != "process":
        return
    if not all(stage.separators):
        raise RecipeError(f"{where}.separators has an empty text in it", "leave it out")
    if bool(stage.separators) == bool(stage.steps_by):
        raise RecipeError(
            f"{where} has separators and steps_by"
            if stage.steps_by
            else f"{where} does not say where a step ends",
            'give one of them: separators = ["\\n"], or steps_by = "a reward that returns steps"',
        )
    if stage.steps_by and stage.steps_by not in stage.rewards:
        raise RecipeError(
            f"{where}.steps_by is {legible(stage.steps_by)}, which is none of the stage's rewards",
            f"add it to {where}.rewards; with labels by completions its weight may be 0",
        )
    if stage.rewards and stage.labels == "rewards":
        if not stage.steps_by:
            raise RecipeError(
                f"{where}: separators say where steps end, and no reward says of what worth they are",
                'use steps_by with a reward of steps, or labels = "completions"',
            )
        if stage.rewards[stage.steps_by].weight == 0.0:
            raise RecipeError(
                f"{where}.rewards.{legible(stage.steps_by)} has weight 0: all labels would be 0",
                "use 1",
            )


def _check_sampling(stage: RewardModel, where: str) -> None:
    if stage.sampled_steps > stage.steps:
        raise RecipeError(
            f"{where}.sampled_steps is {stage.sampled_steps} and steps is {stage.steps}",
            "sample in at most as many steps as there are",
        )
    compares = stage.supervision == "outcome" and stage.loss in ("pairs", "ranking")
    if stage.rewards and compares and stage.rollouts_per_prompt == 1:
        raise RecipeError(
            f"{where}.rollouts_per_prompt is 1: an answer is compared with others to its problem",
            'use at least 2, or loss = "regression" or "binary"',
        )


def _check_past(stage: RewardModel, where: str, name: str, models: dict[str, RewardModel]) -> None:
    """What a reward model has of the one before it."""
    before = models.get(stage_of(stage.start))
    if before is not None and before.supervision != stage.supervision:
        raise RecipeError(
            f"{where} is of {stage.supervision} supervision and begins with a model of "
            f"{before.supervision} supervision: their heads differ",
            "use the same supervision, or begin with the policy",
        )
    repeated = any(stage_of(other.start) == name for other in models.values())
    if stage.replay and before is None and not repeated:
        raise RecipeError(
            f"{where}.replay is {stage.replay}, and there is no reward model before this one",
            'set start = "stage:NAME", or repeat the stage',
        )


def _is_task(source: str) -> bool:
    """Whether a source makes its problems: a built-in task, or one of reasoning-gym."""
    return not any(mark in source for mark in "./\\:") or source.startswith("reasoning-gym:")
