"""The stage `select`: sample, score, filter, and keep as a data set. Rejection tuning's first half.

Rejection tuning (RFT; DeepSeekMath, arXiv:2402.03300, section 5.2.1) imitates the right ones of the
answers that a policy gave: this stage, and then `supervised` on `stage:NAME`. Its online form is
`reinforce` with the algorithm `online-rft`. The advantage of an answer in a group that is shown is the
coefficient of that gradient: 1 where it is kept, else 0 (eq. 10).

The file is made at the end from what the store has of the steps, and from the problems, which follow
from seed and step. So a run that was killed and goes on leaves the same bytes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cohort.config.selection import Select
from cohort.data.records import PART, Group, Problem
from cohort.data.sealed import sealed
from cohort.errors import RunError, TrainingError, legible
from cohort.objective.presets import ALGORITHMS
from cohort.policy.policy import Policy
from cohort.report.metrics import describe_groups
from cohort.report.read import GroupRow, groups, opened
from cohort.report.references import reference_of
from cohort.train.collect import collect
from cohort.train.products import KEPT
from cohort.train.select_references import referred, without
from cohort.train.sieve import REASONS, Candidate, Sieve
from cohort.train.stage import StageContext
from cohort.train.state import Cost, StageState
from cohort.train.teach import teaching

ONLINE = ALGORITHMS["online-rft"]
"""What decides which answers are asked for; the stage samples as its online form does."""


def select_answers(options: Select, policy: Policy, context: StageContext) -> Cost:
    """Run the stage; every step is in the store when the next one begins.

    Raises TrainingError where nothing is kept.
    """
    state = StageState(None)
    context.begin(state)
    sieve, clock = Sieve(options), context.clock
    for _ in _kept_until(state.step, sieve, options, context):
        pass  # what went through before is the sieve's memory
    clock.lap()
    teacher = teaching(
        options.teacher,
        policy,
        first=policy,  # which this stage does not train
        max_new_tokens=options.max_new_tokens,
        journal=context.runner.journal,
    )
    context = replace(context, teacher=teacher)
    for step in range(state.step + 1, options.steps + 1):
        collected = collect(options, ONLINE, policy, context, step)
        if teacher is None:
            said = [_sifted(group, sieve) for group in collected.groups]
        else:
            said = [[without(group.problem.columns)] for group in collected.groups]
        state.cost.sampled_tokens += collected.sampled_tokens
        metrics = describe_groups(collected.groups) | dict(collected.cost)
        metrics |= _counts([why for own in said for why in own], sieve)
        metrics["num_tokens"] = float(state.cost.sampled_tokens)
        seconds, times = clock.lap()
        shown = [_shown(group, own) for group, own in zip(collected.groups, said, strict=True)]
        context.step(step, metrics | times, seconds=seconds, groups=shown)
    _leave(options, context)
    return state.cost


def _sifted(group: Group, sieve: Sieve) -> list[str]:
    both = zip(group.rollouts, group.scores, strict=True)
    answers = [Candidate(r.text, len(r.tokens), r.stop, s.total, s.parts) for r, s in both]
    return sieve.sift(group.problem, answers)


def _counts(said: list[str], sieve: Sieve) -> dict[str, float]:
    """How many answers are kept, and how many each filter stopped first."""
    seen = Counter(said)
    return {"kept": float(seen[""])} | {f"dropped/{why}": float(seen[why]) for why in sieve.reasons}


def _shown(group: Group, said: list[str]) -> Group:
    """The group with the coefficient of each answer; why nothing of it is kept, if nothing is."""
    if len(said) < len(group.rollouts):  # its reference is kept, or not
        return replace(group, discarded="nothing kept" if any(said) else "")
    coefficients = tuple(0.0 if why else 1.0 for why in said)
    return replace(
        group, advantages=coefficients, discarded="" if any(coefficients) else "nothing kept"
    )


def _leave(options: Select, context: StageContext) -> None:
    """Put the data set in place, and say what became of all answers."""
    counts: Counter[str] = Counter()
    problems: set[str] = set()

    def write(folder: Path) -> None:
        with (folder / KEPT).open("w", encoding="utf-8", newline="\n") as file:
            for row, said in _kept_until(options.steps, Sieve(options), options, context):
                counts[said] += 1
                if row is not None:
                    problems.add(row["id"].rpartition("/")[0])
                    file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
        if not counts[""]:
            raise TrainingError(
                f"stage {context.name} kept none of {counts.total()} answers: {_listed(counts)}",
                "ask less of what is kept, and go on with --accept-changes",
            )

    context.leaves.leave(context.name, write)
    text = (
        f"{counts['']} of {counts.total()} answers are kept, to {len(problems)} problems"
        f"{'; not kept: ' if counts.total() > counts[''] else ''}{_listed(counts)}"
    )
    # Behind the last step, so that it is forgotten where the stage's end is gone through again.
    context.store.event("note", text, stage=context.number, step=options.steps + 1)
    context.console.note(text)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{counts[why]} for {why}" for why in REASONS if counts.get(why))


def _kept_until(
    last: int, sieve: Sieve, options: Select, context: StageContext
) -> Iterator[tuple[dict[str, Any] | None, str]]:
    """Of every answer of the first `last` steps its row, where it is kept, and why it is not."""
    if not last:
        return
    with opened(context.leaves.run) as db:
        for step in range(1, last + 1):
            asked = context.source.batch(
                seed=context.seed,
                purpose=context.name,
                step=step,
                count=options.prompts_per_step,
            )
            problems = {problem.id: problem for problem in asked}
            if options.teacher is not None:
                open_ones = options.teacher.columns
                problems = {p.id: sealed(p, open_ones) for p in problems.values()}
            for group in groups(db, context.number, step):
                if group.problem not in problems:
                    raise RunError(
                        f"step {step} of stage {context.name} asked problem "
                        f"{legible(repr(group.problem))}, which is no longer there",
                        "put the problems back, or begin anew in another folder with --run",
                    )
                problem = problems[group.problem]
                if options.teacher is None:
                    yield from _rows(group, problem, sieve)
                else:
                    yield referred(group, problem, reference_of(db, group.id) or {})


def _rows(
    group: GroupRow, problem: Problem, sieve: Sieve
) -> Iterator[tuple[dict[str, Any] | None, str]]:
    answers = [Candidate(r.text, r.tokens, r.stop, r.reward, r.parts) for r in group.rollouts]
    for answer, why in zip(group.rollouts, sieve.sift(problem, answers), strict=True):
        own = {name: value for name, value in problem.columns.items() if name != PART}
        own |= {"id": f"{problem.id}/{group.step}.{answer.number}"}
        own |= {"prompt": problem.prompt, "completion": answer.text}
        own |= {"reward": answer.reward, "rewards": dict(answer.parts)}
        yield None if why else own, why
