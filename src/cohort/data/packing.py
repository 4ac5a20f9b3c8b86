"""Packing: how groups become rows of tokens, `[prompt | answer 1 | ... | answer G]`, without padding.

Answers share their prompt, and positions restart after it. The last token of an answer is never
fed in: nothing is predicted from it. A rollout of one token therefore adds no input at all; it is
predicted from the end of its prompt. Numpy only: nothing here knows a model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Member:
    """One answer in a row: its tokens [n], and where those that were sampled begin in the step's flat
    arrays. sampled: bool [n], which they are; None: all."""

    tokens: NDArray[np.int32]
    offset: int
    sampled: NDArray[np.bool_] | None = None

    @property
    def places(self) -> Ints:
        """Which of the tokens were sampled: [s]."""
        if self.sampled is None:
            return np.arange(len(self.tokens))
        return np.flatnonzero(self.sampled)


@dataclass(frozen=True, slots=True)
class Family:
    """A prompt and the answers that are computed beside it in one row."""

    prompt: NDArray[np.int32]
    members: tuple[Member, ...]

    @property
    def size(self) -> int:
        """Input tokens this family takes in a row."""
        return len(self.prompt) + sum(len(m.tokens) - 1 for m in self.members)


@dataclass(frozen=True, slots=True)
class Row:
    """One forward pass over T input tokens that yields the log-probability of S sampled tokens.

    tokens, positions: [T]. prefix_lengths: [n] prompts. suffix_lengths and suffix_parent: [m] answers
    and the prompt each belongs to. The row's order is prompt, its answers, next prompt, ...
    prefix_starts [n] and suffix_starts [m] say where each begins.
    predictor: [S], the input position whose hidden state predicts the sampled token.
    sampled: [S], that token. flat: [S], its place in the step's flat arrays.
    """

    tokens: Ints
    positions: Ints
    prefix_starts: Ints
    prefix_lengths: Ints
    suffix_starts: Ints
    suffix_lengths: Ints
    suffix_parent: Ints
    predictor: Ints
    sampled: Ints
    flat: Ints


def cut(
    families: Sequence[Family], *, tokens_per_row: int, whole: bool = False
) -> Iterator[list[Family]]:
    """Families in order, cut into rows of at most `tokens_per_row` input tokens.

    A family that does not fit is split between answers, its prompt repeated; an answer is never
    split, so one that is longer than the budget by itself has a row of its own. `whole`: a family
    is never split either.
    """
    row: list[Family] = []
    used = 0
    for family in families:
        for piece in [family] if whole else _split(family, tokens_per_row):
            if row and used + piece.size > tokens_per_row:
                yield row
                row, used = [], 0
            row.append(piece)
            used += piece.size
    if row:
        yield row


def _split(family: Family, tokens_per_row: int) -> Iterator[Family]:
    members: list[Member] = []
    used = len(family.prompt)
    for member in family.members:
        if members and used + len(member.tokens) - 1 > tokens_per_row:
            yield Family(family.prompt, tuple(members))
            members, used = [], len(family.prompt)
        members.append(member)
        used += len(member.tokens) - 1
    yield Family(family.prompt, tuple(members))


def pack(families: Sequence[Family]) -> Row:
    """Lay families out in one row, each prompt once."""
    tokens: list[NDArray[np.int32]] = []
    positions: list[Ints] = []
    prefixes: list[tuple[int, int]] = []
    suffixes: list[tuple[int, int, int]] = []
    predictors: list[Ints] = []
    used = 0
    for number, family in enumerate(families):
        length = len(family.prompt)
        prefixes.append((used, length))
        tokens.append(family.prompt)
        positions.append(np.arange(length))
        last = used + length - 1
        used += length
        for member in family.members:
            inputs = len(member.tokens) - 1
            if inputs:
                suffixes.append((used, inputs, number))
                tokens.append(member.tokens[:-1])
                positions.append(np.arange(length, length + inputs))
            sources = np.concatenate(([last], np.arange(used, used + inputs)))
            predictors.append(sources[member.places])
            used += inputs
    members = [member for family in families for member in family.members]
    prefix = np.array(prefixes, dtype=np.int64).reshape(-1, 2)
    suffix = np.array(suffixes, dtype=np.int64).reshape(-1, 3)
    return Row(
        tokens=np.concatenate(tokens).astype(np.int64),
        positions=np.concatenate(positions).astype(np.int64),
        prefix_starts=prefix[:, 0],
        prefix_lengths=prefix[:, 1],
        suffix_starts=suffix[:, 0],
        suffix_lengths=suffix[:, 1],
        suffix_parent=suffix[:, 2],
        predictor=_joined(predictors),
        sampled=_joined([member.tokens[member.places] for member in members]),
        flat=_joined([np.arange(m.offset, m.offset + len(m.places)) for m in members]),
    )


def unshared(families: Sequence[Family]) -> list[Family]:
    """Every answer with a prompt of its own, as one plain sequence: `pack` then has no suffixes.

    This is the layout for rows in which nothing is shared, supervised ones for example.
    """
    return [Family(f.prompt, (member,)) for f in families for member in f.members]


def pack_plain(families: Sequence[Family]) -> Row:
    """Lay out every answer after a prompt of its own, as one plain causal sequence each."""
    single = unshared(families)
    lengths = np.array([f.size for f in single], dtype=np.int64)
    starts = np.concatenate(([0], np.cumsum(lengths)[:-1])).astype(np.int64)
    firsts = starts + np.array([len(f.prompt) - 1 for f in single], dtype=np.int64)
    members = [f.members[0] for f in single]
    none = np.zeros(0, dtype=np.int64)
    return Row(
        tokens=_joined([np.concatenate((f.prompt, f.members[0].tokens[:-1])) for f in single]),
        positions=_joined([np.arange(n) for n in lengths]),
        prefix_starts=starts,
        prefix_lengths=lengths,
        suffix_starts=none,
        suffix_lengths=none,
        suffix_parent=none,
        predictor=_joined(
            [(a + np.arange(len(m.tokens)))[m.places] for a, m in zip(firsts, members, strict=True)]
        ),
        sampled=_joined([m.tokens[m.places] for m in members]),
        flat=_joined([np.arange(m.offset, m.offset + len(m.places)) for m in members]),
    )


def _joined(parts: Sequence[NDArray[np.int32] | Ints]) -> Ints:
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, dtype=np.int64)
