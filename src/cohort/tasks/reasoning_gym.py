"""The tasks of reasoning-gym as problems: `problems = "reasoning-gym:TASK"` (extra `reasoning-gym`).

A problem is the task's item of a drawn index, and its id is the hash of its question: where two
indices give one question, they are one problem. Some scorers of the library evaluate the text of an
answer as Python, so scoring happens in the sandbox, a process for each answer: `score` is what the
task's own scorer says.

What it says is passed on as it is. `python -m proofs.reasoning_gym` names the tasks whose scorers
pay for nonsense; `cohort check` says it of the task at hand. No vocabulary comes with these tasks.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, final

import numpy as np

from cohort.data.imported import cause_of
from cohort.data.records import Demonstration, Problem
from cohort.errors import DataError, RewardError, legible
from cohort.rewards.form_rules import said_in
from cohort.rewards.outcome import KINDS, Failed, Outcome, Scored
from cohort.rewards.reading import CLOSE_ANSWER, OPEN_ANSWER, Text, texts
from cohort.rewards.sandbox.program import Limits, Program, Report
from cohort.tasks.generated import check_held_out, distinct, hold_out
from cohort.tasks.reasoning_gym_answers import may_be_evaluated
from cohort.tasks.reasoning_gym_items import PREFIX, open_task, size_of

TRIES = 50
"""Draws for one problem; a few indices of a few tasks raise in the library."""

LOOKED_AT = 4
"""Held-out problems that are looked at before a run; all of them are made when they are asked."""

SECONDS_PER_ANSWER = 5.0
"""What scoring one answer may take, before its process is ended."""

START_SECONDS = 120.0
"""What importing the library and opening a task may take there, with other programs beside it."""

SECONDS_PER_ITEM = 30.0
"""What making an item again may take; some are found by search."""

MEMORY_BYTES = 2 * 2**30


@final
class ReasoningGym:
    """One task of the library; `options` are fields of the task's own configuration."""

    def __init__(self, task: str, options: Mapping[str, Any], held_out_problems: int) -> None:
        self.name = PREFIX + task
        self.rewards: Mapping[str, Callable[..., object]] = {"score": score}
        self._task, self._options = task, dict(options)
        self._items = open_task(task, options)
        check_held_out(held_out_problems)
        self._wanted = held_out_problems
        self._known = hold_out(self._draw, min(held_out_problems, LOOKED_AT), self.name)
        self._held_out: list[Problem] = []

    def batch(self, *, seed: int, purpose: str, step: int, count: int) -> list[Problem]:
        """The training problems of a step: a function of these arguments and the options alone."""
        return distinct(self._draw, count, seed, self.name, purpose, step)

    def demonstrations(self, *, seed: int, step: int, count: int) -> list[Demonstration]:
        """The task's own answers, bare, in answer tags; DataError where a task has none."""
        problems = self.batch(seed=seed, purpose="demonstrations", step=step, count=count)
        return [Demonstration(problem, self._completion(problem)) for problem in problems]

    def held_out(self) -> list[Problem]:
        """The held-out problems, the same for every seed; made when they are asked for first."""
        self._held_out = self._held_out or hold_out(self._draw, self._wanted, self.name)
        return list(self._held_out)

    def known(self) -> list[Problem]:
        """The first of the held-out problems; the others are made as they are asked."""
        return list(self._known)

    def vocabulary(self) -> list[str]:
        """Refused: the questions are any text."""
        raise DataError(
            f"{self.name} has no vocabulary for a new model",
            "set model.path to a model with a tokenizer",
        )

    def _draw(self, generator: np.random.Generator) -> Problem:
        for _ in range(TRIES):
            index = int(generator.integers(size_of(self._task)))
            try:
                with redirect_stdout(sys.stderr):  # some print where they search
                    item = self._items[index]
            except Exception as error:  # noqa: BLE001 - the library's own mistakes, in some items
                last = error
                continue
            place = {"task": self._task, "options": self._options, "index": index}
            return _problem(place, item)
        raise DataError(
            f"{self.name} cannot make a problem: {cause_of(last, '')}",
            "its options may contradict each other",
        ) from last

    def _completion(self, problem: Problem) -> str:
        answer = problem.columns["answer"]
        if answer is None:
            raise DataError(
                f"{self.name} has no answer to imitate for problem {problem.id}",
                "use it in stages that sample",
            )
        return f"{OPEN_ANSWER}{answer}{CLOSE_ANSWER}"


def score(
    *,
    completions: Sequence[Text],
    reasoning_gym: Sequence[str],
    prompts: Sequence[Text] | None = None,
    **_: object,
) -> list[Outcome]:
    """What the task's scorer says of each answer, from 0 to 1; run in the sandbox.

    The answer is what the text says after its thinking, inside the last `<answer>` where there is
    one. 0.0 without asking for a text that never stops thinking, for more than 20,000 characters,
    and, where the task would evaluate it, for what calls anything but a function of mathematics.
    0.0 also where the scorer raises on this answer and not on the task's own. A scorer that takes
    more than 5 seconds or dies has failed, and says nothing of the answer.
    """
    said = [said_in(text) for text in texts(prompts, completions)]
    items = [json.loads(item) for item in reasoning_gym]
    asked = [
        place
        for place, (answer, item) in enumerate(zip(said, items, strict=True))
        if answer is not None and may_be_evaluated(answer, item["task"])
    ]
    found: dict[int, Outcome] = dict(
        zip(asked, _scored([(items[n], str(said[n])) for n in asked]), strict=True)
    )
    return [found.get(place, Scored(0.0)) for place in range(len(said))]


def _problem(place: Mapping[str, Any], item: Mapping[str, Any]) -> Problem:
    """The item as a problem; its question is its identity."""
    question = str(item["question"])
    digest = hashlib.blake2b(question.encode(), digest_size=8).hexdigest()
    answer = None if item["answer"] is None else str(item["answer"])
    columns = {"answer": answer, "reasoning_gym": json.dumps({**place, "question": digest})}
    return Problem(f"{PREFIX}{place['task']}:{digest}", question, columns)


def _scored(asked: Sequence[tuple[Mapping[str, Any], str]]) -> list[Outcome]:
    """The verdicts of one program in the sandbox about these answers."""
    if not asked:
        return []
    from cohort.rewards.sandbox.sandbox import Sandbox  # for a system without one has tasks, too

    order = {
        "paths": [str(path) for path in _packages()],
        "seconds": SECONDS_PER_ANSWER,
        "answers": [
            {**item, "size": size_of(item["task"]), "answer": answer} for item, answer in asked
        ],
    }
    sandbox = Sandbox()
    try:
        report = sandbox.run(_program(len(asked)), json.dumps(order).encode())
    finally:
        sandbox.close()
    lines = report.stdout.split(b"\n")[: len(asked)]
    return [_verdict(lines[n] if n < len(lines) else b"", report) for n in range(len(asked))]


def _program(answers: int) -> Program:
    seconds = START_SECONDS + (SECONDS_PER_ANSWER + SECONDS_PER_ITEM) * answers
    return Program(
        files={"main.py": Path(__file__).with_name("reasoning_gym_program.py").read_bytes()},
        readable=tuple(_packages()),
        limits=Limits(
            wall_seconds=seconds,
            cpu_seconds=seconds,
            memory_bytes=MEMORY_BYTES,
            output_bytes=2**16 + 2**10 * answers,
        ),
    )


def _packages() -> list[Path]:
    """The folder that the library lies in, with what it needs."""
    found = importlib.util.find_spec("reasoning_gym")
    if found is None or not found.origin:
        raise RewardError(
            "the package reasoning-gym is not installed", "pip install 'cohort-rl[reasoning-gym]'"
        )
    return [Path(found.origin).parents[1]]


def _verdict(line: bytes, report: Report) -> Outcome:
    """What one line of the program says; whatever stands in it is data."""
    try:
        said = json.loads(line)
    except ValueError:
        kind = {"wall": "deadline", "cpu": "deadline", "memory": "memory"}.get(
            report.end, "crashed"
        )
        said = {"failed": kind, "reason": f"the sandbox ended: {report.end}"}
    if isinstance(said, dict) and said.get("failed") in KINDS:
        return Failed(said["failed"], legible(str(said.get("reason")), 200))
    value = said.get("value") if isinstance(said, dict) else None
    if isinstance(value, float) and math.isfinite(value):
        return Scored(value)
    return Failed("invalid", f"the scorer said {legible(repr(value))}")
