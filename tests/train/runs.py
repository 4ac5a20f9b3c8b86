"""A whole recipe that takes seconds: the chain task on a very small model."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from cohort.config.load import read_recipe
from cohort.config.recipe import Recipe
from cohort.train.run import train_recipe

SUPERVISED: dict[str, Any] = {
    "kind": "supervised",
    "problems": "chain",
    "steps": 3,
    "rows_per_step": 8,
    "optimizer": {"learning_rate": 3e-3},
}
REINFORCE: dict[str, Any] = {
    "kind": "reinforce",
    "problems": "chain",
    "rewards": {"length": {"words": 3}, "format": 0.5},
    "steps": 2,
    "prompts_per_step": 4,
    "rollouts_per_prompt": 4,
    "max_new_tokens": 12,
    "optimizer": {"learning_rate": 1e-3},
}
EVALUATE: dict[str, Any] = {
    "kind": "evaluate",
    "problems": {"source": "chain", "held_out_problems": 6},
    "rewards": {"correct": 1.0},
    "samples_per_problem": 2,
    "max_new_tokens": 12,
}


def recipe(*stages: Mapping[str, Any], seed: int = 1) -> Recipe:
    """A recipe with these stages and a model of some ten thousand parameters, on one thread."""
    new = {"hidden": 32, "layers": 2, "heads": 2, "key_value_heads": 1, "feed_forward": 64}
    return read_recipe(
        {"seed": seed, "threads": 1, "model": {"new": new}, "stage": [dict(s) for s in stages]},
        source="test",
    )


def run(folder: Path, *stages: Mapping[str, Any], seed: int = 1) -> Path:
    """Carry the stages out in a folder, without a word."""
    made = recipe(*stages, seed=seed)
    return train_recipe(made, run=folder, base=Path.cwd(), name="test", quiet=True)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """The trained weights of a run."""
    return load_file(folder / "model" / "model.safetensors")


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    """What a run's store answers to a query."""
    with sqlite3.connect(folder / "run.db") as db:
        return db.execute(query).fetchall()


FIRST_STEP = (
    "SELECT problem, number, tokens FROM rollouts JOIN groups ON id = group_id "
    "WHERE step = 1 ORDER BY problem, number"
)
EVERYTHING = (
    "SELECT stage, step, problem, number, tokens, logprobs, reward, advantage FROM rollouts "
    "JOIN groups ON id = group_id ORDER BY stage, step, problem, number"
)


def metrics(folder: Path, *, stage: int, step: int = 1) -> dict[str, float]:
    """All metrics of a step."""
    with sqlite3.connect(folder / "run.db") as db:
        rows = db.execute(
            "SELECT name, value FROM metrics WHERE stage = ? AND step = ?", (stage, step)
        )
        return dict(rows.fetchall())
