"""The reference policy: a frozen copy of the policy as it was when the stage began."""

from __future__ import annotations

import copy

from cohort.policy.policy import Policy


def frozen_copy(policy: Policy) -> Policy:
    """A copy that is never trained: its own weights, the same tokenizer, no gradients."""
    model = copy.deepcopy(policy.model)
    model.requires_grad_(False)
    return Policy(model, policy.tokenizer)
