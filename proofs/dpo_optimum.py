"""DPO on pairs of a known preference reaches the policy that it has in closed form, within 1e-3.

Rafailov et al. 2023 (arXiv:2305.18290), eq. 4: where labels follow Bradley-Terry with a reward r, the
optimum is pi*(y) proportional to pi_ref(y) exp(r(y) / beta). Three ways to it:

- population: every pair with its exact probability, a softmax over eight answers, float64;
- sampled: labels of a thousand million pairs, drawn as the number of wins of each pair of answers;
- stage: the stage `preference` itself, a transformer in float32 and AdamW, on 400 pairs of one
  prompt. Its optimum has the reward that fits those pairs best, found beside it by Newton's method.

Seeds and bounds were fixed before the first run. Compared is the largest difference of two probabilities.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cohort.config.load import read_recipe
from cohort.config.recipe import Model
from cohort.data import keyed
from cohort.data.records import Problem
from cohort.objective.preferences import dpo_loss, dpo_margin
from cohort.policy.load import load_policy
from cohort.train.pair_rows import PairTokens, in_rows
from cohort.train.run import train_recipe
from proofs.command import main

BOUND = 1e-3
ANSWERS = 8
PAIRS = 10**9
BETAS = (0.2, 0.5, 1.0, 2.0)
SEEDS = range(1, 6)
STAGE_BETAS, STAGE_SEEDS = (0.5, 1.0), range(1, 4)
STAGE_ANSWERS = ("2", "3", "4", "5")
STAGE_ROWS, STAGE_STEPS = 400, 300

Floats = NDArray[np.float64]


def prove(short: bool, seed: int) -> dict[str, object]:
    """All betas and seeds in all three ways (short: one of each)."""
    found: dict[str, list[float]] = {"population": [], "sampled": [], "stage": []}
    failures = []
    for way, betas, seeds in (
        ("population", BETAS, SEEDS),
        ("sampled", BETAS, SEEDS),
        ("stage", STAGE_BETAS, STAGE_SEEDS),
    ):
        for beta in betas[:1] if short else betas:
            for one in list(seeds)[:1] if short else seeds:
                gap = _of_stage(beta, one) if way == "stage" else _tabular(beta, one, way)
                found[way].append(gap)
                if not gap <= BOUND:
                    failures.append(f"{way}, beta {beta}, seed {one}: {gap:.2e}")
    asked = sum(map(len, found.values()))
    return {
        "name": "DPO's optimum",
        "asked": asked,
        "held": asked - len(failures),
        "largest difference": {way: float(f"{max(gaps):.2e}") for way, gaps in found.items()},
        "cases": {way: len(gaps) for way, gaps in found.items()},
        "failures": failures,
    }


def _tabular(beta: float, seed: int, way: str) -> float:
    """A softmax over a table of answers, trained on weighted pairs; its distance from the optimum."""
    draw = keyed.generator(seed, "dpo optimum")
    reference = torch.from_numpy(draw.normal(size=ANSWERS)).log_softmax(0)
    reward = draw.uniform(-1.0, 1.0, size=ANSWERS)
    prefers = 1.0 / (1.0 + np.exp(reward[None, :] - reward[:, None]))
    if way == "population":
        drawn = reference.exp().numpy()
        weights = drawn[:, None] * drawn[None, :] * prefers
    else:
        weights = _wins(prefers, PAIRS, draw)
    trained = _trained(reference, weights, beta)
    optimum = (reference + torch.from_numpy(reward) / beta).softmax(0)
    return float((trained - optimum).abs().max())


def _wins(prefers: Floats, pairs: int, draw: np.random.Generator) -> Floats:
    """How often each answer won against each other one, of so many pairs drawn alike."""
    places = [(i, j) for i in range(len(prefers)) for j in range(i)]
    met = draw.multinomial(pairs, [1.0 / len(places)] * len(places))
    wins = np.zeros_like(prefers)
    for (i, j), times in zip(places, met, strict=True):
        wins[i, j] = draw.binomial(times, prefers[i, j])
        wins[j, i] = times - wins[i, j]
    return wins


def _trained(reference: Tensor, weights: Floats, beta: float) -> Tensor:
    """The policy at the least mean DPO loss, from the reference on, by its gradient."""
    logits = reference.clone().requires_grad_()
    chosen, rejected = (torch.from_numpy(part) for part in np.nonzero(weights))
    share = torch.from_numpy(weights / weights.sum())[chosen, rejected]
    optimizer = torch.optim.LBFGS(
        [logits], max_iter=2000, tolerance_grad=1e-13, tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def loss() -> Tensor:
        optimizer.zero_grad()
        own = logits.log_softmax(0)
        pairs = own[chosen], own[rejected], reference[chosen], reference[rejected]
        value = (share * dpo_loss(dpo_margin(*pairs, beta=beta))).sum()
        value.backward()
        return value

    for _ in range(5):
        optimizer.step(loss)
    return logits.detach().softmax(0)


def _of_stage(beta: float, seed: int) -> float:
    """The same of the stage itself: a transformer's answers to one prompt."""
    draw = keyed.generator(seed, "dpo optimum", "stage")
    reward = draw.uniform(-1.0, 1.0, size=len(STAGE_ANSWERS))
    prefers = 1.0 / (1.0 + np.exp(reward[None, :] - reward[:, None]))
    wins = _wins(prefers, STAGE_ROWS, draw)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [
            json.dumps({"prompt": "1+1=", "chosen": STAGE_ANSWERS[i], "rejected": STAGE_ANSWERS[j]})
            for i, j in np.argwhere(wins)
            for _ in range(int(wins[i, j]))
        ]
        (folder / "pairs.jsonl").write_text("\n".join(rows))
        before = _distribution(_run(folder, "before", seed, []))
        stage = _stage(folder / "pairs.jsonl", beta)
        after = _distribution(_run(folder, "after", seed, [stage]))
    fitted = torch.from_numpy(_fitted(wins))
    return float((after.softmax(0) - (before + fitted / beta).softmax(0)).abs().max())


def _fitted(wins: Floats) -> Floats:
    """The reward that makes these wins the likeliest under Bradley-Terry, by Newton's method."""
    reward, met = np.zeros(len(wins)), wins + wins.T
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(reward[None, :] - reward[:, None]))
        slope = (wins - met * p).sum(1)
        spread = met * p * (1.0 - p)
        curve = np.diag(spread.sum(1)) - spread
        reward = reward + np.linalg.pinv(curve) @ slope
    return reward - reward.mean()


def _stage(file: Path, beta: float) -> dict[str, object]:
    return {
        "kind": "preference", "problems": str(file), "steps": STAGE_STEPS, "beta": beta,
        "pairs_per_step": STAGE_ROWS, "evaluate_every": STAGE_STEPS, "tokens_per_microbatch": 4096,
        "optimizer": {"learning_rate": 3e-3, "schedule": "linear"},
    }  # fmt: skip


def _run(folder: Path, name: str, seed: int, stages: list[dict[str, object]]) -> Path:
    new = {"hidden": 32, "layers": 2, "heads": 2, "key_value_heads": 1, "feed_forward": 48}
    first = {"kind": "supervised", "problems": "chain", "steps": 5, "rows_per_step": 8,
             "optimizer": {"learning_rate": 3e-3}}  # fmt: skip
    recipe = read_recipe(
        {"seed": seed, "threads": 1, "model": {"new": new}, "stage": [first, *stages]},
        source="proof",
    )
    return train_recipe(recipe, run=folder / name, base=folder, name=name, quiet=True)


def _distribution(run: Path) -> Tensor:
    """The log-probability of each answer, float64, up to what they share."""
    policy = load_policy(Model(path=str(run / "model")), vocabulary=[], seed=1)
    prompt = policy.prompt_tokens(Problem("p", "1+1="))
    answers = [policy.completion_tokens(text) for text in STAGE_ANSWERS]
    pairs = [PairTokens("p", prompt, answer, answer) for answer in answers]
    laid = in_rows(pairs, policy, tokens_per_row=4096)
    (row,) = laid.rows
    with torch.no_grad():
        logprobs = policy.logprobs(row)[0].double()
    totals = torch.zeros(2 * len(answers), dtype=torch.float64)
    return totals.index_add_(0, laid.owner[torch.from_numpy(row.flat)], logprobs)[::2]


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv, seed=1)))
