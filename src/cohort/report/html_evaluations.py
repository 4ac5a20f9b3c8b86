"""The held-out problems of a run as HTML: what became better, by how much, and three of them.

Refuses to pick: the three are fixed before any answer is known. Every text is escaped.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from cohort.report import charts, lines, read
from cohort.report.html_groups import LONGEST_PROMPT, cut, safe
from cohort.report.statistics import Interval
from cohort.report.text import interval, number, percent

LENGTH = "completions/mean_length"
"""The metric that has a column of its own, beside those of the reward functions."""


def held_out(db: sqlite3.Connection) -> str:
    """The table of evaluations, and the greedy share with its intervals as a picture."""
    made = read.evaluations(db)
    if not made:
        return ""
    highest = [h for e in made if (h := lines.highest_pass(e.summary)) is not None]
    k = highest[0][0] if highest and highest[0][0] != "1" else ""
    headings = ["after", "greedy", "pass@1", *([f"pass@{k}"] if k else []), "mean reward"]
    extra = _extra_columns(made)
    headings += [*extra.values(), "asked"]
    rows = "".join(_evaluation_row(e, k, list(extra)) for e in made)
    points = [(e.after, *found) for e in made if (found := _greedy(e.summary)) is not None]
    return (
        '<section><h2>Held-out problems</h2><div class="beside"><div class="scroll"><table><thead>'
        f"<tr>{''.join(f'<th>{safe(heading)}</th>' for heading in headings)}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>{_picture(points) if points else ''}</div>"
        '<p class="note">Never trained on. Below each share: its 95 % interval.</p></section>'
    )


def _picture(points: Sequence[tuple[str, float, Interval]]) -> str:
    return (
        "<figure><figcaption><b>greedy</b><small>share</small></figcaption>"
        f"{charts.shares('greedy', points)}"
        "<p>The share of held-out problems whose greedy answer is right, with 95 % intervals; "
        "where intervals overlap, the difference may be chance.</p></figure>"
    )


def _extra_columns(made: Sequence[read.EvaluationRow]) -> dict[str, str]:
    """What evaluations measured of their greedy answers beside success: metric -> heading."""
    columns = {}
    for evaluation in made:
        for name in _functions(evaluation.summary, "greedy"):
            if name.startswith("rewards/"):
                columns[name] = name.removeprefix("rewards/").removesuffix("/mean")
    for evaluation in made:
        if LENGTH in _functions(evaluation.summary, "greedy"):
            columns[LENGTH] = "tokens"
    return columns


def _functions(summary: Mapping[str, object], answers: str) -> Mapping[str, object]:
    """The metrics of the `greedy` or `sampled` answers, where the evaluation kept them."""
    kept = summary.get("functions")
    own = kept.get(answers) if isinstance(kept, Mapping) else None
    return own if isinstance(own, Mapping) else {}


def _greedy(summary: Mapping[str, object]) -> tuple[float, Interval] | None:
    share, ends = summary.get("greedy"), summary.get("greedy_interval")
    if isinstance(share, (int, float)) and isinstance(ends, list) and len(ends) == 2:
        return float(share), (float(ends[0]), float(ends[1]))
    return None


def _evaluation_row(evaluation: read.EvaluationRow, k: str, extra: Sequence[str]) -> str:
    summary = evaluation.summary
    passes = summary.get("pass_at")
    cells = [
        (percent(summary.get(key)), interval(summary.get(f"{key}_interval"), scale=100))
        for key in ("greedy", "pass_at_1")
    ]
    if k:
        cells.append((percent(passes.get(k) if isinstance(passes, Mapping) else None), ""))
    reward = number(summary.get("mean_reward"))
    cells.append((reward, interval(summary.get("mean_reward_interval"))))
    greedy, sampled = (_functions(summary, kind) for kind in ("greedy", "sampled"))
    for name in extra:
        cells.append((number(greedy.get(name)), f"{number(sampled.get(name))} sampled"))
    asked = f"{summary.get('problems', '?')} problems"
    cells.append((asked, f"{summary.get('samples_per_problem', '?')} samples each"))
    body = "".join(f"<td>{safe(a)}<small>{safe(b)}</small></td>" for a, b in cells)
    return f"<tr><th>{safe(evaluation.after)}</th>{body}</tr>"


def examples(db: sqlite3.Connection) -> str:
    """Three held-out problems, each with its first and its last greedy answer."""
    found = read.examples(db)
    if not found:
        return ""
    cards = "".join(
        f'<div class="example"><pre class="prompt">{cut(prompt, LONGEST_PROMPT)}</pre>'
        f"{_reply('before', before, before_right)}{_reply('after', after, after_right)}</div>"
        for prompt, before, after, before_right, after_right in found
    )
    return (
        f"<section><h2>{len(found)} held-out problems, before and after</h2>{cards}"
        '<p class="note">The first by id, chosen before any answer was known.</p></section>'
    )


def _reply(label: str, text: str, right: bool | None) -> str:
    word, tone = {True: ("right", "good"), False: ("wrong", "bad"), None: ("", "")}[right]
    return f'<div><small>{label} <b class="{tone}">{word}</b></small><pre>{cut(text)}</pre></div>'
