"""`cohort eval`: measure policies on the same held-out problems with the same draws, without a run folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cohort.config.recipe import Recipe
from cohort.config.stages import Evaluate
from cohort.data.records import Problem
from cohort.data.store import Answer
from cohort.errors import DataError, listed
from cohort.report.measured import Measured, told
from cohort.rewards.functions import RewardFunction
from cohort.rewards.isolation.runner import Runner
from cohort.rewards.teacher.agreement import answer_classes
from cohort.train.candidates import Candidate, candidates
from cohort.train.evaluate import measure
from cohort.train.located import located
from cohort.train.plan import Given, StagePlan, check_prompts, make_plan
from cohort.train.run import set_threads


def evaluate_models(
    recipe: Recipe,
    names: Sequence[str],
    *,
    base: Path,
    category: str = "",
    checkpoints: bool = False,
) -> dict[str, Any]:
    """What these models or runs are worth at the recipe's only stage, an evaluation; see report.measured.

    category: a column of the problems, by which results are told apart. checkpoints: of a run, all of them.
    One is loaded at a time.
    """
    recipe = located(recipe, base)
    (plan,) = make_plan(recipe, base, Given())
    asked = [
        one
        for name in names
        for one in candidates(name, recipe.model, seed=recipe.seed, checkpoints=checkpoints)
    ]
    kinds = _categories(plan.source.held_out(), category) if category else {}
    set_threads(recipe.threads)
    with Runner() as runner:
        rewards = runner.house(plan.rewards)
        return told([_measured(one, plan, rewards, recipe.seed, runner, kinds) for one in asked])


def _measured(  # a policy, and all that it is measured with
    candidate: Candidate,
    plan: StagePlan,
    rewards: Sequence[RewardFunction],
    seed: int,
    runner: Runner,
    kinds: dict[str, str],
) -> Measured:
    assert isinstance(plan.options, Evaluate), plan.options.kind
    policy = candidate.load()
    check_prompts(plan, policy)
    problems = plan.source.held_out()
    answers, _ = measure(plan.options, policy, problems, rewards, seed=seed, runner=runner)
    samples = plan.options.samples_per_problem
    return Measured(candidate.label, answers, samples, _classes(answers), kinds)


def _classes(answers: Sequence[Answer]) -> dict[str, list[int | None]]:
    """Which of the sampled answers to a problem are the same, as mathematics."""
    texts: dict[str, list[str]] = {}
    for answer in answers:
        if answer.sample:
            texts.setdefault(answer.problem, []).append(answer.text)
    return {problem: answer_classes(own, "mathematics") for problem, own in texts.items()}


def _categories(problems: Sequence[Problem], column: str) -> dict[str, str]:
    """The category of each problem. Raises DataError where one has none."""
    for problem in problems:
        if column not in problem.columns:
            raise DataError(
                f"problem {problem.id!r} has no column {column!r}",
                f"its columns are {listed(problem.columns)}",
            )
    return {problem.id: str(problem.columns[column]) for problem in problems}
