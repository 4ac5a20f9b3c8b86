"""What a critic says of a step before anything is learned from it, and how good that was."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cohort.config import critic as config
from cohort.config.references import stage_of
from cohort.data import keyed
from cohort.data.records import Group, Rollout
from cohort.policy.policy import Policy
from cohort.policy.valued import Reads, load_valued, valued_from, with_an_end
from cohort.train.batch import Cutting, rows_of
from cohort.train.credit import Credit, Said
from cohort.train.critic import Critic, Head, HeadCritic, OwnCritic
from cohort.train.products import MODEL, Products

HEAD_SCALE = 0.1
"""The length of a new head's weights: what it says at first is small, and yet no update is ten times it."""


def new_critic(
    asked: config.Critic | None,
    policy: Policy,
    *,
    products: Products | None,
    key: tuple[keyed.Part, ...],
    updates: int,
) -> Critic | None:
    """The critic that a stage begins with; None where it has none.

    products: where the reward models of earlier stages are. key: names what a new head is drawn from.
    """
    if asked is None:
        return None
    if asked.kind == "head":
        draws = keyed.generator(*key).standard_normal(policy.head[0].shape[1])
        weight = torch.from_numpy(HEAD_SCALE * draws / np.linalg.norm(draws)).float()
        return HeadCritic(Head(weight.to(policy.device)), policy, asked, updates=updates)
    if not asked.start:
        return OwnCritic(valued_from(policy, "token"), asked, updates=updates)
    assert products is not None, "a critic that begins as a reward model, outside of a run"
    folder = products.of(stage_of(asked.start), MODEL)
    valued = load_valued(folder, _reads(folder), policy.tokenizer)
    cast(nn.Module, valued.model).to(policy.device)
    return OwnCritic(valued, asked, updates=updates)


def _reads(folder: Path) -> Reads:
    """Which of its two classes a reward model was saved as; a critic reads both at every token."""
    (name,) = json.loads((folder / "config.json").read_text(encoding="utf-8"))["architectures"]
    return "token" if name.endswith("ForTokenClassification") else "sequence"


def ask(
    critic: Critic, groups: Sequence[Group], places: Sequence[tuple[int, int]], cutting: Cutting
) -> Said:
    """The critic's values of these rollouts, no gradient; of one that was cut also what comes after it.

    Of an episode, those of the tokens that were sampled: what it was shown lies between two of them, so the
    value after a turn is that of the next turn's first token, which has seen it.
    """
    chosen = [groups[g].rollouts[r] for g, r in places]
    answers = [
        with_an_end(rollout.tokens, int(rollout.tokens[-1]))
        if _was_cut(rollout)
        else rollout.tokens
        for rollout in chosen
    ]
    flat = torch.zeros(sum(map(len, answers)), dtype=torch.float64)
    with torch.no_grad():
        for row in rows_of(groups, places, cutting, answers):
            flat[torch.from_numpy(row.flat)] = critic.values(row).double().cpu()
    parts = flat.split([len(answer) for answer in answers])
    values = [
        part[: len(rollout.tokens)][torch.from_numpy(rollout.sampled)]
        for part, rollout in zip(parts, chosen, strict=True)
    ]
    after = [
        part[-1] if _was_cut(rollout) else torch.zeros((), dtype=torch.float64)
        for part, rollout in zip(parts, chosen, strict=True)
    ]
    none = torch.zeros(0, dtype=torch.float64)
    return Said(torch.cat([none, *values]), torch.stack(after) if after else none)


def _was_cut(rollout: Rollout) -> bool:
    return rollout.stop == "length"


def describe_values(credit: Credit) -> dict[str, float]:
    """How the values of a step's tokens agree with what they are to be, before anything is learned.

    explained variance = 1 - var(R - V) / var(R)
    """
    if not credit.targets:
        return {}
    values, targets = (_joined(parts) for parts in (credit.values, credit.targets))
    found = {"val/mean": float(values.mean()), "val/returns": float(targets.mean())}
    spread = float(targets.var(correction=0))
    if spread > 0.0:
        left = float((targets - values).var(correction=0))
        found["val/explained_variance"] = 1.0 - left / spread
    return found


def _joined(parts: Sequence[NDArray[np.float64]]) -> Tensor:
    return torch.from_numpy(np.concatenate(parts))
