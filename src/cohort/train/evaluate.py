"""The stage `evaluate`: held-out problems, greedy and sampled answers, nothing trained."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from cohort.config.stages import Evaluate
from cohort.data.records import Group, Problem
from cohort.data.store import Answer
from cohort.policy.policy import Policy
from cohort.report.metrics import describe_groups
from cohort.report.statistics import summarize_evaluation
from cohort.rewards.functions import RewardFunction
from cohort.rewards.isolation.runner import Runner
from cohort.rewards.score import score_groups
from cohort.rollout.request import Sampling
from cohort.train.failures import asking_metrics, check_failures
from cohort.train.stage import StageContext
from cohort.train.state import Cost
from cohort.train.talk import Talk, answered


def evaluate(options: Evaluate, policy: Policy, context: StageContext, *, after: str) -> Cost:
    """Run the stage; its summary and all answers are in the store."""
    began = time.perf_counter()
    problems = context.source.held_out()
    answers, groups = measure(
        options,
        policy,
        problems,
        context.rewards,
        seed=context.seed,
        runner=context.runner,
        talk=context.talk,
    )
    summary = summarize_evaluation(answers, samples=options.samples_per_problem)
    summary |= {"functions": _functions(groups), "asked": _asked(groups) | _retried(context.runner)}
    summary["seconds"] = time.perf_counter() - began
    context.store.write_evaluation(context.number, after=after, summary=summary, answers=answers)
    context.console.evaluation(after, summary)
    tokens = sum(len(r.logprobs) for g in groups for r in g.rollouts)
    return Cost(sampled_tokens=tokens)


def measure(
    options: Evaluate,
    policy: Policy,
    problems: Sequence[Problem],
    rewards: Sequence[RewardFunction],
    *,
    seed: int,
    runner: Runner,
    talk: Talk | None = None,
) -> tuple[list[Answer], list[Group]]:
    """Every problem's greedy answer (sample 0) and its sampled ones, scored.

    The draws depend on the seed and the problem alone: two evaluations in one run differ only by
    the policy.
    """
    key = (seed, "evaluate")
    sampling = Sampling(
        rollouts_per_prompt=options.samples_per_problem,
        max_new_tokens=options.max_new_tokens,
        temperatures=(options.temperature,),
        slots=options.slots,
        compiled=options.compile_decoding,
        stop=tuple(options.stop),
    )
    likeliest = replace(sampling, rollouts_per_prompt=1, greedy=True)
    greedy = answered(policy, problems, likeliest, key=key, talk=talk)
    drawn = answered(policy, problems, sampling, key=key, talk=talk)
    groups = [
        replace(one, rollouts=(*one.rollouts, *others.rollouts))
        for one, others in zip(greedy, drawn, strict=True)
    ]
    scored = score_groups(groups, rewards, runner)
    check_failures(scored, options.failures_allowed, runner)
    return [answer for group in scored for answer in _answers(group, options)], scored


def _answers(group: Group, options: Evaluate) -> list[Answer]:
    prompt = group.problem.prompt
    shown = prompt if isinstance(prompt, str) else str(prompt[-1]["content"])
    answers = []
    for number, (rollout, score) in enumerate(zip(group.rollouts, group.scores, strict=True)):
        value = score.parts.get(options.success)
        success = None if value is None else value >= options.success_at
        answers.append(Answer(group.problem.id, number, shown, rollout.text, score.total, success))
    return answers


def _functions(groups: Sequence[Group]) -> dict[str, Mapping[str, float]]:
    """The mean of every reward function, over greedy and over sampled answers, and the lengths."""
    parts = {
        "greedy": [_part(g, slice(0, 1)) for g in groups],
        "sampled": [_part(g, slice(1, None)) for g in groups],
    }
    wanted = ("/mean", "_length", "clipped_ratio")
    return {
        name: {k: v for k, v in describe_groups(part).items() if k.endswith(wanted)}
        for name, part in parts.items()
    }


def _asked(groups: Sequence[Group]) -> dict[str, float]:
    """What became of all answers at each function: how many were scored, unscorable, failed."""
    counts = ("scored", "unscorable", "failed")
    found = describe_groups(groups).items()
    return {name: n for name, n in found if name.rpartition("/")[2].startswith(counts)}


def _retried(runner: Runner) -> dict[str, float]:
    """How often each function was asked again."""
    found = asking_metrics(runner.accounts()).items()
    return {name: value for name, value in found if name.endswith("/retried")}


def _part(group: Group, which: slice) -> Group:
    return Group(group.problem, group.prompt_tokens, group.rollouts[which], group.scores[which])
