"""With the true values plugged in, each estimate has the exact gradient: all answers are gone through.

A policy with logits of its own after every beginning of an answer, over three tokens of which one ends;
answers of up to three tokens, those without an end are cut, and what would come after them is known.
All answers to two prompts are scored groups, the values are computed from the tree, and everything
between is the code of a run: `with_advantages`, the weights of an update, `policy_loss`. What it is
held against is the gradient of the expected reward itself, in float64.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
import torch
from torch import Tensor

from cohort.data.records import Group, Problem, Rollout, Score
from cohort.objective.algorithms import Algorithm
from cohort.objective.choices_of_credit import Counted
from cohort.objective.choices_of_loss import Tokens
from cohort.objective.loss import policy_loss
from cohort.objective.presets import ALGORITHMS
from cohort.objective.rows import sum_so_far
from cohort.train.credit import Said, with_advantages
from proofs.command import main

END, LONGEST = 2, 3
ANSWERS = [
    answer
    for length in range(1, LONGEST + 1)
    for answer in product(range(3), repeat=length)
    if END not in answer[:-1] and (answer[-1] == END or length == LONGEST)
]
BEGINNINGS = [()] + [b for length in (1, 2) for b in product(range(2), repeat=length)]
PROMPTS = 2
TOLERANCE, APART = 1e-10, 1e-3
POLICIES, SHORT_POLICIES = 20, 3


@dataclass(frozen=True)
class World:
    """A policy, a reference, what each answer earns, and what comes after those that were cut."""

    logits: Tensor
    reference: Tensor
    rewards: Tensor
    after: Tensor
    beta: float

    @cached_property
    def groups(self) -> list[Group]:
        """Both prompts with all of their answers."""
        return [
            Group(
                problem=Problem(f"p{p}", "?"),
                prompt_tokens=np.array([p], np.int32),
                rollouts=tuple(_rollout(answer) for answer in ANSWERS),
                scores=tuple(Score(float(r), {}) for r in self.rewards[p]),
            )
            for p in range(PROMPTS)
        ]

    @cached_property
    def rollout(self) -> Tensor:
        """Which answer each token is of."""
        lengths = torch.tensor([len(answer) for answer in ANSWERS] * PROMPTS)
        return torch.arange(len(lengths)).repeat_interleave(lengths)

    def logprobs(self, logits: Tensor) -> Tensor:
        """Of all tokens of all answers: [T]."""
        table = logits.log_softmax(-1)
        places = [
            (p, BEGINNINGS.index(answer[:t]), answer[t])
            for p in range(PROMPTS)
            for answer in ANSWERS
            for t in range(len(answer))
        ]
        return table[tuple(torch.tensor(places).T)]

    def by_answer(self, tokens: Tensor) -> Tensor:
        """The sum over the tokens of each answer: [N]."""
        none = torch.zeros(PROMPTS * len(ANSWERS), dtype=tokens.dtype)
        return none.index_add(0, self.rollout, tokens)

    @property
    def bootstrap(self) -> Tensor:
        """What comes after each answer, 0 where it ended."""
        return self.after.flatten()

    def exact_gradient(self) -> Tensor:
        """That of the mean over prompts of E[reward + what comes after] - beta KL(pi || reference)."""
        leaf = self.logits.clone().requires_grad_()
        mine = self.by_answer(self.logprobs(leaf))
        gap = mine - self.by_answer(self.logprobs(self.reference))
        earned = self.rewards.flatten() + self.bootstrap - self.beta * gap
        return torch.autograd.grad((mine.exp() * earned).sum() / PROMPTS, leaf)[0]

    def penalty(self) -> Tensor:
        """What each token pays for its divergence."""
        return self.beta * (self.logprobs(self.logits) - self.logprobs(self.reference))

    def true_values(self) -> Tensor:
        """Before each token: what the answers that begin so still earn on average."""
        paid = self.penalty()
        chance = self.by_answer(self.logprobs(self.logits)).exp()
        to_come = (
            (self.rewards.flatten() + self.bootstrap - self.by_answer(paid))[self.rollout]
            + sum_so_far(paid, self.rollout)
            - paid
        )
        found, answers = [], [(p, answer) for p in range(PROMPTS) for answer in ANSWERS]
        starts = torch.cat([torch.zeros(1).long(), self.rollout.bincount().cumsum(0)])
        for p, answer in answers:
            for t in range(len(answer)):
                same = [n for n, (q, o) in enumerate(answers) if (q, o[:t]) == (p, answer[:t])]
                own = to_come[starts[same] + t]
                found.append((chance[same] * own).sum() / chance[same].sum())
        return torch.stack(found)

    def estimated_gradient(self, algorithm: Algorithm, values: Tensor) -> Tensor:
        """The expectation of what a step with one answer a prompt follows, over all such answers."""
        places = [(p, a) for p in range(PROMPTS) for a in range(len(ANSWERS))]
        said = Said(values, self.bootstrap)
        credit = with_advantages(self.groups, algorithm, penalty=self.penalty(), said=said)
        assert credit.places == places, credit.places
        leaf = self.logits.clone().requires_grad_()
        now = self.logprobs(leaf)
        chance = self.by_answer(now.detach()).exp()
        lengths = self.rollout.bincount()
        each = algorithm.weights(
            Counted(lengths=lengths[:PROMPTS], group=torch.arange(PROMPTS), budget_tokens=LONGEST)
        )
        tokens = Tokens(
            logprobs=now,
            entropies=now.detach(),
            old=now.detach(),
            sampler=now.detach(),
            then=now.detach(),
            advantages=torch.from_numpy(np.concatenate(credit.advantages)),
            weights=(chance * each[0])[self.rollout],
            rollout=self.rollout,
        )
        return -torch.autograd.grad(policy_loss(algorithm, tokens), leaf)[0]


def new_world(seed: int, beta: float) -> World:
    """Everything drawn anew."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    cut = torch.tensor([answer[-1] != END for answer in ANSWERS])
    shape = (PROMPTS, len(BEGINNINGS), 3)
    return World(
        logits=normal(*shape),
        reference=normal(*shape),
        rewards=normal(PROMPTS, len(ANSWERS)),
        after=torch.where(cut, normal(PROMPTS, len(ANSWERS)), 0.0),
        beta=beta,
    )


def cases() -> Iterator[tuple[str, Algorithm, bool, bool]]:
    """A name, an algorithm, whether the values are the true ones, whether it should be exact."""
    plain = ALGORITHMS["ppo"].but(weight="rollout-sum", gamma=1.0)
    for lam in (0.0, 0.5, 0.95, 1.0):
        gae = plain.but(advantage="gae", gae_lambda=lam)
        yield f"gae, lambda {lam}, true values", gae, True, True
        yield f"gae, lambda {lam}, wrong values", gae, False, lam == 1.0
    for n in (1, 2, 3):
        steps = plain.but(advantage="n-step", n_steps=n, gamma=1.0)
        yield f"{n}-step, true values", steps, True, True
        yield f"{n}-step, wrong values", steps, False, n == LONGEST
    for truly in (True, False):
        hybrid = plain.but(advantage="hybrid", squash=0.0)
        yield f"hybrid per sample, {'true' if truly else 'wrong'} values", hybrid, truly, True


def prove(short: bool, seed: int) -> dict[str, object]:
    """Every case in worlds with and without a penalty; what should be exact is, what should not be is not."""
    failures: list[str] = []
    asked, worst, least = 0, 0.0, float("inf")
    for number, beta in product(range(SHORT_POLICIES if short else POLICIES), (0.0, 0.3)):
        world = new_world(100 * seed + number, beta)
        exact, true = world.exact_gradient(), world.true_values()
        wrong = _wrong(world, seed + number)
        for name, algorithm, truly, should in cases():
            found = world.estimated_gradient(algorithm.but(beta=beta), true if truly else wrong)
            error = float((found - exact).norm() / exact.norm())
            asked += 1
            if should:
                worst = max(worst, error)
            else:
                least = min(least, error)
            if should != (error < TOLERANCE) or (not should and error < APART):
                failures.append(f"policy {number}, beta {beta}: {name}: {error:.1e}")
    return {
        "name": "the gradient with a critic",
        "asked": asked,
        "held": asked - len(failures),
        "largest error of an exact one": worst,
        "smallest of a biased one": least,
        "failures": failures[:10],
    }


def _wrong(world: World, seed: int) -> Tensor:
    """A function of what stands before a token, and no more true than any other."""
    draw = torch.Generator().manual_seed(seed)
    table = torch.randn(PROMPTS, len(BEGINNINGS), generator=draw, dtype=torch.float64)
    return torch.stack(
        [
            table[p, BEGINNINGS.index(answer[:t])]
            for p in range(PROMPTS)
            for answer in ANSWERS
            for t in range(len(answer))
        ]
    )


def _rollout(answer: tuple[int, ...]) -> Rollout:
    tokens = np.array(answer, np.int32)
    stop = "end" if answer[-1] == END else "length"
    return Rollout(tokens, np.zeros(len(answer), np.float32), stop, "")


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv, seed=1)))
