"""Every task of reasoning-gym: that it poses problems, what its own answers are worth, what nonsense is.

Each task is opened as a recipe would, and its problems are made twice, the second time in a process
with another hash seed. Then `score` is asked, in the sandbox, about the task's own answers and about
answers that say nothing. A task holds when its problems are the same again and its scorer gives every
answer a value; own answers that are not worth 1.0 and tasks that pay for nonsense are named.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from cohort.data import keyed
from cohort.data.records import Problem
from cohort.errors import DataError
from cohort.rewards.outcome import Outcome, Scored
from cohort.tasks.reasoning_gym import ReasoningGym, score
from proofs.command import main

PROBLEMS = 3
SHORT_TASKS = ("acre", "chain_sum", "countdown", "game_of_life_halting", "spell_backward")

NO_TASK = ("composite",)
"""Not a task but a mixture of some, which has to be told which."""

NONSENSE = {
    "empty": "",
    "a space": " ",
    "a word": "banana",
    "random": "x9 q!7 zv 0.31 [k] Lorem",
    "format only": "<think>so</think><answer></answer>",
}
"""Answers that say nothing; a task that gives one of them more than 0 pays for nonsense."""


def tasks() -> list[str]:
    """The names of the library's tasks."""
    from reasoning_gym.factory import DATASETS

    return sorted(name for name in DATASETS if name not in NO_TASK)


def posed(name: str, seed: int) -> list[Problem]:
    """Problems of a task, as a step would ask them."""
    source = ReasoningGym(name, {}, held_out_problems=1)
    return source.batch(seed=seed, purpose="proof", step=1, count=PROBLEMS)


def answers_to(problem: Problem) -> dict[str, str]:
    """The answers that a problem is given, by what they are called."""
    own = problem.columns["answer"]
    given = dict(NONSENSE) | {"the question": str(problem.prompt)}
    if own is not None:
        given |= {"own": str(own), "twice": f"{own} {own}"}
    return given


def prove(short: bool, seed: int) -> dict[str, object]:
    """Ask every task; says which tasks' own answers are not worth 1.0 and which pay for nonsense."""
    if find_spec("reasoning_gym") is None:
        reason = "the package reasoning-gym is not installed"
        return {"name": "reasoning-gym", "asked": 0, "held": 0, "skipped": reason, "failures": []}
    names = list(SHORT_TASKS) if short else tasks()
    failures, problems = [], {}
    for name in names:
        try:
            problems[name] = posed(name, seed)
        except DataError as error:
            failures.append(f"{name}: {error}")
    again = _in_another_process(list(problems), seed)
    failures += [
        f"{name}: other problems in another process"
        for name, found in problems.items()
        if again.get(name) != _digests(found)
    ]
    values, unscored = _asked(problems)
    failures += unscored
    return {
        "name": "reasoning-gym",
        "seed": seed,
        "asked": len(names),
        "held": len(names) - len({failure.partition(":")[0] for failure in failures}),
        "own answers worth 1.0": sum(set(own) == {1.0} for own in values["own"].values()),
        "own answers worth less": {n: v for n, v in values["own"].items() if set(v) != {1.0}},
        "without an answer": [n for n in problems if n not in values["own"]],
        "pay for nonsense": (paying := _paying(values)),
        "how many pay": len(paying),
        "of them for nothing or one word": sorted(
            set(_best(values["empty"])) | set(_best(values["a word"]))
        ),
        "pay for the question": _best(values["the question"]),
        "pay for the answer twice": len(_best(values["twice"])),
        "failures": failures,
    }


Values = dict[str, dict[str, list[float]]]
"""Kind of answer -> task -> what its scorer said."""


def _asked(problems: dict[str, list[Problem]]) -> tuple[Values, list[str]]:
    """What the scorers say of all answers, and the answers of which they say nothing."""
    asked = [
        (name, problem, kind, text)
        for name, found in problems.items()
        for problem in found
        for kind, text in answers_to(problem).items()
    ]
    said: Sequence[Outcome] = score(
        completions=[text for *_, text in asked],
        reasoning_gym=[str(problem.columns["reasoning_gym"]) for _, problem, *_ in asked],
    )
    values: Values = defaultdict(lambda: defaultdict(list))
    failed = []
    for (name, _, kind, _), outcome in zip(asked, said, strict=True):
        if isinstance(outcome, Scored) and isinstance(outcome.value, float):
            values[kind][name].append(outcome.value)
        else:
            failed.append(f"{name}: {kind}: {outcome}")
    return values, failed


def _paying(values: Values) -> dict[str, float]:
    """The tasks that pay for nonsense, with the most that they pay."""
    found: dict[str, float] = {}
    for kind in NONSENSE:
        for name, most in _best(values[kind]).items():
            found[name] = max(most, found.get(name, 0.0))
    return dict(sorted(found.items()))


def _best(by_task: dict[str, list[float]]) -> dict[str, float]:
    return {name: round(max(said), 4) for name, said in by_task.items() if max(said) > 0.0}


def _digests(found: list[Problem]) -> list[str]:
    parts = [[p.id, p.prompt, dict(p.columns)] for p in found]
    return [f"{keyed.digest('proof', json.dumps(part)):032x}" for part in parts]


def _in_another_process(names: list[str], seed: int) -> dict[str, Any]:
    """The digests of the same problems, made where hashes of texts are others."""
    code = (
        "import json, sys\nfrom proofs.reasoning_gym import _digests, posed\n"
        "names, seed = json.loads(sys.argv[1])\n"
        "print(json.dumps({name: _digests(posed(name, seed)) for name in names}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps([names, seed])],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONHASHSEED": "4242"},
    )
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {}


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv, seed=20)))
