"""Everything that can be found wrong before a model is loaded: sources, rewards, algorithms.

A plan is a recipe whose names have been looked up. Making one opens files and imports the user's
functions; it trains nothing and writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cohort.config.any_stage import AnyStage
from cohort.config.checks import check_recipe
from cohort.config.preferences import Preference, RewardModel
from cohort.config.recipe import Recipe
from cohort.config.references import stage_of
from cohort.config.stages import (
    Conversing,
    Mixture,
    Problems,
    Reinforce,
    Sampled,
    Supervised,
    Taught,
)
from cohort.data.pairs import pair_of
from cohort.data.records import Problem
from cohort.errors import DataError, LabelError, ModelError, RecipeError, RewardError, legible
from cohort.objective.algorithms import Algorithm
from cohort.objective.presets import choose
from cohort.policy.adapters import check_adaptable
from cohort.policy.policy import Policy
from cohort.policy.pretrained import check_pretrained
from cohort.report.track.sink import check_sinks
from cohort.rewards.functions import RewardFunction, load_rewards
from cohort.rewards.score import check_columns
from cohort.tasks.finite import Finite
from cohort.tasks.later import Later
from cohort.tasks.mixed import Mixed, Part
from cohort.tasks.problems import ProblemSource, given_rows, open_source
from cohort.train.eight_bit import check_installed
from cohort.train.firewall import Known, check_free_of_labels, check_models_free_of_labels
from cohort.train.located import located
from cohort.train.reward_model_rows import check_rows
from cohort.train.shorten import shortened
from cohort.train.suits import check_suits
from cohort.train.talk import Talk, load_talk


@dataclass(frozen=True, slots=True)
class StagePlan:
    """A stage with what its names mean; `algorithm` only where it reinforces, `talk` with turns."""

    name: str
    options: AnyStage
    source: ProblemSource
    rewards: tuple[RewardFunction, ...] = ()
    algorithm: Algorithm | None = None
    talk: Talk | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """Functions and rows that a Python caller gave, by the names that stand for them."""

    functions: Mapping[str, Callable[..., object]] = field(default_factory=dict)
    rows: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)


def make_plan(recipe: Recipe, base: Path, given: Given) -> list[StagePlan]:
    """A plan per stage, in order. Equal `problems` tables share one source.

    Raises RecipeError, DataError, RewardError or MissingExtraError, in the order of the stages.
    """
    check_recipe(recipe)
    for stage in recipe.stage:
        for part in (stage, getattr(stage, "critic", None)):
            if (optimizer := getattr(part, "optimizer", None)) is not None:
                check_installed(optimizer)
    opened: dict[str, ProblemSource] = {}
    known: dict[str, Known] = {}
    plans = []
    for name, options in zip(recipe.stage_names(), recipe.stage, strict=True):
        algorithm = None
        if isinstance(options, Reinforce):
            with _stage_named(name):
                algorithm = choose(options.algorithm.name, options.algorithm.changes)
            check_suits(options, algorithm, f"stage {name}")
        source = _open(options.problems, base, given, opened)
        rewards: tuple[RewardFunction, ...] = ()
        if isinstance(options, Sampled):
            with _stage_named(name):
                rewards = _rewards(options, source, base, given)
        _check_rows(options, source)
        talk = None
        if isinstance(options, Conversing) and options.environment is not None:
            with _stage_named(name):
                talk = load_talk(options.environment, source, base)
        with _stage_named(name):
            known[name] = Known(options, rewards, source)
            check_models_free_of_labels(known[name], known)
        plans.append(StagePlan(name, options, source, rewards, algorithm, talk))
    return plans


def _rewards(
    options: Sampled, source: ProblemSource, base: Path, given: Given
) -> tuple[RewardFunction, ...]:
    """The reward functions of a stage. Raises RewardError."""
    known = {**source.rewards, **given.functions}
    rewards = tuple(load_rewards(options.rewards, task_rewards=known, base=base))
    if isinstance(source, Mixed):
        rewards = tuple(source.confined(rewards))
    if isinstance(options, Taught) and options.teacher is not None:
        check_free_of_labels(options.teacher, rewards, source)
    check_columns(rewards, source.known())
    return rewards


def _check_rows(options: AnyStage, source: ProblemSource) -> None:
    """Raise DataError where the stage learns from rows and one does not hold what it learns from."""
    match options:
        case Supervised() if isinstance(source, Finite | Mixed):
            source.check_completions()
        case Preference() if not options.rewards:
            for problem in source.known():
                pair_of(problem)
        case RewardModel() if not options.rewards:
            check_rows(source.known(), options)
        case _:
            pass


@contextmanager
def _stage_named(name: str) -> Iterator[None]:
    """Refusals of what a stage names say which stage it was."""
    try:
        yield
    except (RecipeError, RewardError, LabelError) as error:
        message = f"stage {legible(name)}: {error.message}"
        raise type(error)(message, error.hint) from error


def check_names(recipe: Recipe, base: Path) -> None:
    """Raise what stands against a recipe whose file is in `base`, short of reading weights.

    Its options, problems, rewards and algorithms, and the folder of its model; nothing is kept.
    """
    found = located(recipe, base)
    check_sinks(found.track.to)
    make_plan(found, base, Given())
    if found.model.new is None:
        check_pretrained(found.model.path)
    if found.model.lora is not None:
        check_adaptable(found.model)


def check_prompts(plan: StagePlan, policy: Policy) -> str:
    """Raise for a problem of the stage that the policy cannot be asked, before anything is trained.

    Where the stage says so, problems that are too long are left out, or cut; returns a sentence about them,
    or an empty one.
    """
    sources: list[ProblemSource] = [plan.source]
    if isinstance(plan.source, Mixed):
        sources = [part.source for part in plan.source.parts]
    options = plan.options
    room = options.max_new_tokens if isinstance(options, Sampled) and options.rewards else 1
    room = policy.context - room
    dropped = cut = 0
    for problems, source in zip(plan.options.problems.tables, sources, strict=True):
        if problems.too_long == "refuse" or isinstance(source, Later):
            continue
        assert isinstance(source, Finite), f"{source.name} is no source of rows"
        if problems.too_long == "drop":
            dropped += source.leave_out(lambda problem: len(policy.prompt_tokens(problem)) > room)
        else:
            cut += source.reword(lambda problem: shortened(problem, policy, room))
    for problem in plan.source.known():
        check_prompt(problem, policy)
    said = [f"{dropped} problems are too long and were left out"] * bool(dropped)
    said += [f"{cut} prompts are too long and have lost their beginning"] * bool(cut)
    return "; ".join(said)


def check_prompt(problem: Problem, policy: Policy) -> None:
    """Raise DataError for a prompt that leaves no room for an answer, ModelError for a chat without
    a template."""
    tokens = policy.prompt_tokens(problem)
    if len(tokens) >= policy.context:
        raise DataError(
            f"the prompt of problem {problem.id!r} has {len(tokens)} tokens and the model's context "
            f"is {policy.context}",
            "shorten the prompt, or use a model with a longer context",
        )
    unknown = getattr(policy.tokenizer, "unk_token_id", None)
    if unknown is not None and unknown in tokens and policy.made_here:
        raise ModelError(
            f"the prompt of problem {problem.id!r} has pieces that the new model's tokenizer lacks",
            "its vocabulary is that of the first stage's task; use the same task in every stage",
        )


def _open(
    options: Problems, base: Path, given: Given, opened: dict[str, ProblemSource]
) -> ProblemSource:
    if isinstance(options, Mixture) and options.mix:
        own = [_open(one.alone(), base, given, opened) for one in options.mix]
        named = zip(options.mix, own, strict=True)
        return Mixed([Part(one.name, one.share, source) for one, source in named])
    if stage_of(options.source):
        return Later(options.source)
    key = options.model_dump_json()
    if key not in opened:
        rows = given.rows.get(options.source)
        opened[key] = open_source(options, base) if rows is None else given_rows(options, rows)
    return opened[key]
