"""`cohort check`: a recipe tried before it is trained. The order of things; what is found is in the others.

First the rewards, in a process of their own, with answers whose worth is known; then the model: a few
groups, log-probabilities, the largest micro-batch. Nothing is trained and nothing is written. What
stands in the way of any training (a name that does not exist, a column that is missing) is refused
as `cohort train` refuses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cohort.config.recipe import Recipe
from cohort.config.stages import Evaluate, Reinforce, Sampled
from cohort.data.records import Group
from cohort.errors import ModelError, RewardError
from cohort.policy.load import load_policy
from cohort.policy.policy import Policy
from cohort.rewards.score import score_groups
from cohort.tasks.later import Later
from cohort.tasks.mixed import Mixed
from cohort.train.check_findings import Checked, Finding
from cohort.train.check_model import check_model
from cohort.train.check_rewards import check_rewards
from cohort.train.located import located
from cohort.train.plan import Given, StagePlan, check_prompts, make_plan
from cohort.train.reward_model_use import models_of
from cohort.train.run import set_threads

SPOILT = ("hangs", "raises", "is no number", "changes what it is given")
"""Findings with which a reward is not asked about sampled answers."""

LEAST_SECONDS = 0.5
"""What scoring a step may always take."""


def check_recipe(recipe: Recipe, *, base: Path, seconds: float, rewards_only: bool) -> Checked:
    """Everything that is found about a recipe whose file is in `base`.

    seconds: how long a call of a reward may take. Raises what `cohort train` would refuse, but what
    is wrong with a model that was found is a finding.
    """
    recipe = located(recipe, base)
    plans = make_plan(recipe, base, Given())
    checked = Checked()
    chosen = _to_check(plans, checked)
    costs = {
        number: check_rewards(checked, recipe, plans[number], number, base=base, seconds=seconds)
        for number in chosen
    }
    if rewards_only:
        return checked
    set_threads(recipe.threads)
    policy = _loaded(recipe, plans, checked)
    for number in chosen if policy is not None else []:
        assert policy is not None
        _with_model(checked, recipe, plans, number, policy, costs[number])
    return checked


def _to_check(plans: Sequence[StagePlan], checked: Checked) -> list[int]:
    """The stages that learn from rewards; where there are none, those that measure with them.

    Not those whose problems or rewards an earlier stage will leave, and not mixes: that is said.
    """
    for kind in (Reinforce, Evaluate):
        found = [number for number, plan in enumerate(plans) if isinstance(plan.options, kind)]
        apart = {number: reason for number in found if (reason := _not_there_yet(plans[number]))}
        checked.facts += [
            f"stage {plans[number].name}: not tried, {reason}." for number, reason in apart.items()
        ]
        if found:
            return [number for number in found if number not in apart]
    return []


def _not_there_yet(plan: StagePlan) -> str:
    """What a stage has of earlier ones, so that it cannot be tried before they were; empty for nothing."""
    if isinstance(plan.source, Later | Mixed):
        return f"its problems are {plan.source.name}"
    models = ", ".join(model.stage for model in models_of(plan))
    return f"its rewards are of the reward model {models}" if models else ""


def _loaded(recipe: Recipe, plans: Sequence[StagePlan], checked: Checked) -> Policy | None:
    """The policy that the run begins with; None, and a finding, where it cannot be trained."""
    pieces = plans[0].source.vocabulary() if recipe.model.new is not None else []
    try:
        policy = load_policy(recipe.model, vocabulary=pieces, seed=recipe.seed)
        for plan in plans:
            check_prompts(plan, policy)
    except ModelError as error:
        text = f"{error.message}; {error.hint}" if error.hint else error.message
        checked.findings.append(Finding("the model", "model", f"{text}."))
        return None
    return policy


def _with_model(
    checked: Checked,
    recipe: Recipe,
    plans: Sequence[StagePlan],
    number: int,
    policy: Policy,
    cost: float,
) -> None:
    plan, where = plans[number], f"stage {plans[number].name}"
    before = [p.name for p in plans[:number] if not isinstance(p.options, Evaluate)]
    tried = check_model(checked, plan, policy, seed=recipe.seed, before=before)
    if isinstance(plan.options, Reinforce):
        checked.findings += about_cost(where, plan.options, cost, tried.step_seconds)
    if before:
        checked.facts.append(
            f"{where}: it was not asked whether groups differ: {', '.join(before)} trains the model first."
        )
        return
    if not any(f.name in SPOILT and f.where.startswith(where) for f in checked.findings):
        checked.findings += about_spread(where, tried.groups, plan, checked)


def about_cost(where: str, options: Reinforce, cost: float, step_seconds: float) -> list[Finding]:
    """Whether scoring takes longer than the rest of a step."""
    answers = options.prompts_per_step * options.rollouts_per_prompt
    if cost * answers <= max(LEAST_SECONDS, step_seconds):
        return []
    text = (
        f"the rewards of a step take {cost * answers:.1f} s ({cost * 1000:.3g} ms for each of {answers} "
        f"answers), and the rest of it some {step_seconds:.1f} s."
    )
    return [Finding("slow", where, text)]


def about_spread(
    where: str, groups: Sequence[Group], plan: StagePlan, checked: Checked
) -> list[Finding]:
    """Whether any sampled group has answers of different worth."""
    assert isinstance(plan.options, Sampled), plan.options.kind
    try:
        scored = score_groups(groups, plan.rewards)
    except RewardError as error:
        return [Finding("raises", where, f"on sampled answers: {error.message}.")]
    spread = [group for group in scored if len(set(group.rewards) - {None}) > 1]
    known = [reward for group in scored for reward in group.rewards if reward is not None]
    checked.facts.append(
        f"{where}: {len(spread)} of {len(scored)} sampled groups have answers of different worth."
    )
    if spread or not isinstance(plan.options, Reinforce) or not known:
        return []
    text = (
        f"{len(scored)} groups of {len(scored[0].rollouts)} sampled answers have one reward each, "
        f"between {min(known):.3g} and {max(known):.3g}: there is nothing to learn from yet. A task may "
        "be too hard, or too easy."
    )
    return [Finding("no spread", where, text)]
