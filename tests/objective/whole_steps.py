"""Whole steps as lists of rollouts that can be put in any order, divided and repeated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import Tensor

from cohort.objective.algorithms import Algorithm
from cohort.objective.choices_of_credit import Counted, Scored
from cohort.objective.choices_of_loss import Tokens
from cohort.objective.loss import policy_loss

FIELDS = ("logprobs", "old", "sampler", "reference", "chosen")


@dataclass(frozen=True)
class Answer:
    """A rollout: whose group, what reward, and what is known of each of its tokens."""

    group: int
    reward: float
    greedy: float
    tokens: dict[str, Tensor]
    after: float = 0.0
    """What a critic says comes after it, where it was cut."""

    @property
    def length(self) -> int:
        return len(self.tokens["logprobs"])


@st.composite
def steps(draw, largest: int = 5) -> list[Answer]:
    """Up to four groups of up to `largest` answers; rewards of 0 to 1, so that some groups are flat."""
    sizes = draw(st.lists(st.integers(1, largest), min_size=1, max_size=4))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 9999)))
    answers = []
    for group, size in enumerate(sizes):
        greedy = draw(st.integers(0, 4)) / 4
        for _ in range(size):
            reward = draw(st.integers(0, 4)) / 4
            answers.append(_answer(group, reward, greedy, draw(st.integers(1, 4)), generator))
    return answers


def _answer(
    group: int, reward: float, greedy: float, length: int, generator: torch.Generator
) -> Answer:
    def normal(spread: float) -> Tensor:
        return spread * torch.randn(length, generator=generator, dtype=torch.float64)

    now = -0.05 - 2.0 * torch.rand(length, generator=generator, dtype=torch.float64)
    tokens = {
        "logprobs": now,
        "old": (now + normal(0.5)).clamp(max=-1e-3),
        "sampler": (now + normal(0.5)).clamp(max=-1e-3),
        "reference": (now + normal(0.5)).clamp(max=-1e-3),
        "chosen": torch.rand(length, generator=generator) < 0.5,
        "values": normal(0.5),
    }
    return Answer(group, reward, greedy, tokens, after=float(normal(0.5)[0]))


def joined(answers: Sequence[Answer], name: str) -> Tensor:
    return torch.cat([answer.tokens[name] for answer in answers])


def credit(algorithm: Algorithm, answers: Sequence[Answer], shift: float = 0.0) -> list[Tensor]:
    """The advantages of each answer's tokens: of the whole step."""
    rewards = torch.tensor([answer.reward for answer in answers], dtype=torch.float64) + shift
    lengths = torch.tensor([answer.length for answer in answers])
    group = torch.tensor([answer.group for answer in answers])
    rollout = torch.arange(len(answers)).repeat_interleave(lengths)
    ends = lengths.cumsum(0) - 1
    penalty = None
    if algorithm.penalizes_reward:
        penalty = algorithm.beta * (joined(answers, "old") - joined(answers, "reference"))
    scored = Scored(
        rewards=rewards,
        group=group,
        lengths=lengths,
        rollout=rollout,
        greedy=torch.tensor([a.greedy for a in answers], dtype=torch.float64) + shift,
        parts=torch.stack([rewards, (rewards - shift).square() + shift], dim=1),
        part_weights=torch.tensor([1.0, 0.5], dtype=torch.float64),
        penalty=penalty,
        step_rewards=rewards,
        step_group=group,
        step_end=ends,
        values=joined(answers, "values"),
        bootstrap=torch.tensor([answer.after for answer in answers], dtype=torch.float64),
    )
    return list(algorithm.advantages(scored).split(lengths.tolist()))


def weights(algorithm: Algorithm, answers: Sequence[Answer]) -> list[float]:
    counted = Counted(
        lengths=torch.tensor([answer.length for answer in answers]),
        group=torch.tensor([answer.group for answer in answers]),
        budget_tokens=9,
    )
    return algorithm.weights(counted).tolist()


def share(
    algorithm: Algorithm,
    answers: Sequence[Answer],
    advantages: Sequence[Tensor],
    counts: Sequence[float],
) -> tuple[Tensor, list[Tensor]]:
    """The loss of these answers, and its gradient at each one's tokens."""
    if not answers:
        return torch.zeros((), dtype=torch.float64), []
    now = joined(answers, "logprobs").requires_grad_()
    lengths = torch.tensor([answer.length for answer in answers])
    old, sampler = joined(answers, "old"), joined(answers, "sampler")
    tokens = Tokens(
        logprobs=now,
        entropies=-now * now.exp(),
        old=old,
        sampler=sampler,
        then=sampler if algorithm.chosen["behaviour"] == "sampler" else old,
        advantages=torch.cat(list(advantages)),
        weights=torch.tensor(counts, dtype=torch.float64).repeat_interleave(lengths),
        rollout=torch.arange(len(answers)).repeat_interleave(lengths),
        reference=joined(answers, "reference"),
        chosen=joined(answers, "chosen"),
    )
    loss = policy_loss(algorithm, tokens)
    loss.backward()
    return loss.detach(), list(now.grad.split(lengths.tolist()))


def whole(algorithm: Algorithm, answers: Sequence[Answer]) -> tuple[Tensor, list[Tensor]]:
    """The step's loss and gradients, uncut."""
    return share(algorithm, answers, credit(algorithm, answers), weights(algorithm, answers))


def in_parts(
    algorithm: Algorithm, answers: Sequence[Answer], place: Sequence[int]
) -> tuple[Tensor, list[Tensor]]:
    """The same, with answer i computed in part place[i], and the parts summed."""
    advantages, counts = credit(algorithm, answers), weights(algorithm, answers)
    total = torch.zeros((), dtype=torch.float64)
    slopes: dict[int, Tensor] = {}
    for part in set(place):
        own = [i for i, p in enumerate(place) if p == part]
        loss, found = share(
            algorithm,
            [answers[i] for i in own],
            [advantages[i] for i in own],
            [counts[i] for i in own],
        )
        total = total + loss
        slopes |= dict(zip(own, found, strict=True))
    return total, [slopes[i] for i in range(len(answers))]
