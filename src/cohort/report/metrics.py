"""The metrics of a step: one table that says what each means, and those that a group has by itself.

Names are TRL's where the thing is the same, so that dashboards carry over. A metric that nobody can
compute in a step is absent from it: there are no NaN placeholders and no zeros for "unknown".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from cohort.data.records import Group
from cohort.report.statistics import deviation, mean

ROUNDING = 1e-9
"""Rewards closer than this share of their size differ by rounding only, as in the objective."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the table: what a number means, and how it is made.

    unit: what it counts; "" for a pure number, "share" for one from 0 to 1.
    meaning: one sentence: what it is, and what is normal.
    averaged: over what.
    higher_is: whether more of it is better, worse, or neither by itself.
    """

    unit: str
    meaning: str
    averaged: str
    higher_is: Literal["better", "worse", "neither"] = "neither"


METRICS: dict[str, Metric] = {
    "reward": Metric(
        "reward",
        "The weighted sum of the reward functions; it should rise, and what it can reach at most "
        "is the sum of the weights times each function's maximum.",
        "over scored answers of the step",
        "better",
    ),
    "reward_std": Metric(
        "reward",
        "How far the answers to one problem differ in reward; what is learned from, so 0 means "
        "that nothing is learned, and it shrinks as problems are solved.",
        "population deviation in each group, mean over groups with a score",
    ),
    "frac_reward_zero_std": Metric(
        "share",
        "Groups whose answers all got the same reward and therefore teach nothing; near 1 means "
        "that the problems are too easy or too hard for this policy.",
        "over groups of the step",
        "worse",
    ),
    "unscored": Metric(
        "answers",
        "Answers that no reward function could score; normally 0, and they are left out of every "
        "mean instead of counting as 0.",
        "sum over the step",
        "worse",
    ),
    "completions/mean_length": Metric(
        "tokens",
        "Sampled tokens per answer, the end token included; it rises when thinking longer pays, "
        "and drifts to the limit when a reward can be had by length.",
        "over answers of the step",
    ),
    "completions/min_length": Metric(
        "tokens", "The shortest answer; 1 is an answer that ended at once.", "minimum of the step"
    ),
    "completions/max_length": Metric(
        "tokens", "The longest answer; at most max_new_tokens.", "maximum of the step"
    ),
    "completions/clipped_ratio": Metric(
        "share",
        "Answers cut at max_new_tokens before they ended; above a few percent the limit, and not "
        "the policy, decides what is rewarded.",
        "over answers of the step",
        "worse",
    ),
    "entropy": Metric(
        "nats per token",
        "How undecided the policy is about its next token; it falls slowly as it learns, and a "
        "quick fall to 0 means that it has stopped exploring.",
        "over sampled tokens that were trained on",
    ),
    "kl": Metric(
        "nats per token",
        "How far the policy is from the reference (estimated); 0 at the start, small and slowly "
        "rising is normal, and a jump means that the policy is breaking.",
        "over sampled tokens that were trained on",
    ),
    "clip_ratio/low_mean": Metric(
        "share",
        "Tokens whose gradient is clipped because they became too unlikely; 0 at one update per "
        "step, below a few percent otherwise.",
        "over sampled tokens that were trained on",
    ),
    "clip_ratio/high_mean": Metric(
        "share",
        "Tokens whose gradient is clipped because they became too likely; 0 at one update per "
        "step, below a few percent otherwise.",
        "over sampled tokens that were trained on",
    ),
    "clip_ratio/region_mean": Metric(
        "share",
        "Tokens whose gradient is clipped on either side; 0 at one update per step, and many mean "
        "that the step is too large.",
        "over sampled tokens that were trained on",
    ),
    "loss": Metric(
        "",
        "The objective that the optimizer sees; near 0 by construction, because the advantages of "
        "a group cancel, so it says nothing about progress: read the reward.",
        "weighted sum over the step's sampled tokens, mean over its updates",
    ),
    "grad_norm": Metric(
        "",
        "The length of the gradient before it is scaled down to max_gradient_norm; steady is "
        "normal, a spike is a step to look at.",
        "mean over the updates of the step",
    ),
    "learning_rate": Metric(
        "", "The learning rate of the optimizer, as scheduled.", "the step's last update"
    ),
    "sampling/sampling_logp_difference/mean": Metric(
        "nats",
        "How far the sampler's and the trainer's log-probability of the same token differ; "
        "rounding only (below 0.01), else the policy learns from answers that are not its own.",
        "absolute value, over sampled tokens",
        "worse",
    ),
    "sampling/sampling_logp_difference/max": Metric(
        "nats",
        "The largest such difference of the step; single tokens may stick out in low precision.",
        "maximum over sampled tokens",
        "worse",
    ),
    "num_tokens": Metric(
        "tokens",
        "Tokens so far in the stage: sampled ones, or learned ones in a supervised stage.",
        "sum since the stage began",
    ),
    "token_accuracy": Metric(
        "share",
        "Tokens of the demonstrations that the policy would have chosen itself; it should rise, "
        "and stays below 1 where the demonstrations disagree.",
        "over tokens of the step's completions",
        "better",
    ),
}
"""Every metric by name; those of a reward function are made by `describe_metric`."""

SUPERVISED: dict[str, Metric] = {
    "loss": Metric(
        "nats per token",
        "The mean negative log-likelihood of the demonstrations' tokens; it falls, fast at first, "
        "toward the entropy of the demonstrations.",
        "over tokens of the step's completions",
        "worse",
    ),
}
"""What means another thing in a supervised stage than in the other ones."""

_FUNCTION_MEAN = Metric(
    "reward",
    "What the reward function {} gives, before its weight; seen beside the others it shows which "
    "of them the policy follows.",
    "over answers that it could score",
    "better",
)
_FUNCTION_DEVIATION = Metric(
    "reward",
    "How far the values of the reward function {} are spread over all answers of the step.",
    "population deviation over answers that it could score",
)


def describe_metric(name: str, kind: str = "reinforce") -> Metric | None:
    """The row of a metric in a stage of this kind; None for a metric that is not ours."""
    if kind == "supervised" and name in SUPERVISED:
        return SUPERVISED[name]
    head, _, rest = name.partition("/")
    function, _, statistic = rest.rpartition("/")
    rows = {"mean": _FUNCTION_MEAN, "std": _FUNCTION_DEVIATION}
    if head == "rewards" and function and statistic in rows:
        row = rows[statistic]
        return replace(row, meaning=row.meaning.replace("{}", function))
    return METRICS.get(name)


def describe_groups(groups: Sequence[Group]) -> dict[str, float]:
    """The metrics that a step's scored groups have by themselves, whatever is learned from them.

    Scores that are None do not count; a statistic with no value to it is absent.
    """
    scored = [group for group in groups if group.scores]
    known = [[r for r in group.rewards if r is not None] for group in scored]
    metrics: dict[str, float] = {}
    if any(known):
        metrics["reward"] = mean([reward for own in known for reward in own])
        metrics["reward_std"] = mean([deviation(own) for own in known if own])
    if scored:
        metrics["frac_reward_zero_std"] = mean([float(_all_equal(own)) for own in known])
        metrics["unscored"] = float(sum(r is None for g in scored for r in g.rewards))
    return metrics | _describe_functions(scored) | _describe_lengths(groups)


def _all_equal(rewards: Sequence[float]) -> bool:
    """Whether no answer beats another: fewer than two scores, or equal ones up to rounding."""
    if len(rewards) < 2:
        return True
    low, high = min(rewards), max(rewards)
    return high - low <= ROUNDING * max(abs(low), abs(high))


def _describe_functions(groups: Sequence[Group]) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for group in groups:
        for score in group.scores:
            for function, value in score.parts.items():
                if value is not None:
                    values.setdefault(function, []).append(value)
    metrics = {}
    for function, own in values.items():
        metrics[f"rewards/{function}/mean"] = mean(own)
        metrics[f"rewards/{function}/std"] = deviation(own)
    return metrics


def _describe_lengths(groups: Sequence[Group]) -> dict[str, float]:
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    if not rollouts:
        return {}
    lengths = [float(len(rollout.tokens)) for rollout in rollouts]
    return {
        "completions/mean_length": mean(lengths),
        "completions/min_length": min(lengths),
        "completions/max_length": max(lengths),
        "completions/clipped_ratio": mean([float(r.stop == "length") for r in rollouts]),
    }
