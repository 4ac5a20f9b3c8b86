"""Failures of reward functions in a step: said, counted, and from a share on the end of the run.

A failure is never a score, so a few of them cost a few answers. Many of them mean that something is
broken, a service or the function, and that what is learned from the rest may not be what was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cohort.data.records import UNSCORABLE, Group
from cohort.errors import RewardsFailedError, legible
from cohort.rewards.isolation.asking import Account
from cohort.rewards.isolation.runner import Runner
from cohort.train.stage import StageContext

MOST_REASONS = 2
"""Reasons that a message shows, the most frequent kinds first."""


def check_failures(groups: Sequence[Group], allowed: float, runner: Runner | None = None) -> None:
    """Raise RewardsFailedError where a function failed for more than this share of the answers."""
    total = sum(len(group.scores) for group in groups)
    for function, failures in _failures(groups).items():
        if len(failures) > allowed * total:
            lines = [
                f'reward "{function}" failed for {len(failures)} of {total} answers; '
                f"failures_allowed is {allowed:g}",
                *(f"  {line}" for line in _shown(failures)),
            ]
            if runner is not None:
                runner.blame_functions()
            raise RewardsFailedError(
                "\n".join(lines),
                "mend what it runs on, then give the same command again: it goes on from the last "
                "checkpoint",
            )


def warn_of_failures(groups: Sequence[Group], context: StageContext, step: int) -> None:
    """Say and keep, for each function that failed in this step, how often and why."""
    total = sum(len(group.scores) for group in groups)
    for function, failures in _failures(groups).items():
        text = (
            f'step {step}: reward "{function}" failed for {len(failures)} of {total} answers, which '
            f"have no score: {'; '.join(_shown(failures))}"
        )
        context.store.event("warning", text, stage=context.number, step=step)
        context.console.warn(text)


def asking_metrics(accounts: Mapping[str, Account]) -> dict[str, float]:
    """What asking each function cost, as metrics of the step."""
    metrics: dict[str, float] = {}
    for function, account in accounts.items():
        metrics[f"rewards/{function}/retried"] = float(account.retried)
        metrics[f"rewards/{function}/slowest_seconds"] = account.slowest_seconds
    return metrics


def _failures(groups: Sequence[Group]) -> dict[str, list[tuple[str, str]]]:
    """For each function that failed: the kind of each failure, and its reason with the rollout."""
    found: dict[str, list[tuple[str, str]]] = {}
    for group in groups:
        for number, score in enumerate(group.scores):
            for function, (kind, why) in score.unsaid.items():
                if kind != UNSCORABLE:
                    place = f"rollout {number} of problem {legible(repr(group.problem.id))}"
                    found.setdefault(function, []).append((kind, f"{why} for {place}"))
    return found


def _shown(failures: Sequence[tuple[str, str]]) -> list[str]:
    """A line for each of the first few kinds: how many, and the first of them."""
    kinds = list(dict.fromkeys(kind for kind, _ in failures))
    by_kind = {kind: [why for own, why in failures if own == kind] for kind in kinds}
    frequent = sorted(by_kind.items(), key=lambda item: -len(item[1]))[:MOST_REASONS]
    return [f"{len(own)} {kind}, the first: {legible(own[0], 240)}" for kind, own in frequent]
