"""An algorithm is a table of choices. Two papers differ by one line: `GRPO.but("dapo", weight="token")`.

The choices, and the equation of each, are in `choices_of_credit`, `choices_of_loss`,
`choices_beside_loss` and `choices_around`; the papers' own tables are in `presets`. A number that no
choice of an algorithm reads cannot be given to it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from cohort.errors import RecipeError, legible
from cohort.objective.choices import PARAMETERS, Choice, Value
from cohort.objective.choices_around import ADAPTIVE, BEHAVIOURS, GROUPS, OVERLONG, REFERENCES
from cohort.objective.choices_beside_loss import CORRECTIONS, ENTROPY
from cohort.objective.choices_of_credit import ADVANTAGES, WEIGHTS, Counted, Scored, less_penalty
from cohort.objective.choices_of_loss import KL, SURROGATES
from cohort.objective.with_critic import Judged

TABLES: dict[str, Mapping[str, Choice]] = {
    "advantage": ADVANTAGES,
    "weight": WEIGHTS,
    "surrogate": SURROGATES,
    "behaviour": BEHAVIOURS,
    "kl": KL,
    "correction": CORRECTIONS,
    "entropy": ENTROPY,
    "groups": GROUPS,
    "overlong": OVERLONG,
    "reference": REFERENCES,
    "adaptive_beta": ADAPTIVE,
}
"""What can be chosen, by the name that a recipe has for it."""

ORDINARY = {
    "behaviour": "old",
    "kl": "k3",
    "correction": "none",
    "entropy": "none",
    "groups": "all",
    "overlong": "count",
    "reference": "frozen",
    "adaptive_beta": "fixed",
}
"""What is chosen where a paper says nothing."""

NEED_BETA = ("kl", "reference", "adaptive_beta")
"""What is read only where beta is not 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """The choices that make an algorithm, and the numbers that they read.

    title, paper: what it is called, and where it is from. left_open: what the paper does not say, and
    what is chosen for it. elsewhere: where well-known programs compute another thing by this name.
    """

    name: str
    title: str
    paper: str
    chosen: Mapping[str, str]
    values: Mapping[str, Value]
    left_open: str = ""
    elsewhere: str = ""

    @property
    def beta(self) -> float:
        """The weight of the KL term; 0: no reference is kept."""
        return float(self.values["beta"])

    @property
    def penalizes_reward(self) -> bool:
        """Whether the divergence from the reference is paid for in the reward, not in the loss."""
        return bool(self.beta) and self.chosen["kl"] == "in-reward"

    @property
    def drops_dead_tokens(self) -> bool:
        """Whether a token without an advantage has no part in the gradient, and may be left out."""
        in_loss = bool(self.beta) and not self.penalizes_reward
        pulled = self.has("surrogate", "pulls") or self.chosen["entropy"] != "none"
        return not (in_loss or pulled or self.asks_critic)

    @property
    def asks_critic(self) -> bool:
        """Whether advantages are made of a critic's values; it learns from every token that counts."""
        return self.has("advantage", "values")

    def of(self, table: str) -> Choice:
        """The entry that is chosen from a table."""
        return TABLES[table][self.chosen[table]]

    def has(self, table: str, trait: str) -> bool:
        """Whether the entry that is chosen from a table has this trait."""
        return trait in self.of(table).traits

    def advantages(self, scored: Scored) -> Tensor:
        """One advantage per token, float64: [T]."""
        choice = self.of("advantage")
        if "values" in choice.traits:
            return self.judged(scored).advantages
        if "per token" in choice.traits:
            return choice(scored, self.values)
        paid = replace(scored, rewards=less_penalty(scored))
        return choice(paid, self.values)[scored.rollout]

    def judged(self, scored: Scored) -> Judged:
        """Advantages that a critic has a part in, and what it is to learn, where one is asked."""
        assert scored.values is not None, f"{self.name} asks a critic, and there is none"
        judged: Judged = self.of("advantage")(scored, self.values)
        return judged

    def weights(self, counted: Counted) -> Tensor:
        """One weight per rollout of an update, float64, which each of its tokens has: [N]."""
        return self.of("weight")(counted, self.values)

    def but(self, name: str = "", **changes: Any) -> Algorithm:
        """This algorithm with other choices or numbers, or under another name, title or paper.

        Raises RecipeError for what it does not read, and for a value that cannot be.
        """
        texts = {key: changes.pop(key) for key in _TEXTS if key in changes}
        chosen = dict(self.chosen) | {k: v for k, v in changes.items() if k in TABLES}
        for table, entry in chosen.items():
            _check_entry(self.name, table, entry)
        given = {key: value for key, value in changes.items() if key not in TABLES}
        read = _parameters(chosen)
        for key, value in given.items():
            _check_value(self.name, key, value, read)
        known = dict(self.values) | {key: _number(key, value) for key, value in given.items()}
        values = {key: known.get(key, PARAMETERS[key].default) for key in read}
        _check_beta(self.name, changes, values)
        if name:  # what is said of one algorithm does not hold for another
            texts = {"left_open": "", "elsewhere": ""} | texts
        return replace(self, name=name or self.name, chosen=chosen, values=values, **texts)


_TEXTS = ("title", "paper", "left_open", "elsewhere")


def _parameters(chosen: Mapping[str, str]) -> tuple[str, ...]:
    read = ["beta"]
    for table, entry in chosen.items():
        read += TABLES[table][entry].parameters
    return tuple(dict.fromkeys(read))


def _check_entry(name: str, table: str, entry: object) -> None:
    if not isinstance(entry, str) or entry not in TABLES[table]:
        raise RecipeError(
            f"algorithm.{table} is {_seen(entry)}", f"{name} can have: {', '.join(TABLES[table])}"
        )


def _check_value(name: str, key: str, value: object, read: Iterable[str]) -> None:
    if key not in PARAMETERS:
        raise no_such_choice(name, key, read)
    parameter = PARAMETERS[key]
    if key not in read:
        raise RecipeError(f"algorithm {name!r} does not read {key}", f"read by: {readers(key)}")
    if parameter.words:
        if not isinstance(value, str) or value not in parameter.words:
            words = ", ".join(parameter.words)
            raise RecipeError(f"algorithm.{key} is {_seen(value)}", f"it can be: {words}")
    elif isinstance(value, bool) or not isinstance(value, int if parameter.whole else (int, float)):
        kind = "whole number" if parameter.whole else "number"
        raise RecipeError(f"algorithm.{key} is {_seen(value)}", f"it is a {kind}")
    elif not parameter.least <= value <= parameter.most:
        raise RecipeError(
            f"algorithm.{key} is {value!r}",
            f"it is at least {parameter.least:g} and at most {parameter.most:g}",
        )


def no_such_choice(name: str, key: str, read: Iterable[str]) -> RecipeError:
    """The refusal of a key that no algorithm has."""
    known = (*TABLES, *read)
    return RecipeError(
        f"algorithm {name!r} has no choice {legible(key)!r}",
        f"{nearest(key, known)}known: {', '.join(known)}",
    )


def _seen(value: object) -> str:
    return legible(repr(value))


def _number(key: str, value: Value) -> Value:
    """A recipe's 1 for 1.0, where the number need not be whole."""
    parameter = PARAMETERS[key]
    return value if parameter.words or parameter.whole else float(value)


def _check_beta(name: str, changes: Mapping[str, Any], values: Mapping[str, Value]) -> None:
    for table in NEED_BETA:
        if not values["beta"] and changes.get(table, ORDINARY[table]) != ORDINARY[table]:
            raise RecipeError(
                f"algorithm.{table} is {changes[table]!r} and beta is 0: {name} reads it only with "
                "a KL term",
                "give beta, for example beta = 0.001",
            )


def readers(key: str) -> str:
    """Which choices read a number, as a recipe would write them."""
    found = [
        f"{table} = {entry}"
        for table, entries in TABLES.items()
        for entry, choice in entries.items()
        if key in choice.parameters
    ]
    return "; ".join(found) or "every algorithm"


def nearest(name: str, known: Iterable[str]) -> str:
    """The beginning of a hint: the known name that is nearest, or nothing where none is near."""
    close = difflib.get_close_matches(name, tuple(known), n=1)
    return f"the nearest is {close[0]!r}; " if close else ""
