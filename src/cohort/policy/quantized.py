"""A base in 4 bits beneath its adapters (QLoRA; Dettmers et al. 2023, arXiv:2305.14314, section 3).

    y = x W^T + (alpha / rank) x A^T B^T        W kept as 4-bit NormalFloat (NF4), blocks of 64 numbers with
                                                a scale each, the scales in 8 bits; A and B as they are

Through bitsandbytes, which computes each product with the numbers that the bits stand for, in sampling as
in training. What is rounded is the base, once, before anything is trained. Embeddings, the head, norms,
routers and experts that are one tensor stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, cast

from torch import nn
from transformers.modeling_utils import PreTrainedModel

from cohort.errors import ModelError


def quantize(model: PreTrainedModel) -> None:
    """Put a model's linear layers into 4 bits, where they are. Raises ModelError without bitsandbytes."""
    layers = _bitsandbytes().nn
    head = model.get_output_embeddings()
    for name, module in list(model.named_modules()):
        # Exactly this class: routers and other kinds do more than a product.
        if type(module) is not nn.Linear or module is head:
            continue
        above, _, last = name.rpartition(".")
        setattr(model.get_submodule(above), last, _narrowed(module, layers))


def check_quantizable() -> None:
    """Raise ModelError where a base cannot be put into 4 bits, before a model is loaded."""
    _bitsandbytes()


def is_quantized(model: PreTrainedModel) -> bool:
    """Whether some layer is in 4 bits."""
    return any("4bit" in type(module).__name__ for module in model.modules())


@contextmanager
def told(model: PreTrainedModel) -> Iterator[None]:
    """While adapters are added: peft asks the model whether its layers are in 4 bits."""
    if not is_quantized(model):
        yield
        return
    cast(Any, model).is_loaded_in_4bit = True
    try:
        yield
    finally:
        del model.is_loaded_in_4bit


def _narrowed(layer: nn.Linear, layers: ModuleType) -> nn.Module:
    narrow = layers.Linear4bit(
        layer.in_features,
        layer.out_features,
        bias=False,
        compute_dtype=layer.weight.dtype,
        quant_type="nf4",
        compress_statistics=True,
        device="meta",
    )
    weight = layers.Params4bit(
        layer.weight.data, requires_grad=False, quant_type="nf4", compress_statistics=True
    )
    narrow.weight = weight.to(layer.weight.device)  # this is when it rounds
    narrow.bias = layer.bias
    # Else on some processors the weights are laid out anew and read as bfloat16, in sampling alone.
    narrow.support_avx512bf16_for_cpu = False
    return cast(nn.Module, narrow)


def _bitsandbytes() -> ModuleType:
    try:
        import bitsandbytes
    except ImportError as error:
        raise ModelError(
            "a base in 4 bits needs the package bitsandbytes, which is not installed",
            "pip install 'cohort-rl[qlora]', or leave out model.lora.quantized",
        ) from error
    return cast(ModuleType, bitsandbytes)
