"""Every advantage per rollout under one signature, for tests of what they have in common."""

from collections.abc import Callable

import torch
from torch import Tensor

from cohort.objective import advantages, baselines, pass_at_k, step_advantages

Method = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(rewards [N], group [N], lengths [N]) to the advantages, [N]."""

EPSILON = 1e-4


def gdpo(rewards: Tensor, group: Tensor, lengths: Tensor) -> Tensor:
    columns = torch.stack([rewards, rewards.square()], dim=1)
    weights = rewards.new_tensor([1.0, 0.5])
    return step_advantages.gdpo(columns, group, weights=weights, correction=0, epsilon=EPSILON)


OF_GROUP: dict[str, Method] = {
    "group_normalized": lambda r, g, n: advantages.group_normalized(
        r, g, correction=1, epsilon=EPSILON
    ),
    "group_centred": lambda r, g, n: advantages.group_centred(r, g),
    "leave_one_out": lambda r, g, n: baselines.leave_one_out(r, g),
    "leave_one_out_normalized": lambda r, g, n: baselines.leave_one_out_normalized(
        r, g, epsilon=EPSILON
    ),
    "opo": lambda r, g, n: baselines.opo(r, g, lengths=n),
    "maxrl": lambda r, g, n: baselines.maxrl(r, g, epsilon=EPSILON),
    "best_only": lambda r, g, n: pass_at_k.best_only(r, g),
    "best_only_normalized": lambda r, g, n: pass_at_k.best_only_normalized(
        r, g, correction=1, epsilon=EPSILON
    ),
    "pass_at_k_training": lambda r, g, n: pass_at_k.pass_at_k_training(
        r, g, k=2, right_above=0.5, epsilon=EPSILON
    ),
    "pkpo": lambda r, g, n: pass_at_k.pkpo(r, g, k=2, baseline="none"),
    "pkpo_leave_one_out": lambda r, g, n: pass_at_k.pkpo(r, g, k=2, baseline="leave-one-out"),
    "pkpo_k-1": lambda r, g, n: pass_at_k.pkpo(r, g, k=2, baseline="k-1"),
}
"""What another group of the step has is of no account."""

OF_STEP: dict[str, Method] = {
    "lite_ppo": lambda r, g, n: step_advantages.lite_ppo(r, g, correction=0, epsilon=EPSILON),
    "scalerl": lambda r, g, n: step_advantages.scalerl(
        r, g, correction=0, epsilon=EPSILON, count_flat=True
    ),
    "scalerl_filtered": lambda r, g, n: step_advantages.scalerl(
        r, g, correction=0, epsilon=EPSILON, count_flat=False
    ),
    "reinforce_plus_plus_baseline": lambda r, g, n: step_advantages.reinforce_plus_plus_baseline(
        r, g, lengths=n, correction=0, epsilon=EPSILON
    ),
    "gdpo": gdpo,
    "bnpo": lambda r, g, n: step_advantages.bnpo(r, g, largest=1e6),
    "gpg": lambda r, g, n: baselines.gpg(r, g),
    "gpg_of_nonzero": lambda r, g, n: baselines.gpg_of_nonzero(r, g),
}

METHODS: dict[str, Method] = OF_GROUP | OF_STEP

MOVED_BY_A_SHIFT = {
    "maxrl",
    "pkpo",
    "pkpo_leave_one_out",
    "pass_at_k_training",
    "gdpo",
    "bnpo",
    "gpg_of_nonzero",
}
"""Those that a constant added to all rewards changes: each by its own definition."""

NOT_ZERO_WHEN_FLAT = {"pkpo", "pkpo_leave_one_out", "reinforce_plus_plus_baseline"}
"""Those of PKPO are not centred; REINFORCE++ whitens over the tokens of the step."""
