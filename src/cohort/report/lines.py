"""The lines a terminal shows, as text: a row a step, an evaluation, a group on one screen.

Pure functions; `console.py` prints them while a run goes on, `show.py` afterwards. Widths are
fixed, so that rows align without a table around them, and no row needs more than 80 columns.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.table import Table
from rich.text import Text

from cohort.report.text import duration, interval, number, one_line, percent

Summary = Mapping[str, object]
"""What `summarize_evaluation` returns, perhaps with the caller's own keys."""

Example = tuple[str, str, str, bool | None, bool | None]
"""A held-out prompt, the answers before and after, and whether each was right."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the table of steps: its heading, its metric, and how the value is written."""

    heading: str
    metric: str
    form: str


REINFORCE = (
    Column("reward", "reward", "{:.3f}"),
    Column("spread", "reward_std", "{:.3f}"),
    Column("no signal", "frac_reward_zero_std", "{:.0%}"),
    Column("tokens", "completions/mean_length", "{:.1f}"),
    Column("entropy", "entropy", "{:.3f}"),
    Column("sampled", "groups/sampled", "{:.0f}"),
    Column("kl", "kl", "{:.4f}"),
    Column("grad", "grad_norm", "{:.3g}"),
)
"""What a reinforce step shows: spread is the deviation inside groups, tokens the mean length, sampled the
groups that dynamic sampling asked for."""

SUPERVISED = (
    Column("loss", "loss", "{:.4f}"),
    Column("accuracy", "token_accuracy", "{:.1%}"),
)
"""What a supervised step shows."""

SELECT = (
    Column("kept", "kept", "{:.0f}"),
    Column("doubles", "dropped/duplicate", "{:.0f}"),
    *REINFORCE[:2],
    REINFORCE[3],
)
"""What a step that selects shows: how many answers are kept, and what all of them are like."""

PREFERENCE = (
    Column("loss", "loss", "{:.4f}"),
    Column("margin", "rewards/margins", "{:+.3f}"),
    Column("accuracy", "rewards/accuracies", "{:.1%}"),
    Column("reward", "reward", "{:.3f}"),
    Column("grad", "grad_norm", "{:.3g}"),
)
"""What a step on pairs shows; the reward where it samples them."""

REWARD_MODEL = (
    Column("loss", "loss", "{:.4f}"),
    Column("accuracy", "accuracy", "{:.1%}"),
    Column("margin", "margin", "{:+.3f}"),
    Column("sampled", "reward", "{:.3f}"),
    Column("replayed", "replayed", "{:.0f}"),
    Column("grad", "grad_norm", "{:.3g}"),
)
"""What a step of a reward model shows: how often it is right about what it learns from, and the mean
reward of what was sampled."""

TABLES = {
    "supervised": SUPERVISED,
    "select": SELECT,
    "preference": PREFERENCE,
    "reward-model": REWARD_MODEL,
}
"""What the steps of a kind of stage show, where it is not what `REINFORCE` does."""

OPTIONAL = ("groups/sampled", "kl", "token_accuracy", "dropped/duplicate", "replayed")
"""Columns that are there only when the first step has the metric."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a stage gets on: steps or tokens against seconds, as written, and the time to its end.

    seconds_left: None where nobody waits for it.
    """

    speed: str
    seconds_left: float | None


def columns(kind: str, metrics: Mapping[str, float]) -> tuple[Column, ...]:
    """The columns of a stage of this kind, given what its first step measured."""
    table = TABLES.get(kind, REINFORCE)
    learns_from_rows = kind in ("preference", "reward-model")
    optional = ("reward", "margin", *OPTIONAL) if learns_from_rows else OPTIONAL
    return tuple(c for c in table if c.metric in metrics or c.metric not in optional)


def header(table: Sequence[Column], speed: str, left: str = "left") -> str:
    """The headings, aligned with `row`; `speed` is `s/step` or `tokens/s`."""
    cells = [f"{column.heading:>{max(6, len(column.heading))}}" for column in table]
    return f"    step {' '.join(cells)} {speed:>8} {left:>7}".rstrip()


def row(
    table: Sequence[Column], place: tuple[int, int], metrics: Mapping[str, float], pace: Pace
) -> str:
    """One step (`place` is the step and how many there are); a dash for what it did not measure."""
    cells = [
        f"{_written(metrics.get(column.metric), column.form):>{max(6, len(column.heading))}}"
        for column in table
    ]
    left = "" if pace.seconds_left is None else duration(pace.seconds_left)
    cells += [f"{pace.speed:>8}", f"{left:>7}"]
    return (f"{f'{place[0]}/{place[1]}':>8} " + " ".join(cells)).rstrip()


SPARKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int = 24) -> str:
    """Values in order as bars of a character each; means of equal stretches where there are too many."""
    known = [value for value in values if math.isfinite(value)]
    count = min(width, len(known))
    edges = [round(i * len(known) / count) for i in range(count + 1)] if count else [0]
    means = [sum(known[a:b]) / (b - a) for a, b in pairwise(edges)]
    if not means:
        return ""
    low, span = min(means), max(means) - min(means)
    top = len(SPARKS) - 1
    return "".join(SPARKS[round((value - low) / span * top) if span > 0 else 0] for value in means)


def evaluation(after: str, summary: Summary) -> str:
    """One evaluation on one line."""
    parts = [f"greedy {percent(summary.get('greedy'))}"]
    parts.append(interval(summary.get("greedy_interval"), scale=100))
    parts.append(f" pass@1 {percent(summary.get('pass_at_1'))}")
    highest = highest_pass(summary)
    if highest is not None and highest[0] != "1":
        parts.append(f" pass@{highest[0]} {percent(highest[1])}")
    parts.append(f" reward {number(summary.get('mean_reward'))}")
    size = f"({summary.get('problems', '?')} problems)"
    return f"held out, after {one_line(after)}: " + " ".join(
        part for part in [*parts, size] if part
    )


def highest_pass(summary: Summary) -> tuple[str, object] | None:
    """The largest k of pass@k with its value; None where there is none."""
    shares = summary.get("pass_at")
    if not isinstance(shares, Mapping) or not shares:
        return None
    k = max(shares, key=int)
    return str(k), shares[k]


def evaluations(rows: Sequence[tuple[str, Summary]]) -> Table:
    """A row per evaluation, each share above its interval; the largest k of pass@k has a column."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    highest = next((h for _, summary in rows if (h := highest_pass(summary)) is not None), None)
    k = highest[0] if highest is not None and highest[0] != "1" else ""
    for heading in ("after", "greedy", "pass@1", *([f"pass@{k}"] if k else []), "mean reward"):
        table.add_column(heading, no_wrap=heading != "after")
    for after, summary in rows:
        cells = [one_line(after), _share(summary, "greedy"), _share(summary, "pass_at_1")]
        if k:
            passes = summary.get("pass_at")
            cells.append(percent(passes.get(k) if isinstance(passes, Mapping) else None))
        reward = number(summary.get("mean_reward"))
        cells.append(f"{reward}\n{interval(summary.get('mean_reward_interval'))}")
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _share(summary: Summary, key: str) -> str:
    return f"{percent(summary.get(key))}\n{interval(summary.get(f'{key}_interval'), scale=100)}"


def example(held_out: Example, width: int) -> list[Text]:
    """A held-out prompt with its answer before and after; right and wrong are words."""
    prompt, before, after, before_success, after_success = held_out
    rows = [Text(), Text(f"  {one_line(prompt)}", style="bold")]
    for label, text, right in (("before", before, before_success), ("after", after, after_success)):
        verdict = {True: "right", False: "wrong", None: ""}[right]
        rows.append(Text(f"  {label:>6} {verdict:>5}  {one_line(text)}"))
        if verdict:
            rows[-1].stylize("green" if right else "red", 9, 14)
    for line in rows:
        line.truncate(width, overflow="ellipsis")
    return rows


@dataclass(frozen=True, slots=True)
class Shown:
    """One answer as a group shows it."""

    text: str
    reward: float | None
    advantage: float | None
    tokens: int
    stop: str


def group(problem: str, prompt: str, answers: Iterable[Shown], width: int) -> list[Text]:
    """A group on one screen: the prompt, then its answers by advantage, best first."""
    head = Text(f"  problem {one_line(problem)}: ", style="bold")
    head.append(one_line(prompt), style="not bold")
    head.truncate(width, overflow="ellipsis")
    titles = Text("   reward advantage  tokens    stop  answer", style="dim")
    ranked = sorted(answers, key=lambda a: (_rank(a.advantage), _rank(a.reward)), reverse=True)
    return [head, titles, *(_answer(answer, width) for answer in ranked)]


def _answer(answer: Shown, width: int) -> Text:
    reward = _written(answer.reward, "{:.3f}")
    advantage = _written(answer.advantage, "{:+.3f}")
    line = Text(f"{reward:>9} {advantage:>9} {answer.tokens:>7}  {answer.stop:>6}  ")
    line.append(one_line(answer.text))
    line.truncate(width, overflow="ellipsis")
    if answer.advantage:
        line.stylize("green" if answer.advantage > 0 else "red", 10, 19)
    return line


def steps(judged: Iterable[tuple[str, float, float]]) -> list[Text]:
    """The rewarded steps of an answer, a line each: text, reward, and the advantage of its tokens."""
    rows = [Text("   reward advantage  step", style="dim")]
    for text, reward, advantage in judged:
        line = Text(f"{reward:>9.3f} {advantage:>+9.3f}  {one_line(text)}")
        if advantage:
            line.stylize("green" if advantage > 0 else "red", 10, 19)
        rows.append(line)
    return rows


def _rank(value: float | None) -> float:
    return -math.inf if value is None or math.isnan(value) else value


def _written(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
