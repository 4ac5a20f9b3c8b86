"""A step's pairs as rows of tokens, their loss, and what they are measured by.

A pair is one family: its prompt, the chosen answer, the rejected one. A row holds whole pairs, since
the loss of a pair needs both of its answers; how a step is cut into rows cannot change it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cohort.config.preferences import Preference
from cohort.data.packing import Family, Member, Row, pack
from cohort.errors import DataError, NotFiniteError
from cohort.objective.preferences import PAIR_LOSSES, answer_logprobs, dpo_margin
from cohort.policy.policy import Policy
from cohort.train.optim import Updater
from cohort.train.rows import even_cut

Tokens = NDArray[np.int32]
Seen = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class PairTokens:
    """A prompt and two answers to it as tokens, and which problem it is, for messages."""

    problem: str
    prompt: Tokens
    chosen: Tokens
    rejected: Tokens


@dataclass(frozen=True, slots=True)
class Pairs:
    """The pairs of an update. `owner`, [T]: of each token the number of its answer; the chosen answer of
    pair p has the number 2 p, the rejected one 2 p + 1."""

    rows: tuple[Row, ...]
    owner: Tensor
    problems: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many pairs there are."""
        return len(self.problems)


def in_rows(pairs: Sequence[PairTokens], policy: Policy, *, tokens_per_row: int) -> Pairs:
    """The pairs laid out. Raises DataError for one that is longer than the policy's context."""
    families: list[Family] = []
    lengths: list[int] = []
    used = 0
    for pair in pairs:
        _check_length(pair, policy.context)
        places = (used, used + len(pair.chosen))
        answers = (pair.chosen, pair.rejected)
        families.append(Family(pair.prompt, tuple(map(Member, answers, places))))
        lengths += map(len, answers)
        used += sum(map(len, answers))
    cut = even_cut(families, tokens_per_row=tokens_per_row, device=policy.device, whole=True)
    owner = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths, dtype=torch.long))
    return Pairs(
        tuple(pack(row) for row in cut),
        owner.to(policy.device),
        tuple(pair.problem for pair in pairs),
    )


def learn_pairs(
    policy: Policy, reference: Policy, pairs: Pairs, options: Preference, updater: Updater
) -> dict[str, float]:
    """One update on the mean loss of the pairs; its metrics. Without pairs no weight changes.

    Raises NotFiniteError where a log-probability or the loss is not finite.
    """
    updater.clear()

    def share(row: Row) -> tuple[Tensor, Seen]:
        seen = _measured(policy, reference, pairs, row, options)
        return seen["loss"].sum() / pairs.count, {k: v.detach() for k, v in seen.items()}

    seen = updater.add_gradient(pairs.rows, share)
    metrics = _means(seen) | updater.update()
    updater.clear()
    return metrics


@torch.no_grad()
def measure_pairs(
    policy: Policy, reference: Policy, pairs: Pairs, options: Preference
) -> dict[str, float]:
    """What an update on these pairs would be measured by, without one."""
    return _means([_measured(policy, reference, pairs, row, options) for row in pairs.rows])


def _measured(
    policy: Policy, reference: Policy, pairs: Pairs, row: Row, options: Preference
) -> Seen:
    """Of each pair of a row: its loss, the rewards beta log(pi / pi_ref) of both, their log-probabilities."""
    owner = pairs.owner.index_select(0, torch.from_numpy(row.flat).to(pairs.owner.device))
    first, last = int(owner[0]), int(owner[-1])
    of_answers = partial(
        answer_logprobs,
        answer=owner - first,
        answers=last + 1 - first,
        mean=options.length_normalized,
    )
    with torch.no_grad():
        theirs = of_answers(reference.logprobs(row)[0])
    ours = of_answers(policy.logprobs(row)[0])
    chosen, rejected = slice(0, None, 2), slice(1, None, 2)
    margin = dpo_margin(
        ours[chosen], ours[rejected], theirs[chosen], theirs[rejected], beta=options.beta
    )
    loss = PAIR_LOSSES[options.loss]
    losses = loss.function(margin, **{name: getattr(options, name) for name in loss.reads})
    _check_finite(losses, pairs.problems[first // 2 : last // 2 + 1])
    gains = options.beta * (ours - theirs)
    return {
        "loss": losses,
        "rewards/chosen": gains[chosen],
        "rewards/rejected": gains[rejected],
        "rewards/accuracies": (margin > 0.0).float(),
        "rewards/margins": margin,
        "logps/chosen": ours[chosen],
        "logps/rejected": ours[rejected],
    }


def _means(seen: Sequence[Seen]) -> dict[str, float]:
    names = seen[0] if seen else {}
    return {name: float(torch.cat([one[name] for one in seen]).double().mean()) for name in names}


def _check_finite(losses: Tensor, problems: Sequence[str]) -> None:
    bad = ~torch.isfinite(losses)
    if bool(bad.any()):
        number = int(bad.nonzero()[0, 0])
        raise NotFiniteError(
            f"the loss of the pair of problem {problems[number]!r} has the value "
            f"{float(losses[number])}",
            "look at this pair; lower the learning rate where it is the policy's doing",
        )


def _check_length(pair: PairTokens, context: int) -> None:
    longest = len(pair.prompt) + max(len(pair.chosen), len(pair.rejected))
    if longest > context:
        raise DataError(
            f"problem {pair.problem!r} with its longer answer has {longest} tokens and the model's "
            f"context is {context}",
            "leave it out, or use a model with a longer context",
        )
