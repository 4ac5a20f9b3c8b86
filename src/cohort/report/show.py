"""`cohort show`: groups of a run in the terminal, from the whole run down to one group.

Reads only, writes to stdout. It refuses to guess: a stage, step or problem that is not there is a
RunError that says what is there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rich.console
from rich.text import Text

from cohort.errors import RunError
from cohort.report import lines, read
from cohort.report.references import reference_lines, reference_of
from cohort.report.summary import headline
from cohort.report.text import number, one_line, showable
from cohort.report.views import groups as views

LAST_STEPS = 5
"""The steps that an overview shows of each stage."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for; None where it was left open. A stage is a name or a number."""

    stage: int | str | None = None
    step: int | None = None
    problem: str | None = None

    @property
    def nothing(self) -> bool:
        """Whether the whole run was asked for."""
        return self.stage is None and self.step is None and self.problem is None


def show_groups(
    run: Path,
    *,
    stage: int | str | None = None,
    step: int | None = None,
    problem: str | None = None,
    limit: int = 3,
    console: rich.console.Console | None = None,
) -> None:
    """Print a run's groups; without stage, step and problem an overview comes first.

    The step's groups are rows, and the `limit` with the widest spread of rewards follow with their
    answers, a line each. With a problem: a row per step that asked it, and the last ones with their
    answers. With a step and a problem: every answer as it is, to its end, and where the steps of
    an answer were rewarded, each of them with the advantage of its tokens.
    Raises RunError where there is no run, or not what was asked for.
    """
    screen = console or rich.console.Console(highlight=False)
    with read.opened(run) as db:
        wanted = Wanted(stage, step, problem)
        if wanted.nothing:
            _print_overview(screen, db, run)
        places = _places(db, wanted)
        groups = [read.with_rollouts(db, place) for place in places]
        told = {place.id: reference_of(db, place.id) for place in places}
    if step is not None and problem is not None:
        for group in groups:
            _print_whole(screen, group, told[group.id])
        return
    for line in _group_lines(groups, screen.width) if groups else ():
        screen.print(line, soft_wrap=True)
    for group in _most_telling(groups, wanted, limit):
        screen.print()
        _print_group(screen, group)
        _print_reference(screen, told[group.id])


def told_groups(
    run: Path, *, stage: int | str | None, step: int | None, problem: str | None, limit: int
) -> list[Mapping[str, object]]:
    """The same groups as plain values: all that were asked for by step and problem, else `limit`."""
    with read.opened(run) as db:
        wanted = Wanted(stage, step, problem)
        groups = [read.with_rollouts(db, place) for place in _places(db, wanted)]
        if step is None or problem is None:
            groups = _most_telling(groups, wanted, limit)
        found = [views.group(db, own.id) for own in groups]
    return [own for own in found if own is not None]


def _print_overview(screen: rich.console.Console, db: sqlite3.Connection, run: Path) -> None:
    screen.print(Text(headline(db, run), style="bold"), soft_wrap=True)
    for row in read.stages(db):
        size = f", {row.steps_done} of {row.steps} steps" if row.steps else ""
        screen.print()
        title = f"stage {row.stage}: {one_line(row.name)} ({row.kind}{size})"
        screen.print(Text(title, style="bold"), soft_wrap=True)
        _print_last_steps(screen, db, row)
    evaluations = [(e.after, e.summary) for e in read.evaluations(db)]
    if evaluations:
        screen.print(Text("\nheld-out problems, with 95 % intervals", style="bold"))
        screen.print(lines.evaluations(evaluations))
    screen.print()


def _print_last_steps(
    screen: rich.console.Console, db: sqlite3.Connection, row: read.StageRow
) -> None:
    table: tuple[lines.Column, ...] = ()
    for step, seconds in read.steps(db, row.stage)[-LAST_STEPS:]:
        measured = read.metrics_of_step(db, row.stage, step)
        metrics = {name: value for name, value in measured.items() if value is not None}
        if not table:
            table = lines.columns(row.kind, metrics)
            screen.print(Text(lines.header(table, "s/step", ""), style="dim"), soft_wrap=True)
        pace = lines.Pace(f"{seconds:.2f}", None)
        text = lines.row(table, (step, row.steps), metrics, pace)
        screen.print(Text(text), soft_wrap=True)


def _places(db: sqlite3.Connection, wanted: Wanted) -> list[read.GroupRow]:
    """The groups that were asked for, without their answers yet; open choices take the last."""
    stage = _stage_number(db, wanted.stage)
    places = read.group_places(db, stage=stage, step=wanted.step, problem=wanted.problem)
    if not places:
        if wanted.nothing:
            return []
        raise _nothing_there(db, stage, wanted)
    places = [place for place in places if place.stage == places[-1].stage]
    if wanted.problem is None:
        places = [place for place in places if place.step == places[-1].step]
    return places


def _stage_number(db: sqlite3.Connection, stage: int | str | None) -> int | None:
    rows = read.stages(db)
    if stage is None:
        return None
    found = [row.stage for row in rows if stage in (row.stage, row.name, str(row.stage))]
    if not found:
        known = ", ".join(f"{row.stage} ({row.name})" for row in rows) or "none yet"
        raise RunError(f"the run has no stage {stage}", f"its stages are {known}")
    return found[0]


def _nothing_there(db: sqlite3.Connection, stage: int | None, wanted: Wanted) -> RunError:
    """What was asked for, and what there is instead."""
    asked = {"stage": stage, "step": wanted.step, "problem": wanted.problem}
    named = ", ".join(f"{name} {value}" for name, value in asked.items() if value is not None)
    there = read.group_places(db, stage=stage)
    if not there:
        return RunError(f"no groups of {named}", "only reinforce stages sample groups")
    first, last = there[0], there[-1]
    steps = [place for place in there if place.step == wanted.step]
    ids = ", ".join(dict.fromkeys(place.problem for place in (steps or there)[:5]))
    return RunError(
        f"no groups of {named}",
        f"there are steps {first.step} to {last.step}, and problems such as {one_line(ids)}",
    )


def _group_lines(groups: list[read.GroupRow], width: int) -> list[Text]:
    """A row per group: the mean and spread of its rewards, best and worst, and the problem."""
    rows = [Text("stage  step    mean  spread    best   worst  problem", style="dim")]
    for group in groups:
        rewards = group.rewards
        cells = [group.mean_reward, group.spread]
        cells += [max(rewards), min(rewards)] if rewards else [None, None]
        numbers = " ".join(f"{number(cell):>7}" for cell in cells)
        left_out = f"[left out: {group.discarded}] " if group.discarded else ""
        problem = f"{left_out}{one_line(group.problem)}: {one_line(group.prompt)}"
        rows.append(Text(f"{group.stage:>5} {group.step:>5} {numbers}  {problem}"))
    for row in rows:
        row.truncate(width, overflow="ellipsis")
    return rows


def _most_telling(groups: list[read.GroupRow], wanted: Wanted, limit: int) -> list[read.GroupRow]:
    """Of a problem the latest groups; of a step those whose answers differ most in reward."""
    if wanted.problem is not None:
        return groups[-limit:]
    return sorted(groups, key=lambda group: -(group.spread or 0.0))[:limit]


def _print_group(screen: rich.console.Console, group: read.GroupRow) -> None:
    answers = [lines.Shown(r.text, r.reward, r.advantage, r.tokens, r.stop) for r in group.rollouts]
    for line in lines.group(group.problem, group.prompt, answers, screen.width):
        screen.print(line, soft_wrap=True)


def _print_reference(screen: rich.console.Console, reference: dict[str, Any] | None) -> None:
    """What stood for a label, where something did."""
    for line in reference_lines(reference) if reference else ():
        screen.print(Text(showable(line), style="dim"), soft_wrap=True)


def _print_whole(
    screen: rich.console.Console, group: read.GroupRow, reference: dict[str, Any] | None
) -> None:
    """Every answer to its end, best first, with what each reward function said."""
    screen.print(Text(f"problem {one_line(group.problem)}", style="bold"), soft_wrap=True)
    screen.print(Text(showable(group.prompt)), soft_wrap=True)
    _print_reference(screen, reference)
    for rollout in read.ranked(group.rollouts):
        title = (
            f"\nanswer {rollout.number}: reward {number(rollout.reward)}"
            f" ({read.parts_text(rollout)}), advantage {number(rollout.advantage)},"
            f" {rollout.tokens} tokens, stop: {rollout.stop}"
        )
        screen.print(Text(showable(title), style="bold"), soft_wrap=True)
        for line in read.reasons(rollout):
            screen.print(Text(one_line(line), style="dim"), soft_wrap=True)
        screen.print(Text(showable(rollout.text)), soft_wrap=True)
        if rollout.steps:
            judged = [(step.text.strip(), step.reward, step.advantage) for step in rollout.steps]
            for row in lines.steps(judged):
                screen.print(row, soft_wrap=True)
