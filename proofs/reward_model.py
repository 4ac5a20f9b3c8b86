"""Reward models on a task with known truth: how often they are right, and what their folders say.

One run: a small model learns sums, then becomes an outcome model (worked-out sums, ranked by how many
of their steps are wrong) and a process model (each step right or wrong). Held: of the held-out pairs at
least 0.95 are in the right order; of the held-out steps at least 0.9 are judged as they are; both
folders load with transformers alone and say of every answer, to 1e-4, what the run's reward says of it.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
)

from cohort.config.load import read_recipe
from cohort.policy.load import take_over
from cohort.policy.pretrained import pretrained
from cohort.rewards.outcome import Scored
from cohort.rewards.stage_model import StageModel
from cohort.train.run import train_recipe
from proofs.reward_model_rows import LARGEST, NUMBERS, ranked, stepwise

ROWS = str(Path(__file__).with_name("reward_model_rows.py"))
LEAST = {"outcome": 0.95, "process": 0.9}
MOST_APART = 1e-4
ASKED = 50
"""Answers that both ways of reading are compared on."""


def recipe(seed: int, *, steps: int) -> Any:
    """The three stages; `steps` of each reward model."""
    new = {"hidden": 128, "layers": 4, "heads": 4, "key_value_heads": 4, "feed_forward": 344}
    options = {"numbers": NUMBERS, "largest": LARGEST, "worked_share": 1.0}
    sums = {"source": "chain", "options": options, "held_out_problems": 5}
    rate = {"schedule": "cosine", "warmup_steps": 20}
    judge = {"learning_rate": 5e-4, "beta2": 0.99, **rate}
    common = {"kind": "reward-model", "steps": steps, "optimizer": judge, "examples_per_step": 16}
    outcome = {
        "name": "outcome",
        "problems": f"{ROWS}:ranked",
        "loss": "ranking",
    }
    process = {
        "name": "process",
        "problems": f"{ROWS}:stepwise",
        "supervision": "process",
        "separators": [" "],
        "steps": steps * 5 // 3,
    }
    return read_recipe(
        {
            "seed": seed,
            "threads": 1,
            "model": {"new": new},
            "stage": [
                {
                    "kind": "supervised",
                    "problems": sums,
                    "steps": min(steps, 300),
                    "optimizer": {"learning_rate": 2e-3, "beta2": 0.95, **rate},
                },
                {**common, **outcome},
                {**common, **process},
            ],
        },
        source="reward_model",
    )


def accuracies(run: Path) -> dict[str, float]:
    """The share of held-out comparisons, and of held-out steps, that each model is right about."""
    with closing(sqlite3.connect(run / "run.db")) as db:
        rows = db.execute(
            "SELECT s.name, m.value FROM metrics m JOIN stages s ON s.stage = m.stage "
            "WHERE m.name = 'held_out/accuracy'"
        ).fetchall()
    return dict(rows)


def furthest(run: Path, name: str) -> float:
    """How far what transformers alone says is from what the reward says, over some answers."""
    policy = take_over(*pretrained(str(run / "model")))
    folder = run / "stages" / name / "model"
    reward = StageModel(name)
    reward.open(folder, policy)
    rows = ranked(ASKED // 4, 7) if name == "outcome" else stepwise(ASKED, 7)
    pairs = [
        (row["prompt"], text)
        for row in rows
        for text in row.get("answers", [" ".join(row.get("steps", []))])
    ]
    said = reward(prompts=[p for p, _ in pairs], completions=[a for _, a in pairs])
    kind = (
        AutoModelForSequenceClassification if name == "outcome" else AutoModelForTokenClassification
    )
    model, tokenizer = kind.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    most = 0.0
    for (prompt, answer), own in zip(pairs, said, strict=True):
        assert isinstance(own, Scored), own
        before, after = (tokenizer(text)["input_ids"] for text in (prompt, answer))
        ids = torch.tensor([[*before, *after, tokenizer.eos_token_id]])
        with torch.no_grad():
            logits = model(input_ids=ids).logits.flatten().double()
        if isinstance(own.value, float):
            most = max(most, abs(float(logits[0]) - own.value))
            continue
        tokens = np.array(after, np.int32)
        for end, value in own.value:
            place = len(before) + policy.token_at(tokens, end)
            most = max(most, abs(float(torch.sigmoid(logits[place])) - value))
    return most


def prove(short: bool, seed: int = 1) -> dict[str, Any]:
    """The short form takes few steps, and asks of the folders alone."""
    with tempfile.TemporaryDirectory() as name:
        run = Path(name) / "run"
        made = recipe(seed, steps=10 if short else 1500)
        train_recipe(made, run=run, base=Path.cwd(), name="reward_model", quiet=True)
        found = accuracies(run)
        apart = {name: furthest(run, name) for name in LEAST}
    failures = [f"{name}: {gap:.2g} apart" for name, gap in apart.items() if not gap <= MOST_APART]
    if not short:
        failures += [
            f"{name}: right about {found[name]:.3f} of what is held out, not {least}"
            for name, least in LEAST.items()
            if found[name] < least
        ]
    asked = len(apart) + (0 if short else len(LEAST))
    return {
        "name": "reward models",
        "asked": asked,
        "held": asked - len(failures),
        "failures": failures,
        "held_out": {name: round(value, 4) for name, value in found.items()},
        "apart": {name: float(f"{value:.2g}") for name, value in apart.items()},
    }


if __name__ == "__main__":
    from proofs.command import main

    raise SystemExit(main(prove("--short" in sys.argv)))
