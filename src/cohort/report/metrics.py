"""The metrics that a step's groups have by themselves, and what any metric means.

A metric that nobody can compute in a step is absent from it: there are no NaN placeholders and no
zeros for "unknown".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from cohort.data.records import SCORED, UNSCORABLE, Group
from cohort.report.memory_metrics import MEMORY
from cohort.report.metric_table import METRICS, SUPERVISED, Metric
from cohort.report.preference_metrics import PREFERENCE
from cohort.report.reward_model_metrics import REWARD_MODEL
from cohort.report.statistics import deviation, mean
from cohort.report.teacher_metrics import TEACHER

EVALUATED = "eval_"
"""What is before the name of a metric that was measured on held-out pairs."""

ROUNDING = 1e-9
"""Rewards closer than this share of their size differ by rounding only, as in the objective."""

OF_KIND = {"supervised": SUPERVISED, "preference": PREFERENCE, "reward-model": REWARD_MODEL}
"""What means another thing in a kind of stage, or is known there alone."""

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


_FUNCTION_COUNTS = {
    "scored": Metric(
        "answers",
        "Answers that the reward function {} gave a value; with `unscorable` and `failed` they are "
        "all answers of the step.",
        "sum over the step",
        "better",
    ),
    "unscorable": Metric(
        "answers",
        "Answers of which the reward function {} could not say anything; no failure, and they enter "
        "no mean of its values.",
        "sum over the step",
    ),
    "failed": Metric(
        "answers",
        "Answers for which the reward function {} failed; they have no reward, and more of them than "
        "`failures_allowed` end the run.",
        "sum over the step",
        "worse",
    ),
    "retried": Metric(
        "answers",
        "How often the reward function {} was asked about an answer again, after a failure that might "
        "have passed.",
        "sum over the step",
        "worse",
    ),
    "slowest_seconds": Metric(
        "seconds",
        "The slowest call of the reward function {}; its `deadline_seconds` should be far above.",
        "maximum of the step",
        "worse",
    ),
}

_FAILED_KIND = Metric(
    "answers",
    "Of the answers for which the reward function {} failed, those of this kind.",
    "sum over the step",
    "worse",
)


def describe_metric(name: str, kind: str = "reinforce") -> Metric | None:
    """The row of a metric in a stage of this kind; None for a metric that is not ours."""
    if name in OF_KIND.get(kind, {}):
        return OF_KIND[kind][name]
    if kind == "preference" and name.startswith(EVALUATED):
        row = describe_metric(name.removeprefix(EVALUATED), kind)
        return row and replace(row, averaged="over the held-out pairs")
    head, _, rest = name.partition("/")
    function, _, statistic = rest.rpartition("/")
    rows = {"mean": _FUNCTION_MEAN, "std": _FUNCTION_DEVIATION, **_FUNCTION_COUNTS}
    row = _FAILED_KIND if statistic.startswith("failed_") else rows.get(statistic)
    if head == "rewards" and function and row:
        return replace(row, meaning=row.meaning.replace("{}", function))
    return METRICS.get(name) or TEACHER.get(name) or MEMORY.get(name)


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
    return metrics | _describe_functions(scored) | _count(scored) | _describe_lengths(groups)


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


def _count(groups: Sequence[Group]) -> dict[str, float]:
    """What became of all answers at each function: scored, unscorable, failed and failed by kind."""
    counts: dict[str, Counter[str]] = {}
    for group in groups:
        for score in group.scores:
            for function, value in score.parts.items():
                other = SCORED if value is not None else UNSCORABLE
                kind, _ = score.unsaid.get(function, (other, ""))
                counts.setdefault(function, Counter())[kind] += 1
    metrics: dict[str, float] = {}
    for function, own in counts.items():
        kinds = {kind: n for kind, n in own.items() if kind not in (SCORED, UNSCORABLE)}
        told = {SCORED: own[SCORED], UNSCORABLE: own[UNSCORABLE], "failed": sum(kinds.values())}
        told |= {f"failed_{kind}": number for kind, number in kinds.items()}
        metrics |= {f"rewards/{function}/{name}": float(number) for name, number in told.items()}
    return metrics


def _describe_lengths(groups: Sequence[Group]) -> dict[str, float]:
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    if not rollouts:
        return {}
    lengths = [float(len(rollout.logprobs)) for rollout in rollouts]
    ended = [float(len(rollout.logprobs)) for rollout in rollouts if rollout.stop != "length"]
    found = {"completions/clipped_ratio": 1.0 - len(ended) / len(rollouts)}
    for name, own in (("length", lengths), ("terminated_length", ended)):
        if own:
            found[f"completions/mean_{name}"] = mean(own)
            found[f"completions/min_{name}"] = min(own)
            found[f"completions/max_{name}"] = max(own)
    return found
