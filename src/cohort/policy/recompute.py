"""Recomputation by layer: what a layer keeps for its gradient is computed a second time when it is asked for.

Chen et al. 2016, arXiv:1604.06174. A row's activations are then the inputs of its layers and the inside of
one of them. Nothing random happens in a layer, so the second time gives the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_utils import PreTrainedModel

from cohort.errors import ModelError


def recomputed(layer: Callable[..., Tensor], *inputs: Any) -> Tensor:
    """What a layer gives, with its inputs kept and nothing else."""
    made = checkpoint(layer, *inputs, use_reentrant=False, preserve_rng_state=False)
    return cast(Tensor, made)


def recompute_layers(model: PreTrainedModel) -> None:
    """Have a model's own layers recompute. Raises ModelError for one whose layers do not know how."""
    layers = [m for m in model.modules() if isinstance(m, GradientCheckpointingLayer)]
    if not layers or not model.supports_gradient_checkpointing:
        raise ModelError(
            f"the layers of {type(model).__name__} cannot be recomputed",
            "leave model.recompute out",
        )
    model.gradient_checkpointing_enable({"use_reentrant": False, "preserve_rng_state": False})
    for layer in layers:
        drops = getattr(layer, "dropout", 0.0)
        if isinstance(drops, float) and drops > 0.0:
            raise ModelError(
                f"the layers of {type(model).__name__} have dropout, and would drop when recomputed",
                "set the dropout of its config.json to 0",
            )
        layer.training = True  # of the layer alone: what is in it stays in evaluation
