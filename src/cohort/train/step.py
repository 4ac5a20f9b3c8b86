"""One or more optimizer updates on the groups of a step: the whole of GRPO's second half.

The step is already flat: which tokens count, with which advantage and weight, was settled before any
forward pass (`credit`, `batch`). Here are the passes, and what is measured on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from cohort.data import keyed
from cohort.data.packing import Row
from cohort.errors import NotFiniteError
from cohort.objective import diagnostics
from cohort.objective.algorithms import Algorithm
from cohort.objective.choices_of_loss import Tokens
from cohort.objective.entropy import clip_cov, covariances, kl_cov, most_uncertain
from cohort.objective.loss import policy_loss
from cohort.policy.policy import Policy
from cohort.train.batch import Batch, no_grad_logprobs, temperature_of
from cohort.train.clock import Clock
from cohort.train.critic import Critic
from cohort.train.looks import Looks
from cohort.train.optim import Updater
from cohort.train.tally import Tally


@dataclass(frozen=True, slots=True)
class Beside:
    """What stands beside the policy in an update: what it is held to, what learns with it, what looks on."""

    reference: Policy | None = None
    critic: Critic | None = None
    looks: Looks | None = None


ALONE = Beside()


def learn(
    policy: Policy,
    batches: Sequence[Batch],
    algorithm: Algorithm,
    *,
    updater: Updater,
    passes: int = 1,
    beside: Beside = ALONE,
    key: tuple[keyed.Part, ...] = (),
    clock: Clock | None = None,
) -> dict[str, float]:
    """`passes` times an update on each batch; the metrics are the means over the updates.

    With one update the ratio is 1 and `old` is the policy's own; with more, its log-probabilities
    from before the first update are computed once. A critic makes an update of its own after each.
    `key` names what is drawn for Clip-Cov; `clock` is told what is done when.
    """
    clock = clock or Clock()
    fixed: list[Tensor | None] = [None] * len(batches)
    reference, critic = beside.reference, beside.critic
    if reference is not None and algorithm.beta and not algorithm.penalizes_reward:
        with clock.phase("reference_logprobs"):
            fixed = [no_grad_logprobs(reference, batch)[0] for batch in batches]
    old: list[Tensor | None] = [None] * len(batches)
    if passes * len(batches) > 1:
        with clock.phase("old_logprobs"):
            old = [no_grad_logprobs(policy, batch)[0] for batch in batches]
    seen = []
    with clock.phase("update"):
        for number in range(passes * len(batches)):
            place = number % len(batches)
            of_batch = _OfBatch(policy, batches[place], algorithm, old[place], fixed[place], critic)
            metrics = of_batch.update(updater, (*key, number), beside.looks)
            seen.append(metrics | (critic.learn(batches[place]) if critic else {}))
    return _means(seen)


def learn_values(
    critic: Critic, batches: Sequence[Batch], *, passes: int, clock: Clock
) -> dict[str, float]:
    """`passes` times an update of the critic on each batch; the policy stays as it is."""
    with clock.phase("update"):
        return _means([critic.learn(batch) for _ in range(passes) for batch in batches])


@dataclass(frozen=True, slots=True)
class _OfBatch:
    """An update of the policy, given its log-probabilities from before and those of the reference."""

    policy: Policy
    batch: Batch
    algorithm: Algorithm
    old: Tensor | None
    fixed: Tensor | None
    critic: Critic | None

    def update(
        self, updater: Updater, key: tuple[keyed.Part, ...], looks: Looks | None
    ) -> dict[str, float]:
        """Make it; its metrics. No gradient is left behind."""
        batch = self.batch
        chosen = _chosen(self.policy, batch, self.algorithm, old=self.old, key=key)
        updater.clear()
        tally = Tally(batch, self.algorithm)
        for tokens, loss in updater.add_gradient(batch.rows, partial(self._loss, chosen)):
            _check_finite(batch, tokens, loss)
            tally.add(tokens, loss)
        metrics = tally.metrics() | updater.update()
        updater.clear()
        if looks is not None:
            looks.see(batch, tally.looks)
        return metrics

    def _loss(self, chosen: Tensor | None, row: Row) -> tuple[Tensor, tuple[Tokens, Tensor]]:
        """A row's share in the loss; and its tokens with the policy's share, to be counted."""
        states = self.policy.states(row)
        tokens = self._tokens(states, chosen, row)
        loss = policy_loss(self.algorithm, tokens)
        seen = tokens, loss.detach()
        if self.critic is not None:
            loss = loss + self.critic.beside(self.batch, row, states)
        return loss, seen

    def _tokens(self, states: Tensor, chosen: Tensor | None, row: Row) -> Tokens:
        batch, fixed = self.batch, self.fixed
        heat = temperature_of(batch, row)
        logprobs, entropies = self.policy.logprobs_from(states, row, temperature=heat)
        then = logprobs.detach() if self.old is None else batch.select(self.old, row)
        sampler = batch.select(batch.sampler_logprobs, row)
        return Tokens(
            logprobs=logprobs,
            entropies=entropies,
            old=then,
            sampler=sampler,
            then=sampler if self.algorithm.chosen["behaviour"] == "sampler" else then,
            advantages=batch.select(batch.advantages, row),
            weights=batch.select(batch.weights, row),
            rollout=batch.select(batch.rollout, row),
            reference=None if fixed is None else batch.select(fixed, row),
            chosen=None if chosen is None else batch.select(chosen, row),
        )


LOOKED_AT = {
    "sampler": "the sampler's log-probability",
    "old": "the old log-probability",
    "reference": "the reference's log-probability",
    "logprobs": "the policy's log-probability",
    "entropies": "the policy's entropy",
    "advantages": "the advantage",
    "weights": "the weight",
}
"""The inputs of a loss, in the order in which they came about, and what they are."""


def _check_finite(batch: Batch, tokens: Tokens, loss: Tensor) -> None:
    """Raise NotFiniteError where a row's loss, or anything that it is made of, is not finite."""
    for name, what in LOOKED_AT.items():
        values = getattr(tokens, name)
        if values is None or bool(torch.isfinite(values).all()):
            continue
        first = int((~torch.isfinite(values)).nonzero()[0, 0])
        problem = batch.problems[int(tokens.rollout[first])] if batch.problems else "?"
        raise NotFiniteError(
            f"{what} of problem {problem!r} has the value {float(values[first])}",
            "look at this problem and its rewards; lower the learning rate where it is the policy's",
        )
    if not bool(torch.isfinite(loss)):
        raise NotFiniteError(
            f"the loss has the value {float(loss)}, made of numbers that are finite",
            "lower the advantages or the learning rate",
        )


def _means(seen: Sequence[dict[str, float]]) -> dict[str, float]:
    """Each metric's mean over the updates that have it; how far the sampler is, from the first."""
    names = dict.fromkeys(name for metrics in seen for name in metrics)
    means = {}
    for name in names:
        own = [metrics[name] for metrics in seen if name in metrics]
        means[name] = own[0] if name.startswith("sampling/") else sum(own) / len(own)
    return means


def _chosen(
    policy: Policy,
    batch: Batch,
    algorithm: Algorithm,
    *,
    old: Tensor | None,
    key: tuple[keyed.Part, ...],
) -> Tensor | None:
    """Which tokens the entropy's part picks, asked of all tokens of the update at once."""
    if not algorithm.has("entropy", "all tokens") or not batch.tokens:
        return None
    logprobs, entropies = no_grad_logprobs(policy, batch)
    values = algorithm.values
    if algorithm.chosen["entropy"] == "most-uncertain":
        return most_uncertain(entropies, share=float(values["entropy_share"]))
    covariance = covariances(logprobs, batch.advantages)
    share = float(values["covariance_share"])
    if algorithm.chosen["entropy"] == "kl-cov":
        return kl_cov(covariance, share=share)
    draws = torch.from_numpy(keyed.uniforms(batch.tokens, *key, "clip-cov")).to(covariance)
    return clip_cov(
        covariance,
        _not_clipped(algorithm, batch, logprobs, logprobs if old is None else old),
        draws,
        low=float(values["covariance_low"]),
        high=float(values["covariance_high"]),
        share=share,
    )


def _not_clipped(algorithm: Algorithm, batch: Batch, logprobs: Tensor, old: Tensor) -> Tensor:
    """Tokens that the surrogate has not let go of already."""
    then = batch.sampler_logprobs if algorithm.chosen["behaviour"] == "sampler" else old
    tokens = Tokens(
        logprobs=logprobs.requires_grad_(),
        entropies=logprobs,
        old=old,
        sampler=batch.sampler_logprobs,
        then=then,
        advantages=batch.advantages,
        weights=batch.weights,
        rollout=batch.rollout,
    )
    losses = algorithm.of("surrogate")(tokens, algorithm.values)
    return ~diagnostics.without_gradient(losses, tokens.logprobs)
