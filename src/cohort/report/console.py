"""What a person sees while a run goes on: a line a step, a group now and then, its health, and the end.

Everything goes to stderr; data belongs to stdout. It is readable without colour, honours NO_COLOR,
and where stderr is no terminal it writes plain lines: no bar, no control characters. It refuses to
read markup or commands in a model's text.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import rich.console
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from cohort.data.records import Group
from cohort.report import lines
from cohort.report.text import duration, one_line, showable
from cohort.report.vitals import Vitals

HEADER_EVERY = 30
"""Lines between two headers of the table of steps."""

REMEMBERED_STEPS = 20
"""Steps whose mean duration tells the time left."""

SUPERVISED_LINES = 20
"""About how many lines a supervised stage prints, however many steps it has."""

BRIEF = ("supervised", "reward-model")
"""Kinds of stages of whose steps so many are printed."""


class Console:
    """The terminal of a run; `close` it, or use it as a context, so that the bar goes away.

    quiet: nothing but warnings is printed. vitals: whose first sentence is shown below the table, or, where
    stderr is no terminal, printed when it is another one.
    """

    def __init__(
        self,
        stages: list[str],
        quiet: bool = False,
        *,
        console: rich.console.Console | None = None,
        vitals: Vitals | None = None,
    ) -> None:
        self._stages = stages
        self._quiet, self._vitals = quiet, vitals
        self._console = console or rich.console.Console(stderr=True)
        self._progress: Progress | None = None
        self._live: Live | None = None
        self._task = TaskID(0)
        self._stage = _Stage("", 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take the bar away, if there is one; printing may go on."""
        if self._live is not None:
            self._live.stop()
            self._live = self._progress = None

    def begin_stage(self, name: str, kind: str, steps: int) -> None:
        """A stage begins; `steps` is 0 for an evaluation."""
        self.close()
        self._stage = _Stage(kind, steps)
        known = name in self._stages
        place = f" {self._stages.index(name) + 1}/{len(self._stages)}" if known else ""
        size = f", {steps} steps" if steps else ""
        self._print(f"\nstage{place}: {one_line(name)} ({kind}{size})", style="bold")
        if self._console.is_terminal and not self._quiet:
            self._begin_bar(name, steps)

    def step(self, step: int, metrics: Mapping[str, float], seconds: float) -> None:
        """One step is done; steps count from 1."""
        row = self._stage.row(step, metrics, seconds)
        if row is not None:
            if self._stage.header_due():
                self._print(self._stage.header(), style="dim")
            self._print(row)
        if self._progress is not None:
            self._progress.update(self._task, completed=step, left=self._stage.left(step))
        self._look()
        if step >= self._stage.steps:
            self.close()

    def group(self, group: Group) -> None:
        """One group on one screen: the prompt, and its answers by advantage."""
        prompt = group.problem.prompt
        if not isinstance(prompt, str):
            prompt = "\n".join(f"{m['role']}: {m['content']}" for m in prompt)
        answers = [
            lines.Shown(
                text=rollout.text,
                reward=group.rewards[i] if group.scores else None,
                advantage=group.advantages[i] if group.advantages else None,
                tokens=len(rollout.tokens),
                stop=rollout.stop,
            )
            for i, rollout in enumerate(group.rollouts)
        ]
        for line in lines.group(group.problem.id, prompt, answers, self._console.width):
            self._print(line)
        self._stage.lines_since_header = HEADER_EVERY

    def evaluation(self, after: str, summary: lines.Summary) -> None:
        """One evaluation, on one line."""
        self.close()
        self._print(lines.evaluation(after, summary))

    def summary(
        self,
        evaluations: Sequence[tuple[str, lines.Summary]],
        examples: Sequence[lines.Example],
        *,
        report: Path,
        model: Path,
        seconds: float,
    ) -> None:
        """The end: what became better, three answers before and after, and where everything is."""
        self.close()
        if self._quiet:
            return
        if evaluations:
            self._print("\nheld-out problems, with 95 % intervals", style="bold")
            self._console.print(lines.evaluations(evaluations))
        for example in examples:
            for line in lines.example(example, self._console.width):
                self._print(line)
        self._print(f"\ndone in {duration(seconds)}", style="bold")
        self._print(f"  report   {report}")
        self._print(f"  model    {model}")
        self._print(f'  ask it   cohort sample {model} "..."')

    def note(self, text: str) -> None:
        """Something worth knowing."""
        self._print(showable(text))

    def warn(self, text: str) -> None:
        """Something to look at; printed also when quiet."""
        self._console.print(Text(f"warning: {showable(text)}", style="yellow"), soft_wrap=True)

    def _print(self, line: str | Text, style: str = "") -> None:
        """A line as it is: no markup, and never broken at a width (a pipe has none)."""
        if not self._quiet:
            text = Text(line) if isinstance(line, str) else line
            self._console.print(text, style=style or None, soft_wrap=True)

    def _look(self) -> None:
        """Say how the run is, where that has changed and nothing shows it anyway."""
        if self._quiet or self._vitals is None or not self._vitals.look():
            return
        if self._live is None:
            self._print(self._health() or Text("health: nothing to say"))

    def _health(self) -> Text | None:
        found = self._vitals.finding if self._vitals is not None else None
        if found is None:
            return None
        style = "yellow" if found.level == "warning" else "dim"
        return Text(f"health: {showable(found.sentence)}", style=style)

    def _below(self) -> rich.console.Group:
        """What is drawn below the table of a terminal: the bar, and how the run is."""
        parts = [part for part in (self._progress, self._health()) if part is not None]
        return rich.console.Group(*parts)

    def _begin_bar(self, name: str, steps: int) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}" if steps else ""),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}", markup=False),
            console=self._console,
        )
        self._task = self._progress.add_task(one_line(name), total=steps or None, left="")
        self._live = Live(
            get_renderable=self._below, console=self._console, transient=True, refresh_per_second=4
        )
        self._live.start()


class _Stage:
    """The table of the stage that is going on: its columns, its pace, and which rows it prints."""

    def __init__(self, kind: str, steps: int) -> None:
        self.kind, self.steps = kind, steps
        self.lines_since_header = HEADER_EVERY
        self._columns: tuple[lines.Column, ...] = ()
        self._counts_tokens = False
        self._seconds: deque[float] = deque(maxlen=REMEMBERED_STEPS)
        self._tokens: deque[float] = deque(maxlen=REMEMBERED_STEPS + 1)
        self._first: list[float] = []

    def row(self, step: int, metrics: Mapping[str, float], seconds: float) -> str | None:
        """The row of this step; None where this kind of stage shows only some steps."""
        if not self._columns:
            self._columns = lines.columns(self.kind, metrics)
            self._counts_tokens = self.kind == "supervised" and "num_tokens" in metrics
        if step == 1:
            self._tokens.append(0.0)
        self._seconds.append(seconds)
        self._tokens.append(metrics.get("num_tokens", 0.0))
        if self._columns and self._columns[0].metric in metrics:
            self._first.append(metrics[self._columns[0].metric])
        every = max(1, round(self.steps / SUPERVISED_LINES))
        if self.kind in BRIEF and step % every and step not in (1, self.steps):
            return None
        return lines.row(self._columns, (step, self.steps), metrics, self._pace(step))

    def header_due(self) -> bool:
        """Whether the next row wants the headings above it; counts the row."""
        due = self.lines_since_header >= HEADER_EVERY
        self.lines_since_header = 1 if due else self.lines_since_header + 1
        return due

    def header(self) -> str:
        """The headings of the table."""
        return lines.header(self._columns, "tokens/s" if self._counts_tokens else "s/step")

    def left(self, step: int) -> str:
        """For the bar: the expected time to the end of the stage, and its first column so far."""
        course = (
            f"  {self._columns[0].heading} {lines.sparkline(self._first)}" if self._first else ""
        )
        return f"{duration(self._seconds_left(step))} left{course}"

    def _pace(self, step: int) -> lines.Pace:
        each = sum(self._seconds) / len(self._seconds)
        speed = self._tokens_per_second() if self._counts_tokens else f"{each:.2f}"
        return lines.Pace(speed, self._seconds_left(step))

    def _seconds_left(self, step: int) -> float:
        return sum(self._seconds) / len(self._seconds) * max(0, self.steps - step)

    def _tokens_per_second(self) -> str:
        """Over the remembered steps; a resumed stage cannot say it of its first step."""
        intervals = len(self._tokens) - 1
        spent = sum(list(self._seconds)[len(self._seconds) - intervals :])
        return f"{(self._tokens[-1] - self._tokens[0]) / spent:,.0f}" if spent > 0 else "-"
