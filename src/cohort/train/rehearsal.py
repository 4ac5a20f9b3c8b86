"""The largest row of a recipe, forward and backward, before anything is sampled: what does not fit fails now.

Nothing is learned and nothing is drawn, so a run is the same with it and without. On a GPU the optimizer's
state is allocated beside it and let go, since an optimizer makes its own only in the first update.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from cohort.config.preferences import Preference
from cohort.config.recipe import Recipe
from cohort.config.stages import Reinforce, Supervised
from cohort.data.packing import Family, Member, Row, pack, pack_plain
from cohort.errors import ModelError
from cohort.policy.outline import sizes_of
from cohort.policy.policy import Policy
from cohort.train.forecast import load_of
from cohort.train.machine import Machine
from cohort.train.memory import Load, state_bytes
from cohort.train.plan import StagePlan
from cohort.train.rows import Rows, workers


def rehearse(recipe: Recipe, plans: Sequence[StagePlan], policy: Policy) -> int:
    """Compute the largest row of all stages once, in each thread that will; its tokens, 0 for none.

    Raises ModelError where there is no memory for it.
    """
    here = Machine("", policy.device.type, 0, 1.0, 1.0, workers(policy.device))
    loads = [
        load_of(plan, policy, recipe, here)
        for plan in plans
        if isinstance(plan.options, Reinforce | Supervised | Preference)
    ]
    if not loads:
        return 0
    load = max(loads, key=lambda one: one.row * one.rows)
    row = largest_row(load, policy.vocabulary)
    parameters = [p for p in policy.model.parameters() if p.requires_grad]
    try:
        kept = Rows[None](parameters).gradient(
            [row] * load.rows, lambda own: (policy.logprobs(own)[0].sum(), None)
        )
        if policy.device.type == "cuda":
            sizes = sizes_of(policy)
            state = max(state_bytes(sizes, one.optimizer, one.rounding) for one in loads)
            torch.empty(state, dtype=torch.uint8, device=policy.device)
        del kept
    except (RuntimeError, MemoryError) as error:
        if not is_memory(error):
            raise
        raise ModelError(
            f"a row of {len(row.tokens)} tokens does not fit: {str(error).splitlines()[0][:150]}",
            "`cohort plan RECIPE --memory SIZE` says with which settings it does",
        ) from error
    return len(row.tokens)


def largest_row(load: Load, vocabulary: int) -> Row:
    """As many of the longest answers to the longest prompts as a row has."""
    draw = np.random.Generator(np.random.Philox(key=11))
    answers = max(1, (load.row - load.prompt) // max(1, load.answer - 1))
    families, left = [], min(answers, load.groups * load.members)
    while left > 0:
        members = min(load.members, left)
        offset = (answers - left) * load.answer
        families.append(
            Family(
                draw.integers(0, vocabulary, load.prompt).astype(np.int32),
                tuple(
                    Member(
                        draw.integers(0, vocabulary, load.answer).astype(np.int32),
                        offset + n * load.answer,
                    )
                    for n in range(members)
                ),
            )
        )
        left -= members
    return pack(families) if load.samples else pack_plain(families)


def is_memory(error: BaseException) -> bool:
    """Whether an error says that there is no memory left."""
    known = isinstance(error, (torch.OutOfMemoryError, MemoryError))
    return known or "allocate" in str(error) or "out of memory" in str(error)
