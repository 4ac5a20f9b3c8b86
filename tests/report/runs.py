"""A small run, written by hand through the store: what the tests of this room read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cohort.data.records import Episode, Group, Learned, Problem, Rollout, Score, StopReason, Turn
from cohort.data.store import Answer, Store
from cohort.report.metrics import describe_groups
from cohort.report.statistics import summarize_evaluation

HOSTILE = "<script>alert('x')</script>\x1b[31m\x00[bold]\n&amp;"
"""Text that would be a command to a browser, a terminal or rich."""


def rollout(text: str, tokens: int = 4, stop: StopReason = "end") -> Rollout:
    ids = np.arange(tokens, dtype=np.int32)
    return Rollout(ids, np.full(tokens, -0.5, np.float32), stop, text)


def group(problem: str = "chain-1", rewards: tuple[float | None, ...] = (1.0, 0.0)) -> Group:
    """A group whose answers are `answer 0`, `answer 1`...; the advantage is reward - 1/2.

    Answers with a reward were in an update; their first token is clipped, at a ratio of 1.5.
    """
    return Group(
        Problem(problem, f"prompt of {problem}"),
        np.arange(5, dtype=np.int32),
        tuple(rollout(f"answer {i}", tokens=i + 2) for i in range(len(rewards))),
        tuple(Score(reward, {"correct": reward}) for reward in rewards),
        tuple(0.0 if reward is None else reward - 0.5 for reward in rewards),
        learned=tuple(None if r is None else learned(i + 2) for i, r in enumerate(rewards)),
    )


def learned(tokens: int) -> Learned:
    ratios, entropies = np.ones(tokens, np.float16), np.linspace(0.0, 2.0, tokens)
    ratios[0] = 1.5
    return Learned(ratios, entropies.astype(np.float16), np.arange(tokens) == 0)


def priced_group(problem: str, cost: float, right: float, latency: float = 2.0) -> Group:
    """A group of two episodes of one turn, each with its cost, latency and outcome."""
    facts = {"cost": cost, "latency": latency, "outcome": right}
    one = Rollout(
        np.arange(4, dtype=np.int32),
        np.full(4, -0.5, np.float32),
        "end",
        "asks the cheap one",
        episode=Episode((Turn(4, 0, "asks the cheap one"),), facts, seconds=0.25),
    )
    score = Score(right, {"correct": right})
    return Group(
        Problem(problem, f"prompt of {problem}"), np.arange(3, dtype=np.int32), (one, one),
        (score, score), (0.5, -0.5),
    )  # fmt: skip


def hostile_group() -> Group:
    rollouts = (rollout(HOSTILE), rollout("4", stop="length"))
    scores = (Score(1.0, {"correct": 1.0, "<b>": 2.0}), Score(0.0, {"correct": 0.0, "<b>": None}))
    problem = Problem("<i>id", HOSTILE)
    return Group(problem, np.arange(3, dtype=np.int32), rollouts, scores, (1.0, -1.0))


def answers(right: int, problems: int = 4, samples: int = 2) -> list[Answer]:
    """The first `right` problems are answered rightly, every time."""
    return [
        Answer(f"held-{p}", s, f"question {p}", f"reply {p}.{s}", float(p < right), p < right)
        for p in range(problems)
        for s in range(samples + 1)
    ]


def write_run(folder: Path, *, steps: int = 3, finished: bool = True) -> Path:
    """A run of two stages with an evaluation before and after the second."""
    folder.mkdir(parents=True, exist_ok=True)
    store = Store(folder / "run.db")
    facts = {"status": "running", "recipe": "tiny", "seed": 7, "versions": {"cohort": "0.1.0"}}
    for name, value in facts.items():
        store.set_fact(name, value)
    store.begin_stage(0, name="warm", kind="supervised", steps=2)
    for step in (1, 2):
        metrics = {"loss": 2.0 / step, "token_accuracy": 0.3 * step, "num_tokens": 100.0 * step}
        store.write_step(0, step, seconds=0.1, metrics=metrics)
    store.end_stage(0, seconds=0.2, sampled_tokens=0, trained_tokens=200)
    _evaluate(store, "warm", right=1)
    store.begin_stage(1, name="learn", kind="reinforce", steps=3)
    for step in range(1, steps + 1):
        groups = [group("chain-1", (1.0, 0.0, None)), group("chain-2", (0.0, 0.0)), hostile_group()]
        metrics = describe_groups(groups) | {"entropy": 1.0 / step, "kl": float("nan")}
        store.write_step(1, step, seconds=1.5, metrics=metrics, groups=groups)
    if finished:
        store.end_stage(1, seconds=4.5, sampled_tokens=900, trained_tokens=600)
        _evaluate(store, "learn", right=3)
        store.set_fact("status", "finished")
        store.set_fact("seconds", 6.25)
    store.event("warning", f"look at {HOSTILE}")
    store.close()
    return folder


def _evaluate(store: Store, after: str, right: int) -> None:
    own = answers(right)
    measured = {"rewards/<b>style/mean": 0.125, "completions/mean_length": 12.5}
    summary = summarize_evaluation(own, samples=2) | {"functions": {"greedy": measured}}
    store.write_evaluation(2, after=after, summary=summary, answers=own)
