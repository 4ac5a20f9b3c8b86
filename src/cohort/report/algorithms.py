"""An algorithm in words: its equation put together from its choices, and how it differs from another."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cohort.objective.algorithms import NEED_BETA, ORDINARY, TABLES, Algorithm
from cohort.objective.choices import PARAMETERS, Choice, Value


@dataclass(frozen=True, slots=True)
class Line:
    """A choice of an algorithm: which table, which entry, what that computes, with which numbers."""

    table: str
    entry: str
    equation: str
    numbers: str
    function: str


def equation(algorithm: Algorithm) -> list[str]:
    """The loss, and a line for each of its parts that is not nothing."""
    terms = ["w_t L_t" if algorithm.chosen["correction"] == "none" else "w_t c_t L_t"]
    if algorithm.beta and not algorithm.penalizes_reward:
        terms.append(f"{algorithm.beta:g} w_t KL_t")
    lines = ["loss = sum over sampled tokens of " + " + ".join(terms)]
    in_reward = algorithm.penalizes_reward
    labels = {"kl": "in the reward: " if in_reward else "KL = ", "entropy": "entropy: "}
    parts = ("surrogate", "advantage", "weight", "behaviour", "correction", "kl", "entropy")
    spoken = [table for table in parts if _speaks(algorithm, table)]
    return lines + [labels.get(table, "") + algorithm.of(table).equation for table in spoken]


def beside(algorithm: Algorithm) -> list[str]:
    """What it chooses beside advantage, weight and surrogate, where that is not the ordinary."""
    spoken = [t for t in ORDINARY if t != "behaviour" and _speaks(algorithm, t)]
    against = ["pi / mu"] if algorithm.chosen["behaviour"] == "sampler" else []
    return against + [f"{table} {algorithm.chosen[table]}" for table in spoken]


def lines(algorithm: Algorithm) -> list[Line]:
    """Its choices, in the order of the tables, those that say nothing left out."""
    return [_line(algorithm, table) for table in TABLES if _speaks(algorithm, table)]


def differences(algorithm: Algorithm, other: Algorithm) -> list[str]:
    """What another recipe would have to change to get this algorithm, as it would write it."""
    changed = [
        f"{table} = {entry}"
        for table, entry in algorithm.chosen.items()
        if other.chosen[table] != entry
    ]
    changed += [
        f"{key} = {shown(value)}"
        for key, value in algorithm.values.items()
        if other.values.get(key) != value
    ]
    return changed


def shown(value: Value) -> str:
    """A number as a recipe would have it."""
    return value if isinstance(value, str) else f"{value:g}"


def source(choice: Choice) -> tuple[str, str]:
    """The file, under src/cohort, and the name of the function that a choice computes with."""
    function = choice.function
    if function is None:
        return "", ""
    module = function.__module__.removeprefix("cohort.").replace(".", "/")
    return f"{module}.py", function.__name__


def papers(choice: Choice) -> list[str]:
    """The arXiv numbers that the docstring of its function names."""
    text = (choice.function.__doc__ or "") if choice.function else ""
    return list(dict.fromkeys(re.findall(r"\d{4}\.\d{5}", text)))


def _speaks(algorithm: Algorithm, table: str) -> bool:
    entry = algorithm.chosen[table]
    if table == "behaviour":
        return "then" in algorithm.of("surrogate").given
    if table in NEED_BETA:
        return bool(algorithm.beta) and (table == "kl" or entry != ORDINARY[table])
    return table not in ORDINARY or entry != ORDINARY[table]


def _line(algorithm: Algorithm, table: str) -> Line:
    choice = algorithm.of(table)
    own = list(choice.parameters) + (["beta"] if table == "kl" else [])
    numbers = ", ".join(f"{key} = {shown(algorithm.values[key])}" for key in own)
    return Line(table, algorithm.chosen[table], choice.equation, numbers, source(choice)[1])


def meanings(algorithm: Algorithm) -> list[tuple[str, str, str]]:
    """Every number that the algorithm reads: its name, its value here, what it means."""
    return [(key, shown(value), PARAMETERS[key].meaning) for key, value in algorithm.values.items()]
