"""An update of a reward model: its examples as rows of tokens, what is read of them, and the loss.

The answers to one prompt share its tokens and are in one row, since a loss compares them; an answer is
followed by one token that is never fed in, so that the value after its last one can be read. How the
update is cut into rows cannot change its loss.

    S places of all rows, N items: the answers of all examples, or their labelled steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cohort.config.preferences import RewardModel
from cohort.data.packing import Family, Member, Row, cut, pack
from cohort.objective.ranking import (
    better_than,
    bradley_terry,
    cross_entropy,
    off_centre,
    once_a_group,
    plackett_luce,
)
from cohort.objective.values import squared_error
from cohort.policy.valued import Valued, with_an_end
from cohort.train.reward_model_examples import Example
from cohort.train.rows import workers


@dataclass(frozen=True, slots=True)
class Lesson:
    """The examples of an update as flat arrays over items, and their rows.

    read: [S], the item whose value a place is, -1 where it is none's. scores, group, margins: [N].
    count: examples that teach something, or labelled steps: what the loss is a mean over.
    """

    rows: tuple[Row, ...]
    read: Tensor
    scores: Tensor
    group: Tensor
    margins: Tensor
    count: int


@dataclass(slots=True)
class Seen:
    """What a row said of its items: its share in the loss, how many comparisons or labels there were,
    how many of them the model gets right, and the sum of the gaps between better and worse."""

    loss: float = 0.0
    asked: int = 0
    right: int = 0
    gap: float = 0.0


def lesson(
    examples: Sequence[Example], options: RewardModel, *, tokens_per_row: int, device: torch.device
) -> Lesson:
    """The flat arrays of an update, and its rows of about `tokens_per_row` tokens."""
    families: list[Family] = []
    read: list[NDArray[np.int64]] = []
    scores: list[float] = []
    group: list[int] = []
    offset = 0
    for number, example in enumerate(examples):
        members = []
        for place, answer in enumerate(example.answers):
            tokens = with_an_end(answer, 0)
            members.append(Member(tokens, offset))
            own = np.full(len(tokens), -1, dtype=np.int64)
            for at, score in _items(example, place):
                own[at] = len(scores)
                scores.append(score)
                group.append(number)
            read.append(own)
            offset += len(tokens)
        families.append(Family(example.prompt, tuple(members)))
    owner = torch.tensor(group, dtype=torch.long)
    margins = torch.tensor([example.margin for example in examples], dtype=torch.float64)
    said = torch.tensor(scores, dtype=torch.float64)
    return Lesson(
        rows=_rows(families, tokens_per_row, device),
        read=torch.from_numpy(np.concatenate(read)) if read else torch.zeros(0, dtype=torch.long),
        scores=said,
        group=owner,
        margins=margins[owner],
        count=_count(said, owner, options),
    )


def _items(example: Example, place: int) -> Sequence[tuple[int, float]]:
    """Where in an answer values are read, and what they are compared with."""
    if example.steps:
        return [(at + 1, label) for at, label in example.steps[place]]
    return [(len(example.answers[place]), example.scores[place])]


def _rows(families: Sequence[Family], asked: int, device: torch.device) -> tuple[Row, ...]:
    """Whole families in rows, about as many for each thread; none is divided."""
    if not families:
        return ()
    threads, total = workers(device), sum(family.size for family in families)
    even = -(-total // (threads * -(-total // (threads * asked))))
    longest = max(family.size for family in families)
    return tuple(pack(row) for row in cut(families, tokens_per_row=max(longest, min(asked, even))))


def _count(scores: Tensor, group: Tensor, options: RewardModel) -> int:
    if options.supervision == "process":
        return len(scores)
    if options.loss in ("regression", "binary"):
        return len(torch.unique(group))
    return len(torch.unique(group[better_than(scores, group).any(1)]))


def row_loss(valued: Valued, made: Lesson, options: RewardModel, row: Row) -> tuple[Tensor, Seen]:
    """A row's share in the loss of the update; and what it said, to be counted."""
    values, items = read_row(valued, made, row)
    scores, group = made.scores[items], made.group[items]
    if options.supervision == "process":
        labels = scores.to(values)
        loss = cross_entropy(values, labels).sum() / made.count
        right = int(((values > 0.0) == (labels > 0.5)).sum())
        return loss, Seen(float(loss.detach()), len(labels), right)
    ranked = better_than(scores, group)
    better, worse = ranked.nonzero(as_tuple=True)
    gap = values.detach()[better] - values.detach()[worse]
    loss = _compared(values, scores, group, made.margins[items], ranked, options) / made.count
    return loss, Seen(float(loss.detach()), len(gap), int((gap > 0.0).sum()), float(gap.sum()))


def _compared(
    values: Tensor,
    scores: Tensor,
    group: Tensor,
    margins: Tensor,
    ranked: Tensor,
    options: RewardModel,
) -> Tensor:
    """The sum over the examples of a row; each counts once."""
    device = values.device
    if options.loss == "pairs":
        better, worse = ranked.to(device).nonzero(as_tuple=True)
        losses = bradley_terry(values[better], values[worse], margin=margins.to(values)[better])
        if options.centring:
            losses = losses + options.centring * off_centre(values[better], values[worse])
        return (once_a_group(group.to(device)[better]).to(losses) * losses).sum()
    if options.loss == "ranking":
        losses, chosen = plackett_luce(values, ranked.to(device))
        return (once_a_group(group.to(device)[chosen]).to(losses) * losses).sum()
    error = cross_entropy if options.loss == "binary" else squared_error
    weights = once_a_group(group).to(values)
    return (weights * error(values, scores.to(values))).sum()


def read_row(valued: Valued, made: Lesson, row: Row) -> tuple[Tensor, Tensor]:
    """The values of a row's items, [n], and which items they are, [n] on the CPU."""
    items = made.read[torch.from_numpy(row.flat)]
    chosen = (items >= 0).nonzero()[:, 0]
    return valued.values(row)[chosen.to(valued.device)], items[chosen]


def told(valued: Valued, made: Lesson, options: RewardModel) -> list[Seen]:
    """What the model says of a lesson's items, nothing learned."""
    with torch.no_grad():
        return [row_loss(valued, made, options, row)[1] for row in made.rows]


def measured(seen: Sequence[Seen], options: RewardModel, prefix: str = "") -> dict[str, float]:
    """The metrics of what the rows of an update said; what nothing was asked about is absent."""
    asked = sum(one.asked for one in seen)
    found = {f"{prefix}loss": sum(one.loss for one in seen)}
    if asked:
        found[f"{prefix}accuracy"] = sum(one.right for one in seen) / asked
        if options.supervision == "outcome":
            found[f"{prefix}margin"] = sum(one.gap for one in seen) / asked
    return found
