"""Answers to problems, of one turn or of several: the one way in which stages ask a policy."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cohort.config.environments import Environment
from cohort.config.lookup import nearest
from cohort.data import keyed
from cohort.data.imported import import_function, is_function
from cohort.data.records import Group, Problem
from cohort.errors import RecipeError, legible
from cohort.policy.policy import Policy
from cohort.rollout.environments import EnvironmentFactory
from cohort.rollout.episodes import Episodes, Limits
from cohort.rollout.request import Request, Sampling
from cohort.rollout.sampler import sample
from cohort.rollout.tool_environment import ToolEnvironment
from cohort.rollout.tools import tools_of
from cohort.rollout.voice import Voice
from cohort.tasks.problems import ProblemSource


@dataclass(frozen=True, slots=True)
class Talk:
    """How the answers of a stage have turns: what makes an environment, and the stage's options."""

    factory: EnvironmentFactory
    options: Environment

    @property
    def limits(self) -> Limits:
        """Those of an episode."""
        asked = self.options
        return Limits(
            turns=asked.max_turns,
            turn_seconds=asked.turn_seconds,
            episode_seconds=asked.episode_seconds,
            context_tokens=asked.context_tokens,
        )


def load_talk(options: Environment, source: ProblemSource, base: Path) -> Talk:
    """What a stage's `environment` names. Raises RecipeError."""
    known = getattr(source, "environments", {})
    if options.tools or not options.name:
        return Talk(_with_tools(options, base), options)
    if options.name in known:
        factory = known[options.name]
    elif is_function(options.name):
        _, factory = import_function(options.name, base, RecipeError)
    else:
        near = nearest(options.name, known)
        there = f"has {', '.join(known)}" if known else "has none"
        raise RecipeError(
            f'there is no environment "{legible(options.name)}"; the task {source.name} {there}',
            f'did you mean "{near}"?' if near else 'name one of your own: "file.py:Class"',
        )
    return Talk(functools.partial(factory, **options.arguments), options)


def _with_tools(options: Environment, base: Path) -> EnvironmentFactory:
    """What answers calls of a stage's tools. Raises RecipeError."""
    if options.name or not options.tools:
        raise RecipeError(
            "an environment has a name or tools, and not both",
            'name = "file.py:Class" makes an environment; tools = ["file.py:function"] are enough',
        )
    if options.calls == "none":
        raise RecipeError(
            "there are tools, and the policy has no form of calls",
            'add calls = "auto", which reads it from the chat template, or name one',
        )
    tools = tools_of(import_function(name, base, RecipeError)[1] for name in options.tools)
    return functools.partial(ToolEnvironment, tools, **options.arguments)


def answered(
    policy: Policy,
    problems: Sequence[Problem],
    sampling: Sampling,
    *,
    key: tuple[keyed.Part, ...],
    talk: Talk | None = None,
) -> list[Group]:
    """A group of answers to each problem; what is drawn depends on the key and the problem alone."""
    if talk is None:
        return _answered(policy, problems, sampling, key)
    with Episodes(
        talk.factory,
        problems,
        members=sampling.rollouts_per_prompt,
        voice=Voice(policy, talk.options.calls),
        limits=talk.limits,
        key=key,
        at_once=talk.options.at_once,
    ) as conversation:
        return _answered(policy, conversation.problems, sampling, key, conversation=conversation)


def _answered(
    policy: Policy,
    problems: Sequence[Problem],
    sampling: Sampling,
    key: tuple[keyed.Part, ...],
    *,
    conversation: Episodes | None = None,
) -> list[Group]:
    prompts = conversation.prompts if conversation else map(policy.prompt_tokens, problems)
    requests = [
        Request(problem.id, prompt, (*key, problem.id))
        for problem, prompt in zip(problems, prompts, strict=True)
    ]
    answers = sample(policy, requests, sampling, conversation=conversation)
    return [
        Group(problem, request.prompt, tuple(rollouts), begun=policy.begun(problem))
        for problem, request, rollouts in zip(problems, requests, answers, strict=True)
    ]
