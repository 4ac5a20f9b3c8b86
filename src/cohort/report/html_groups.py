"""The groups of a run as HTML: a row per group, opened to its answers side by side.

Not all fit into one file: the first and the last step and evenly spaced ones between them are kept,
as many as a budget of bytes allows. What is left out is counted on the page, with the command that
shows it. Every text is escaped.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from html import escape
from typing import Any

from cohort.report import read
from cohort.report.references import reference_lines, reference_of
from cohort.report.statistics import mean
from cohort.report.text import number, one_line, showable

LONGEST_ANSWER = 6000
"""Characters of an answer that are kept."""

LONGEST_PROMPT = 2000
"""Characters of a prompt that are kept."""

LONGEST_REASON = 300
"""Characters of the reason why a function gave no value that are kept."""

MOST_STEPS = 40
"""Steps that are kept at most; more would not be read."""

GROUP_BYTES, ANSWER_BYTES, STEP_BYTES = 500, 240, 75
"""About what a group, an answer and a rewarded step cost beside their texts."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The groups of a stage as HTML, and how many of its steps they are of."""

    html: str
    steps: int
    all_steps: int


def safe(text: str) -> str:
    """Text that means itself in HTML, inside an element or a quoted attribute."""
    return escape(showable(text), quote=True)


def cut(text: str, longest: int = LONGEST_ANSWER) -> str:
    """The safe text, cut where it is very long, saying by how much."""
    if len(text) <= longest:
        return safe(text)
    return f"{safe(text[:longest])}<em> … {len(text) - longest} characters more</em>"


def stage_groups(db: sqlite3.Connection, stage: int, budget_bytes: int) -> Kept:
    """The kept steps of a stage, at most about `budget_bytes` of them."""
    sizes = _sizes(db, stage)
    chosen = choose_steps(sizes, budget_bytes)
    parts, left = [], budget_bytes
    for position, step in enumerate(chosen):
        html = _step(db, stage, step, left // (len(chosen) - position))
        left -= len(html.encode())
        parts.append(html)
    return Kept("".join(parts), len(chosen), len(sizes))


def choose_steps(sizes: dict[int, int], budget_bytes: int) -> list[int]:
    """The first step, the last, and evenly spaced ones between: as many as the budget holds.

    The first and the last are chosen whatever their size; their groups are cut to the budget.
    """
    steps = sorted(sizes)
    for count in range(min(len(steps), MOST_STEPS), 2, -1):
        places = [round(i * (len(steps) - 1) / (count - 1)) for i in range(count)]
        chosen = [steps[place] for place in places]
        if sum(sizes[step] for step in chosen) <= budget_bytes:
            return chosen
    return sorted({*steps[:1], *steps[-1:]})


def _sizes(db: sqlite3.Connection, stage: int) -> dict[int, int]:
    """About how many bytes each step's groups would take; text in bytes, a tenth for escaping."""
    judged = "ifnull(json_array_length(r.steps), 0)" if read.keeps_judged_steps(db) else "0"
    rows = db.execute(
        "SELECT g.step, sum(min(length(CAST(g.prompt AS BLOB)), :prompt) + :group_bytes "
        "  + (SELECT sum(min(length(CAST(r.text AS BLOB)), :answer) + :answer_bytes "
        f"       + {judged} * :step_bytes) "
        "     FROM rollouts r WHERE r.group_id = g.id)) AS bytes "
        "FROM groups g WHERE g.stage = :stage GROUP BY g.step",
        {
            "stage": stage,
            "prompt": LONGEST_PROMPT,
            "answer": LONGEST_ANSWER,
            "group_bytes": GROUP_BYTES,
            "answer_bytes": ANSWER_BYTES,
            "step_bytes": STEP_BYTES,
        },
    )
    return {row["step"]: int(1.1 * (row["bytes"] or 0)) for row in rows}


def _step(db: sqlite3.Connection, stage: int, step: int, budget_bytes: int) -> str:
    """One step as a closed `<details>`; groups that do not fit are counted."""
    groups = read.groups(db, stage, step)
    rows: list[str] = []
    for group in groups:
        row = _group(group, reference_of(db, group.id))
        budget_bytes -= len(row.encode())
        if budget_bytes < 0:
            break
        rows.append(row)
    left_out = len(groups) - len(rows)
    if left_out:
        rows.append(
            f'<p class="note">{left_out} more groups are left out to keep this file small: '
            f"<code>cohort show RUN --stage {stage} --step {step} --groups {len(groups)}</code></p>"
        )
    means = [group.mean_reward for group in groups if group.mean_reward is not None]
    silent = sum(not group.spread for group in groups)
    return (
        f'<details class="step" id="s{stage}-{step}"><summary><b>step {step}</b>'
        f"<span>mean reward {number(mean(means) if means else None)}</span>"
        f"<span>{len(groups)} groups, {silent} without signal</span></summary>"
        f"{HEADINGS}{''.join(rows)}</details>"
    )


HEADINGS = (
    '<div class="row headings"><span>problem</span><span>answers</span><span>mean</span>'
    "<span>spread</span><span>best</span><span>worst</span></div>"
)


def _group(group: read.GroupRow, reference: dict[str, Any] | None) -> str:
    """A row that opens to the whole group, with what stood for a label where something did."""
    told = "".join(
        f'<pre class="prompt">{cut(line)}</pre>'
        for line in (reference_lines(reference) if reference else ())
    )
    rewards, ranked = group.rewards, read.ranked(group.rollouts)
    best, worst = (max(rewards), min(rewards)) if rewards else (None, None)
    cells = "".join(
        f"<span>{number(value)}</span>" for value in (group.mean_reward, group.spread, best, worst)
    )
    prompt = cut(group.prompt, LONGEST_PROMPT)
    left_out = f"<em>left out: {safe(group.discarded)}</em> " if group.discarded else ""
    return (
        f'<details class="group"><summary class="row"><span class="problem">'
        f"<b>{safe(one_line(group.problem))}</b> {left_out}{safe(one_line(group.prompt)[:160])}</span>"
        f'<span class="strip" aria-hidden="true">{"".join(map(_sign, ranked))}</span>{cells}'
        f'</summary><pre class="prompt">{prompt}</pre>{told}'
        f'<div class="answers">{"".join(map(_answer, ranked))}</div></details>'
    )


def _sign(rollout: read.RolloutRow) -> str:
    """One square of the strip: above its group, below it, or neither."""
    advantage = rollout.advantage or 0.0
    return f'<i class="{"up" if advantage > 0 else "down" if advantage < 0 else "flat"}"></i>'


def _answer(rollout: read.RolloutRow) -> str:
    """One answer: its advantage, reward and parts, its length, why it stopped, its text."""
    advantage = "-" if rollout.advantage is None else f"{rollout.advantage:+.3f}"
    parts = safe(one_line(read.parts_text(rollout)))
    parts += "".join(f"<br>{cut(one_line(line), LONGEST_REASON)}" for line in read.reasons(rollout))
    return (
        f'<article><header><b class="{_tone(rollout)}">{advantage}</b>'
        f"<span>reward {number(rollout.reward)}</span></header>"
        f"<small>{parts}<br>{rollout.tokens} tokens, "
        f"stop: {safe(rollout.stop)}</small>"
        f"{_steps(rollout) if rollout.steps else f'<pre>{cut(rollout.text)}</pre>'}</article>"
    )


def _steps(rollout: read.RolloutRow) -> str:
    """An answer step by step: each one's text, its reward, and the advantage of its tokens."""
    rows = "".join(
        f"<tr><td><pre>{cut(step.text.strip())}</pre></td><td>{number(step.reward)}</td>"
        f'<td class="{_tone(step)}">{step.advantage:+.3f}</td></tr>'
        for step in rollout.steps
    )
    rest = f"<pre>{cut(rollout.rest)}</pre>" if rollout.rest.strip() else ""
    return (
        '<table class="judged"><thead><tr><th>step</th><th>reward</th><th>advantage</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>{rest}"
    )


def _tone(judged: read.RolloutRow | read.StepRow) -> str:
    advantage = judged.advantage or 0.0
    return "good" if advantage > 0 else "bad" if advantage < 0 else ""
