"""The counted rollouts of a step as flat arrays over sampled tokens, and the rows they are computed in.

Weights count every rollout of an update; only then are those left out that carry no gradient, which
is exact. How an update is cut into rows cannot change its loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cohort.data.episodes import Piece, pieces
from cohort.data.packing import Family, Member, Row, pack
from cohort.data.records import Group
from cohort.objective.algorithms import Algorithm
from cohort.objective.choices_of_credit import Counted
from cohort.policy.policy import Policy
from cohort.train.credit import Credit
from cohort.train.rows import even_cut


@dataclass(frozen=True, slots=True)
class Batch:
    """One update as flat arrays over its T sampled tokens that carry a gradient, and its rows.

    rollout: [T], whose each token is; each piece of an episode whose context was written anew counts as
    one there. problems: of each of them, the id of its problem.
    values, targets: [T], what a critic said of each token, and what it is to learn; empty without one.
    places, lengths: group and rollout number of each rollout, and how many of the T tokens are its.
    """

    rows: tuple[Row, ...]
    advantages: Tensor
    weights: Tensor
    sampler_logprobs: Tensor
    temperatures: Tensor
    rollout: Tensor
    values: Tensor
    targets: Tensor
    problems: tuple[str, ...] = ()
    places: tuple[tuple[int, int], ...] = ()
    lengths: tuple[int, ...] = ()

    @property
    def tokens(self) -> int:
        """Sampled tokens that are trained on."""
        return len(self.advantages)

    def select(self, values: Tensor, row: Row) -> Tensor:
        """The entries of a flat array that a row computes, in the row's order."""
        return values.index_select(0, torch.from_numpy(row.flat).to(values.device))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutting:
    """How a step is cut: into updates, and these into rows.

    minibatches: updates that share the groups among them. budget_tokens: the most an answer may
    have, which Dr. GRPO divides by.
    """

    tokens_per_microbatch: int
    budget_tokens: int
    device: torch.device
    minibatches: int = 1


def prepare(credit: Credit, algorithm: Algorithm, cutting: Cutting) -> list[Batch]:
    """The step's updates: its counted groups in order, shared out as evenly as can be."""
    numbers = list(dict.fromkeys(group for group, _ in credit.places))
    share = [set(part) for part in np.array_split(numbers, cutting.minibatches)]
    return [
        _batch(
            credit,
            [n for n, (group, _) in enumerate(credit.places) if group in own],
            algorithm,
            cutting,
        )
        for own in share
    ]


def whole_step(
    groups: Sequence[Group], places: Sequence[tuple[int, int]], cutting: Cutting
) -> Batch:
    """All tokens of these rollouts, in order, without weights: to ask a policy about them."""
    zeros = [np.zeros(len(groups[g].rollouts[r].logprobs)) for g, r in places]
    credit = Credit(list(groups), list(places), zeros)
    return _flat(credit, range(len(zeros)), [0.0] * len(zeros), cutting)


def rows_of(
    groups: Sequence[Group],
    places: Sequence[tuple[int, int]],
    cutting: Cutting,
    answers: Sequence[NDArray[np.int32]] | None = None,
) -> tuple[Row, ...]:
    """The rows in which the answers at these places are computed; flat arrays go by places.

    answers: other ones in the places of theirs, of which every token counts. What goes on from a context
    of its own is a family of its own.
    """
    families: dict[int, list[Member]] = {}
    afresh: dict[int, list[Family]] = {}
    offset = 0
    for number, (g, r) in enumerate(places):
        whole = pieces(groups[g].rollouts[r]) if answers is None else [Piece(None, answers[number])]
        for piece in whole:
            member = Member(piece.tokens, offset, piece.sampled)
            if piece.context is None:
                families.setdefault(g, []).append(member)
            else:
                afresh.setdefault(g, []).append(Family(piece.context, (member,)))
            offset += piece.count
    kept = []
    for g, members in families.items():
        kept += [Family(groups[g].prompt_tokens, tuple(members)), *afresh.get(g, ())]
    cut = even_cut(kept, tokens_per_row=cutting.tokens_per_microbatch, device=cutting.device)
    return tuple(pack(row) for row in cut)


def _batch(credit: Credit, numbers: Sequence[int], algorithm: Algorithm, cutting: Cutting) -> Batch:
    places = [credit.places[n] for n in numbers]
    advantages = [credit.advantages[n] for n in numbers]
    weights: list[float] = []
    if places:
        counted = Counted(
            lengths=torch.tensor([len(part) for part in advantages]),
            group=torch.tensor([group for group, _ in places]),
            budget_tokens=cutting.budget_tokens,
        )
        weights = algorithm.weights(counted).tolist()
    live = [
        n
        for n, part in enumerate(advantages)
        if not algorithm.drops_dead_tokens or bool(part.any())
    ]
    return _flat(credit, [numbers[n] for n in live], [weights[n] for n in live], cutting)


def _flat(
    credit: Credit, numbers: Sequence[int], weights: Sequence[float], cutting: Cutting
) -> Batch:
    """These of the counted rollouts, with their weights."""
    groups, places = credit.groups, [credit.places[n] for n in numbers]
    chosen = [groups[g].rollouts[r] for g, r in places]
    parts = [(g, piece.count) for g, r in places for piece in pieces(groups[g].rollouts[r])]
    lengths = torch.tensor([len(rollout.logprobs) for rollout in chosen], dtype=torch.long)
    device = cutting.device

    def by_token(values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32).repeat_interleave(lengths).to(device)

    def joined(parts: Sequence[NDArray[np.float64]]) -> Tensor:
        return _joined([parts[n] for n in numbers] if parts else [], device)

    return Batch(
        rows=rows_of(groups, places, cutting),
        advantages=joined(credit.advantages),
        weights=by_token(weights),
        sampler_logprobs=_joined([rollout.logprobs for rollout in chosen], device),
        temperatures=by_token([rollout.temperature for rollout in chosen]),
        rollout=torch.arange(len(parts))
        .repeat_interleave(torch.tensor([count for _, count in parts], dtype=torch.long))
        .to(device),
        values=joined(credit.values),
        targets=joined(credit.targets),
        problems=tuple(groups[g].problem.id for g, _ in parts),
        places=tuple(places),
        lengths=tuple(lengths.tolist()),
    )


def _joined(parts: Sequence[NDArray[np.floating]], device: torch.device) -> Tensor:
    whole = np.concatenate(parts) if parts else np.zeros(0)
    return torch.from_numpy(whole.astype(np.float32)).to(device)


def no_grad_logprobs(policy: Policy, batch: Batch) -> tuple[Tensor, Tensor]:
    """A policy's log-probabilities and entropies of all tokens, as flat arrays, no gradient: [T]."""
    logprobs, entropies = torch.zeros_like(batch.weights), torch.zeros_like(batch.weights)
    with torch.no_grad():
        for row in batch.rows:
            where = torch.from_numpy(row.flat).to(logprobs.device)
            found = policy.logprobs(row, temperature=temperature_of(batch, row))
            logprobs[where], entropies[where] = found
    return logprobs, entropies


def temperature_of(batch: Batch, row: Row) -> Tensor | float:
    """The temperature of a row's tokens; a number where it is one for the whole update."""
    first = float(batch.temperatures[0]) if batch.tokens else 1.0
    if bool((batch.temperatures == first).all()):
        return first
    return batch.select(batch.temperatures, row)
