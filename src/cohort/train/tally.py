"""What one update is measured by, summed over its rows: means over the tokens that it trains on."""

from __future__ import annotations

import torch
from torch import Tensor

from cohort.objective import diagnostics
from cohort.objective.algorithms import Algorithm
from cohort.objective.choices_of_loss import Tokens
from cohort.objective.surrogates import ratio
from cohort.train.batch import Batch
from cohort.train.looks import Look

MISMATCH = "sampling/sampling_logp_difference"
RATIO = "sampling/importance_sampling_ratio"


class Tally:
    """Sums over the rows of one update. Names are TRL's where the thing is the same."""

    def __init__(self, batch: Batch, algorithm: Algorithm) -> None:
        self._tokens, self._algorithm = batch.tokens, algorithm
        self._sums: dict[str, float] = {}
        self._loss = 0.0
        self._gaps: list[Tensor] = []
        self.looks: list[Look] = []
        """What was seen of the tokens of each row."""

    def add(self, tokens: Tokens, loss: Tensor) -> None:
        """Count a row: its tokens, and its share in the loss."""
        self._loss += float(loss)
        self._gaps.append(tokens.old - tokens.sampler)
        found = self._by_token(tokens)
        for name, values in found.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(values.sum())
        self.looks.append(_look(tokens, found))

    def metrics(self) -> dict[str, float]:
        """The metrics of the update; of one without tokens, its loss of 0."""
        if not self._tokens:
            return {"loss": 0.0}
        gap = torch.cat(self._gaps)
        weight = ratio(gap, torch.zeros_like(gap))
        return {
            "loss": self._loss,
            **{name: total / self._tokens for name, total in self._sums.items()},
            f"{MISMATCH}/mean": float(gap.abs().mean()),
            f"{MISMATCH}/max": float(gap.abs().max()),
            f"{RATIO}/min": float(weight.min()),
            f"{RATIO}/mean": float(weight.mean()),
            f"{RATIO}/max": float(weight.max()),
            "sampling/effective_sample_share": float(diagnostics.effective_share(weight)),
        }

    def _by_token(self, tokens: Tokens) -> dict[str, Tensor]:
        algorithm = self._algorithm
        found = {"entropy": tokens.entropies.detach()}
        if algorithm.beta and not algorithm.penalizes_reward:
            found["kl"] = algorithm.of("kl")(tokens, algorithm.values).detach()
        correction = algorithm.of("correction")
        if correction.function is not None:
            found["sampling/rejected_share"] = correction(tokens, algorithm.values) == 0.0
        if not algorithm.has("surrogate", "pulls"):
            found |= self._clipped(tokens)
        return found

    def _clipped(self, tokens: Tokens) -> dict[str, Tensor]:
        algorithm = self._algorithm
        if algorithm.has("surrogate", "capped"):
            bound = float(algorithm.values["ratio_max"])
            capped = diagnostics.above(tokens.logprobs, tokens.then, ratio_max=bound)
            return {"cispo_clip_ratio": capped & (tokens.advantages > 0)}
        losses = algorithm.of("surrogate")(tokens, algorithm.values)
        dead = diagnostics.without_gradient(losses, tokens.logprobs)
        low, high = dead & (tokens.advantages < 0), dead & (tokens.advantages > 0)
        return {
            "clip_ratio/low_mean": low,
            "clip_ratio/high_mean": high,
            "clip_ratio/region_mean": low | high,
        }


def _look(tokens: Tokens, found: dict[str, Tensor]) -> Look:
    """What is kept of a row's tokens one by one."""
    moved = ratio(tokens.logprobs.detach(), tokens.then)
    clipped = found.get("clip_ratio/region_mean", found.get("cispo_clip_ratio"))
    if clipped is None:
        clipped = torch.zeros_like(moved, dtype=torch.bool)
    return moved, found["entropy"], clipped
