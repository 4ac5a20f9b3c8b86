"""The order of things in the published recipes: what is done when, in counts. No clock, no state."""

from __future__ import annotations

from collections.abc import Iterator


def resets_reference(step: int, *, every: int) -> bool:
    """Whether the reference becomes the policy after step number `step`, from 1.

    DeepSeek-R1 (arXiv:2501.12948): every 400 steps. `every` 0: never.
    """
    return every > 0 and step % every == 0


def iterative_grpo(iterations: int, steps: int, updates: int) -> Iterator[str]:
    """The events of iterative GRPO: DeepSeekMath (arXiv:2402.03300), algorithm 1.

    In each iteration the reference becomes the policy, `steps` steps are made of `updates` updates
    each, and the reward model is trained further, with 10 % of what it was trained on before.
    """
    for _ in range(iterations):
        yield "reference"
        for _ in range(steps):
            yield from ("sample problems", "old", "rollouts", "rewards", "advantages")
            yield from ["update"] * updates
        yield "reward model"


def updates_of_step(rollouts: int, *, rollouts_per_update: int) -> int:
    """How many updates a step makes when it is cut into mini-batches; the last may be smaller.

    DAPO (arXiv:2503.14476), section 4.1: 512 x 16 rollouts, 512 per update, 16 updates.
    """
    return -(-rollouts // rollouts_per_update)
