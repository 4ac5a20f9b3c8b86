"""The page docs/algorithms.md: what can be chosen, and every algorithm as a table of choices."""

from __future__ import annotations

from collections.abc import Mapping

from cohort.objective.algorithms import TABLES
from cohort.objective.choices import PARAMETERS, Choice
from cohort.objective.grpo import GRPO
from cohort.objective.presets import ALGORITHMS
from cohort.report.algorithms import (
    beside,
    differences,
    equation,
    meanings,
    papers,
    shown,
    source,
)

OPENING = """# Algorithms

Every algorithm is one sum over the sampled tokens of an update, and a table of choices:

    loss = sum_t  w_t ( c_t L_t + beta KL_t )

`A` is the advantage of a token, `w` its weight, `L` the surrogate, `c` the correction for another
sampler; pi is the policy, pi_old the policy before the step's first update, mu whatever sampled,
pi_ref the reference, rho the ratio pi / pi_old or pi / mu. A step has n groups of G rollouts; |o| is
a rollout's number of tokens.

In a recipe, `algorithm = "dapo"` is the paper's, and `algorithm = { name = "dapo", clip_high = 0.3 }`
departs from it visibly. Any choice below can be made in any algorithm; a number that none of its
choices reads is refused. `cohort algorithms` prints the first table, `cohort algorithms NAME` one
algorithm.
"""

TITLES = {
    "advantage": "Advantage: what a token is worth",
    "weight": "Weight: how much a token counts in its update",
    "surrogate": "Surrogate: the loss of a token",
    "behaviour": "Behaviour: what the ratio is against",
    "kl": "KL: the divergence from the reference",
    "correction": "Correction: for another sampler, or an older policy",
    "entropy": "Entropy",
    "groups": "Groups: which are learned from",
    "overlong": "Overlong: answers that are too long",
    "reference": "Reference: what the KL holds the policy to",
    "adaptive_beta": "Adaptive beta",
}


def algorithms_page() -> str:
    """The whole page, as Markdown."""
    parts = [OPENING, "## The family\n", family_table(""), "## The choices\n"]
    for table, entries in TABLES.items():
        parts.append(f"### {TITLES[table]}\n")
        parts.append(f"`{table}` is one of:\n")
        parts.append(_entries(entries))
    parts += ["### Numbers\n", _numbers(), "## One by one\n"]
    parts += [_section(name) for name in ALGORITHMS]
    return "\n".join(parts)


def family_table(page: str) -> str:
    """The table of all algorithms, with links to their sections on that page."""
    rows = [
        [
            f"[`{row.name}`]({page}#{_anchor(row.name)})",
            *(row.chosen[table] for table in ("advantage", "weight", "surrogate")),
            ", ".join(beside(row)),
            row.paper,
        ]
        for row in ALGORITHMS.values()
    ]
    return _table(["algorithm", "advantage", "weight", "surrogate", "further", "paper"], rows)


def _anchor(name: str) -> str:
    """The anchor that a page of Markdown gives a heading; of two alike the second is numbered."""
    known = [_plain(other) for other in ALGORITHMS]
    place = list(ALGORITHMS).index(name)
    before = known[:place].count(known[place])
    return f"{known[place]}-{before}" if before else known[place]


def _plain(name: str) -> str:
    return "".join(c for c in name if c.isalnum() or c == "-")


def _entries(entries: Mapping[str, Choice]) -> str:
    rows = []
    for name, choice in entries.items():
        file, function = source(choice)
        link = f"[`{function}`](../src/cohort/{file})" if file else ""
        reads = ", ".join(f"`{key}`" for key in choice.parameters)
        rows.append([f"`{name}`", _code(choice.equation), reads, link, ", ".join(papers(choice))])
    return _table(["choice", "what it is", "reads", "function", "arXiv"], rows)


def _numbers() -> str:
    rows = [
        [f"`{key}`", parameter.meaning, f"`{shown(parameter.default)}`"]
        for key, parameter in PARAMETERS.items()
    ]
    note = "What a choice reads that is not the algorithm's own has the value below.\n\n"
    return note + _table(["number", "meaning", "value"], rows)


def _section(name: str) -> str:
    row = ALGORITHMS[name]
    text = f"### {name}\n\n{row.title}, {row.paper}.\n\n"
    text += "".join(f"    {line}\n" for line in equation(row)) + "\n"
    values = ", ".join(f"`{key} = {value}`" for key, value, _ in meanings(row))
    text += f"Numbers: {values}.\n"
    if row is not GRPO:
        changed = ", ".join(f"`{change}`" for change in differences(row, GRPO))
        text += f"\nDiffers from `grpo`: {changed}.\n"
    if row.left_open:
        text += f"\nThe paper leaves open: {row.left_open}\n"
    if row.elsewhere:
        text += f"\nElsewhere: {row.elsewhere}\n"
    return text


def _code(text: str) -> str:
    """An equation in a table's cell; a bar would end the cell."""
    return "`" + text.replace("|", "\\|") + "`"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)
