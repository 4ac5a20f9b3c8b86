"""From scored groups to one or more optimizer updates: the whole of GRPO's second half.

The groups become flat arrays over the sampled tokens of the step (`prepare`), before any forward
pass. Only then is the step cut into rows; advantages and weights are already counted, so how it is
cut cannot change the loss. Answers that carry no gradient are left out of the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from cohort.data.packing import Family, Member, Row, cut, pack
from cohort.data.records import Group
from cohort.objective import diagnostics
from cohort.objective.algorithms import Algorithm
from cohort.objective.loss import policy_loss
from cohort.policy.policy import Policy
from cohort.train.optim import Updater


@dataclass(frozen=True, slots=True)
class Batch:
    """A step as flat arrays over the T sampled tokens that carry a gradient, and its rows."""

    rows: tuple[Row, ...]
    advantages: Tensor
    weights: Tensor
    sampler_logprobs: Tensor

    @property
    def tokens(self) -> int:
        """Sampled tokens that are trained on."""
        return len(self.advantages)

    def select(self, values: Tensor, row: Row) -> Tensor:
        """The entries of a flat array that a row computes, in the row's order."""
        return values.index_select(0, torch.from_numpy(row.flat).to(values.device))


def with_advantages(groups: Sequence[Group], algorithm: Algorithm) -> list[Group]:
    """The groups with an advantage per rollout.

    Rollouts without a score have none and enter no mean; a group with fewer than two scored
    rollouts cannot say which is better, and has advantages of 0.
    """
    counted = _counted(groups)
    if not counted:
        return [replace(g, advantages=(0.0,) * len(g.rollouts)) for g in groups]
    rewards = torch.tensor([groups[g].rewards[r] for g, r in counted], dtype=torch.float64)
    values = algorithm.advantages(rewards, torch.tensor([g for g, _ in counted])).tolist()
    table = dict(zip(counted, values, strict=True))
    return [
        replace(
            group,
            advantages=tuple(table.get((g, r), 0.0) for r in range(len(group.rollouts))),
        )
        for g, group in enumerate(groups)
    ]


def prepare(
    groups: Sequence[Group],
    algorithm: Algorithm,
    *,
    tokens_per_microbatch: int,
    device: torch.device,
) -> Batch:
    """Groups with advantages as flat arrays and rows.

    Weights count every scored rollout of the step; then the rollouts whose advantage is 0 are left
    out, unless the KL gives them a gradient. That is exact: their share of the gradient is 0.
    """
    counted = _counted(groups)
    lengths = torch.tensor([len(groups[g].rollouts[r].tokens) for g, r in counted])
    index = torch.tensor([g for g, _ in counted])
    weights = algorithm.weights(lengths, index).tolist() if counted else []
    families: dict[int, list[Member]] = {}
    parts: list[tuple[int, float, float]] = []
    logprobs: list[np.ndarray] = []
    offset = 0
    for (g, r), weight in zip(counted, weights, strict=True):
        rollout, advantage = groups[g].rollouts[r], groups[g].advantages[r]
        if advantage == 0.0 and algorithm.beta == 0.0:
            continue
        families.setdefault(g, []).append(Member(rollout.tokens, offset))
        parts.append((len(rollout.tokens), advantage, weight))
        logprobs.append(rollout.logprobs)
        offset += len(rollout.tokens)
    kept = [Family(groups[g].prompt_tokens, tuple(members)) for g, members in families.items()]
    repeats = torch.tensor([n for n, _, _ in parts], dtype=torch.long)
    return Batch(
        rows=tuple(pack(row) for row in cut(kept, tokens_per_row=tokens_per_microbatch)),
        advantages=_flat([a for _, a, _ in parts], repeats, device),
        weights=_flat([w for _, _, w in parts], repeats, device),
        sampler_logprobs=torch.from_numpy(
            np.concatenate(logprobs) if logprobs else np.zeros(0, dtype=np.float32)
        ).to(device),
    )


def learn(
    policy: Policy,
    batch: Batch,
    algorithm: Algorithm,
    *,
    updater: Updater,
    updates: int,
    temperature: float,
    reference: Policy | None = None,
) -> dict[str, float]:
    """One or more updates on the same batch; the metrics are the means over the updates.

    With one update the ratio is 1 and `old` is the policy's own; with more, its log-probabilities
    from before the first update are computed once. The sampler's are only compared with.
    """
    fixed = None
    if reference is not None:
        fixed = no_grad_logprobs(reference, batch, temperature=temperature)
    old = no_grad_logprobs(policy, batch, temperature=temperature) if updates > 1 else None
    seen = []
    for _ in range(updates):
        updater.clear()
        tally = _Tally(batch, algorithm)
        for row in batch.rows:
            logprobs, entropy = policy.logprobs(row, temperature=temperature)
            part = _Part(batch, row, old=old, reference=fixed)
            loss = policy_loss(
                algorithm,
                logprobs,
                old=part.old,
                advantages=part.advantages,
                weights=part.weights,
                reference=part.reference,
            )
            loss.backward()
            tally.add(part, logprobs.detach(), entropy.detach(), loss.detach())
        seen.append(tally.metrics() | updater.update())
    updater.clear()
    mismatch = {k: v for k, v in seen[0].items() if k.startswith("sampling/")}
    means = {k: sum(s[k] for s in seen) / len(seen) for k in seen[0]}
    return means | mismatch


def no_grad_logprobs(policy: Policy, batch: Batch, *, temperature: float) -> Tensor:
    """A policy's log-probabilities of all tokens of the batch, as a flat array, no gradient."""
    flat = torch.zeros_like(batch.sampler_logprobs)
    with torch.no_grad():
        for row in batch.rows:
            logprobs, _ = policy.logprobs(row, temperature=temperature)
            flat[torch.from_numpy(row.flat).to(flat.device)] = logprobs
    return flat


class _Part:
    """The flat arrays' entries that one row computes."""

    def __init__(
        self, batch: Batch, row: Row, *, old: Tensor | None, reference: Tensor | None
    ) -> None:
        self.advantages = batch.select(batch.advantages, row)
        self.weights = batch.select(batch.weights, row)
        self.sampler = batch.select(batch.sampler_logprobs, row)
        self.old = None if old is None else batch.select(old, row)
        self.reference = None if reference is None else batch.select(reference, row)


class _Tally:
    """Sums over the rows of one update, for the metrics of the whole step."""

    def __init__(self, batch: Batch, algorithm: Algorithm) -> None:
        self._tokens, self._algorithm = batch.tokens, algorithm
        self._sums: dict[str, float] = {}
        self._largest_gap = 0.0

    def add(self, part: _Part, logprobs: Tensor, entropy: Tensor, loss: Tensor) -> None:
        gap = (logprobs - part.sampler).abs()
        self._largest_gap = max(self._largest_gap, float(gap.max()))
        sums = {
            "entropy": entropy.sum(),
            "sampling/sampling_logp_difference/mean": gap.sum(),
        }
        if part.reference is not None:
            sums["kl"] = self._algorithm.divergence(logprobs, part.reference).sum()
        if part.old is not None:
            bounds = self._algorithm
            low = diagnostics.clipped_low(
                logprobs, part.old, part.advantages, clip_low=bounds.clip_low
            )
            high = diagnostics.clipped_high(
                logprobs, part.old, part.advantages, clip_high=bounds.clip_high
            )
            sums["clip_ratio/low_mean"], sums["clip_ratio/high_mean"] = low.sum(), high.sum()
            sums["clip_ratio/region_mean"] = low.sum() + high.sum()
        for name, value in sums.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value) / self._tokens
        self._sums["loss"] = self._sums.get("loss", 0.0) + float(loss)

    def metrics(self) -> dict[str, float]:
        if not self._tokens:
            return {"loss": 0.0}
        return self._sums | {"sampling/sampling_logp_difference/max": self._largest_gap}


def _counted(groups: Sequence[Group]) -> list[tuple[int, int]]:
    """Group and rollout numbers that have a score, in groups where at least two have."""
    return [
        (g, r)
        for g, group in enumerate(groups)
        if sum(reward is not None for reward in group.rewards) >= 2
        for r, reward in enumerate(group.rewards)
        if reward is not None
    ]


def _flat(values: list[float], repeats: Tensor, device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).repeat_interleave(repeats).to(device)
