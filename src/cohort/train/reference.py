"""The reference policy: what the KL term holds the policy to. A frozen copy, reset or moving."""

from __future__ import annotations

import torch

from cohort.objective.algorithms import Algorithm
from cohort.objective.schedules import resets_reference
from cohort.policy.adapters import own_weights, shared_copy
from cohort.policy.policy import Policy


def frozen_copy(policy: Policy) -> Policy:
    """A copy that is never trained: its own weights, the same tokenizer, no gradients.

    Of a policy with adapters it has its own adapters; their base is the same in memory.
    """
    model = shared_copy(policy.model)
    for _, parameter in own_weights(model):
        parameter.requires_grad_(False)
    reference = Policy(model, policy.tokenizer, plain=policy.plain)
    reference.thoughts = policy.thoughts
    return reference


@torch.no_grad()
def follow(reference: Policy, policy: Policy, algorithm: Algorithm, *, step: int) -> bool:
    """Move the reference as the algorithm has it after step number `step`; whether it moved.

        reference <- rate policy + (1 - rate) reference

    `reset` is a rate of 1 (DeepSeek-R1, arXiv:2501.12948: every 400 steps); `moving-average` is
    TR-DPO's (arXiv:2404.09656), 0.6 every 512 steps in TRL.
    """
    kind = algorithm.chosen["reference"]
    if kind == "frozen":
        return False
    if not resets_reference(step, every=int(algorithm.values["reference_every"])):
        return False
    rate = 1.0 if kind == "reset" else float(algorithm.values["reference_rate"])
    # Parameters, not the state dict: tied weights stand there twice, and would move twice.
    pairs = zip(own_weights(reference.model), own_weights(policy.model), strict=True)
    for (_, held), (_, theirs) in pairs:
        held.lerp_(theirs.to(held.dtype), rate)
    return True
