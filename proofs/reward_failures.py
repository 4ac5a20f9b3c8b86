"""Rewards that fail at random, from never to always: only what was scored enters a group's statistics.

Two parts. Steps of 8 groups of 8 answers, two reward functions of which each fails or cannot say
with some probability: totals, means, deviations, counts, the groups that are left out, and the advantages
of three algorithms must be those of an oracle in plain Python that has never seen a failed answer; the
run must be ended exactly where a function failed for more than the stated share. And whole runs
whose service fails for a share of the answers: below the stated share they end well, above it with exit
code 75 and the reason, and once the service works the same command goes on to the end.
"""

from __future__ import annotations

import json
import math
import sqlite3
import sys
import tempfile
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cohort.data import keyed
from cohort.data.records import Group, Problem, Rollout
from cohort.errors import RewardsFailedError
from cohort.objective.presets import choose
from cohort.report.metrics import describe_groups
from cohort.rewards.functions import RewardFunction
from cohort.rewards.outcome import Failed, Unscorable
from cohort.rewards.score import score_groups
from cohort.train.credit import select, with_advantages
from cohort.train.failures import check_failures
from proofs.command import main
from proofs.forks import command, forked, import_everything
from proofs.small_runs import HEAD, REINFORCE

GROUPS, ANSWERS = 8, 8
WEIGHTS = {"first": 1.0, "second": -0.5}
KINDS = ("raised", "deadline", "crashed", "memory", "unreachable")
ALLOWED = 0.2
CLOSE = 1e-9

SERVICE = '''"""A service that is down for a share of the answers; the share stands in a file beside it."""

from pathlib import Path

from cohort.rewards.outcome import Failed


def asked(*, completions, **_):
    """A second question about an answer is answered as the first one was."""
    down = float((Path(__file__).parent / "down.txt").read_text())
    failing = down * 16 if len(completions) == 16 else len(completions)
    return [
        Failed("unreachable", "no answer", retryable=True) if n < failing else float(len(text))
        for n, text in enumerate(completions)
    ]
'''


def prove(short: bool, seed: int) -> dict[str, object]:
    """Both parts; what was not as the oracle has it."""
    import_everything()
    repeats = 2 if short else 40
    shares = [n / 20 for n in range(21)]
    cases = [(share, number) for share in shares for number in range(repeats)]
    bad = [
        why
        for share, number in cases
        if (why := _step(share, keyed.generator(seed, share, number)))
    ]
    runs = [0.0, 0.3] if short else [0.0, 0.1, 0.2, 0.25, 0.5, 1.0]
    with tempfile.TemporaryDirectory() as folder:
        broken = [why for down in runs if (why := _whole_run(Path(folder), down))]
    return {
        "name": "rewards that fail at random",
        "asked": len(cases) + len(runs),
        "held": len(cases) - len(bad) + len(runs) - len(broken),
        "steps": f"{len(cases) - len(bad)} of {len(cases)}",
        "whole runs": f"{len(runs) - len(broken)} of {len(runs)}",
        "failures": (bad + broken)[:10],
    }


def _step(share: float, generator: np.random.Generator) -> str:
    """The first thing that is not as the oracle has it."""
    said = [[_draw(share, generator) for _ in range(ANSWERS)] for _ in range(GROUPS)]
    groups = [_group(number, own) for number, own in enumerate(said)]
    scored = score_groups(groups, [_function(name) for name in WEIGHTS], strict=False)
    totals = [[_total(one) for one in own] for own in said]
    got = [list(group.rewards) for group in scored]
    if not _same(got, totals):
        return f"share {share}: totals {got} where they are {totals}"
    return (
        _wrong_metrics(scored, said, totals)
        or _wrong_credit(scored, totals)
        or _wrong_end(scored, said)
    )


def _draw(share: float, generator: np.random.Generator) -> dict[str, Any]:
    """What each function will say of an answer: a number, a kind of failure, or None."""
    found: dict[str, Any] = {}
    for name in WEIGHTS:
        value = round(float(generator.normal()), 3)
        cannot = generator.random() < 0.1
        fails = generator.random() < share
        kind = KINDS[int(generator.integers(len(KINDS)))]
        found[name] = kind if fails else None if cannot else value
    return found


def _group(number: int, said: list[dict[str, Any]]) -> Group:
    rollouts = [
        Rollout(
            tokens=np.arange(1, 3, dtype=np.int32),
            logprobs=np.full(2, -0.5, dtype=np.float32),
            stop="end",
            text=json.dumps(one),
        )
        for one in said
    ]
    return Group(Problem(f"{number}", "?"), np.array([1], dtype=np.int32), tuple(rollouts))


def _function(name: str) -> RewardFunction:
    def function(*, completions: list[str], **_: object) -> list[Any]:
        found = [json.loads(text)[name] for text in completions]
        return [
            Failed(one, "of its own")
            if isinstance(one, str)
            else Unscorable("")
            if one is None
            else one
            for one in found
        ]

    return RewardFunction(name, WEIGHTS[name], function)


def _total(said: dict[str, Any]) -> float | None:
    """The oracle: no total where a function failed; else the sum of what was said, if anything was."""
    if any(isinstance(one, str) for one in said.values()):
        return None
    known = [WEIGHTS[name] * one for name, one in said.items() if one is not None]
    return sum(known) if known else None


def _wrong_metrics(
    scored: list[Group], said: list[list[dict[str, Any]]], totals: list[list[float | None]]
) -> str:
    metrics = describe_groups(scored)
    known = [[t for t in own if t is not None] for own in totals]
    everything = [t for own in known for t in own]
    right: dict[str, float] = {"unscored": float(GROUPS * ANSWERS - len(everything))}
    if everything:
        right["reward"] = sum(everything) / len(everything)
        spreads = [_deviation(own, 0) for own in known if own]
        right["reward_std"] = sum(spreads) / len(spreads)
    for name in WEIGHTS:
        own = [one[name] for group in said for one in group]
        failed = [one for one in own if isinstance(one, str)]
        right[f"rewards/{name}/failed"] = len(failed)
        right[f"rewards/{name}/unscorable"] = own.count(None)
        right[f"rewards/{name}/scored"] = len(own) - len(failed) - own.count(None)
        right |= {f"rewards/{name}/failed_{kind}": failed.count(kind) for kind in set(failed)}
    wrong = {k: metrics.get(k) for k, v in right.items() if not _same(metrics.get(k), v)}
    return f"metrics {wrong} where they are {right}" if wrong else ""


def _wrong_credit(scored: list[Group], totals: list[list[float | None]]) -> str:
    for name, of_group in (("grpo", _normalized), ("dr-grpo", _centred), ("rloo", _left_out)):
        algorithm = choose(name, {}).but(beta=0.0)
        groups = select(scored, algorithm)
        known = [[t for t in own if t is not None] for own in totals]
        reasons = ["unscored" if not own else "single" if len(own) < 2 else "" for own in known]
        if [group.discarded for group in groups] != reasons:
            return f"{name}: left out {[group.discarded for group in groups]}, not {reasons}"
        credited = with_advantages(groups, algorithm).groups
        for group, own, values in zip(credited, totals, known, strict=True):
            right = iter(of_group(values) if len(values) > 1 else [])
            each = [0.0 if t is None or len(values) < 2 else next(right) for t in own]
            if not _same(list(group.advantages), each):
                return f"{name}: advantages {group.advantages} where they are {each}"
    return ""


def _wrong_end(scored: list[Group], said: list[list[dict[str, Any]]]) -> str:
    """Whether the run would be ended, against a count."""
    counts = [
        sum(isinstance(one[name], str) for group in said for one in group) for name in WEIGHTS
    ]
    must = any(count > ALLOWED * GROUPS * ANSWERS for count in counts)
    try:
        check_failures(scored, ALLOWED)
        ended = False
    except RewardsFailedError:
        ended = True
    return "" if ended == must else f"ended {ended} with {counts} failures"


def _deviation(values: list[float], correction: int) -> float:
    mean = sum(values) / len(values)
    return math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - correction))


def _normalized(values: list[float]) -> list[float]:
    algorithm = choose("grpo", {})
    spread = _deviation(values, int(algorithm.values["deviation"] == "sample"))
    mean = sum(values) / len(values)
    return [(v - mean) / (spread + float(algorithm.values["epsilon"])) for v in values]


def _centred(values: list[float]) -> list[float]:
    return [v - sum(values) / len(values) for v in values]


def _left_out(values: list[float]) -> list[float]:
    return [v - (sum(values) - v) / (len(values) - 1) for v in values]


def _same(got: Any, right: Any) -> bool:
    if isinstance(right, list):
        return len(got) == len(right) and all(map(_same, got, right))
    if got is None or right is None:
        return got is right
    return math.isclose(got, right, rel_tol=CLOSE, abs_tol=CLOSE)


def _whole_run(folder: Path, down: float) -> str:
    """What did not hold of a run whose service is down for this share."""
    (folder / "service.py").write_text(SERVICE)
    (folder / "down.txt").write_text(str(down))
    name = f"down-{down}"
    text = HEAD.format(dtype="float32", every=1) + REINFORCE.format(steps=2)
    text += 'rewards = { "service.py:asked" = { weight = 1.0, retries = 1 } }\n'
    (folder / f"{name}.toml").write_text(text)
    run, log = folder / name, folder / f"{name}.log"
    arguments = ("train", str(folder / f"{name}.toml"), "--run", str(run), "--quiet")
    code = forked(partial(command, *arguments), log=log)
    failing = math.ceil(down * 16)
    must = 75 if failing > ALLOWED * 16 else 0
    words = log.read_text()
    if code != must or (code and f"failed for {failing} of 16 answers" not in words):
        return f"down for {down}: exit code {code}, not {must}: {words[-300:]}"
    if code:
        (folder / "down.txt").write_text("0")
        again = forked(partial(command, *arguments), log=log)
        if again:
            return f"down for {down}, then up: exit code {again}: {log.read_text()[-300:]}"
        failing = 0
    with closing(sqlite3.connect(run / "run.db")) as db:
        query = "SELECT value FROM metrics WHERE name = ?"
        failed = [row[0] for row in db.execute(query, ("rewards/asked/failed",))]
        retried = [row[0] for row in db.execute(query, ("rewards/asked/retried",))]
    right = failed == [failing] * 2 == retried
    return "" if right else f"down for {down}: failed {failed}, retried {retried}"


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv, seed=1)))
