"""`cohort.train(...)`: a recipe's fields as keyword arguments, and functions where it has names.

    run = cohort.train(
        model="Qwen/Qwen2.5-0.5B-Instruct",
        problems=[{"prompt": "2+3=", "answer": "5"}, ...],
        rewards=[my_reward],
        steps=50,
    )

For several stages give `stages=[{...}, {...}]`, each with the keys of a recipe's `[[stage]]`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cohort.config.load import read_recipe
from cohort.errors import RecipeError
from cohort.train.plan import Given
from cohort.train.run import train_recipe

Rewards = Mapping[str, Any] | Sequence[str | Callable[..., object]]
ProblemRows = str | Mapping[str, Any] | Iterable[Mapping[str, Any]]


def train(  # noqa: PLR0913  # a front door: keywords only, each documented
    *,
    model: str | Mapping[str, Any],
    problems: ProblemRows | None = None,
    rewards: Rewards | None = None,
    stages: Sequence[Mapping[str, Any]] | None = None,
    seed: int = 1,
    threads: int = 0,
    run: str | Path | None = None,
    name: str = "run",
    quiet: bool = False,
    profile: int | None = None,
    accept_changes: bool = False,
    checkpoints: Mapping[str, Any] | None = None,
    track: Mapping[str, Any] | None = None,
    **stage: Any,
) -> Path:
    """Train, and return the run's folder; raises CohortError as the command does.

    model: a folder, a hub name, or a table such as `{"new": {"hidden": 64}}`.
    problems: what a recipe's `problems` can be, or rows: an iterable of mappings.
    rewards: functions with TRL's signature, names, or a mapping of either to weights or tables.
    profile: how many reinforce steps to measure; the report says what their time went into.
    checkpoints: the table of a recipe, such as `{"every_seconds": 600}`.
    track: the table of a recipe, such as `{"to": ["tensorboard"]}`.
    accept_changes: go on with the run in `run` also where something it depends on has changed.
    stages: the stages of a recipe; without it there is one, `kind` "reinforce" unless given.
    Every further keyword is a key of that one stage, for example `steps=50`.
    """
    if stages is None:
        one = {"kind": "reinforce", **stage}
        if problems is not None:
            one["problems"] = problems
        if rewards is not None:
            one["rewards"] = rewards
        stages = [one]
    elif stage or problems is not None or rewards is not None:
        given = ", ".join([*stage, *(["problems"] if problems is not None else [])]) or "rewards"
        raise RecipeError(f"stages and {given} are both given", "put it into the stage it is for")
    objects = _Objects()
    tables = [objects.replaced(table) for table in stages]
    data = {"seed": seed, "threads": threads, "model": model, "stage": tables}
    if checkpoints is not None:
        data["checkpoints"] = dict(checkpoints)
    if track is not None:
        data["track"] = dict(track)
    return train_recipe(
        read_recipe(data, source="cohort.train"),
        run=None if run is None else Path(run),
        base=Path.cwd(),
        name=name,
        quiet=quiet,
        given=Given(objects.functions, objects.rows),
        profile=profile,
        accept_changes=accept_changes,
    )


class _Objects:
    """The functions and rows among the arguments, and the names that stand for them in the recipe."""

    def __init__(self) -> None:
        self.functions: dict[str, Callable[..., object]] = {}
        self.rows: dict[str, list[Mapping[str, Any]]] = {}

    def replaced(self, stage: Mapping[str, Any]) -> dict[str, Any]:
        """A stage whose functions and rows are names."""
        table = dict(stage)
        if "rewards" in table:
            table["rewards"] = self._rewards(table["rewards"])
        if "problems" in table and not isinstance(table["problems"], (str, Mapping)):
            key = f"rows-{len(self.rows) + 1}"
            self.rows[key] = [dict(row) for row in table["problems"]]
            table["problems"] = key
        return table

    def _rewards(self, rewards: Rewards) -> dict[str, Any]:
        weighted = rewards if isinstance(rewards, Mapping) else dict.fromkeys(rewards, 1.0)
        return {self._name(reward): weight for reward, weight in weighted.items()}

    def _name(self, reward: str | Callable[..., object]) -> str:
        if isinstance(reward, str):
            return reward
        name = getattr(reward, "__name__", type(reward).__name__)
        if self.functions.setdefault(name, reward) is not reward:
            raise RecipeError(f"two reward functions are called {name}", "rename one of them")
        return name
