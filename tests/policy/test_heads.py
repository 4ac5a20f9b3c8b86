"""Norms and rotation of a joint projection's heads: compiled ones against torch's own operations."""

from __future__ import annotations

import pytest
import torch

from cohort.policy import native
from cohort.policy.attention import Heads
from cohort.policy.heads import asked

QUERY, KEY, WIDTH, TOKENS = 4, 2, 32, 37


def _said(monkeypatch, compiled, dtype, norms):
    """What `asked` says, and all gradients of it, weighed at random."""
    draws = torch.Generator().manual_seed(5)
    mixed = torch.randn(TOKENS, (QUERY + 2 * KEY) * WIDTH, generator=draws, dtype=dtype)
    own = [torch.randn(WIDTH, generator=draws, dtype=dtype).add_(1.0) for _ in range(2 * norms)]
    angles = torch.rand(TOKENS, 1, WIDTH // 2, generator=draws, dtype=dtype)
    cosine, sine = torch.cat((angles.cos(),) * 2, -1), torch.cat((-angles.sin(), angles.sin()), -1)
    query_norm, key_norm = own or (None, None)
    heads = Heads(QUERY, KEY, WIDTH, query_norm, key_norm, 1e-6, 1.0)
    for tensor in (mixed, *own):
        tensor.requires_grad_()
    monkeypatch.setattr(native, "suits", (lambda *t: True) if compiled else (lambda *t: False))
    said = asked(mixed, heads, (cosine, sine))
    weighed = sum(
        (one * torch.randn(one.shape, generator=draws, dtype=dtype)).sum() for one in said
    )
    return *said, *torch.autograd.grad(weighed, (mixed, *own))


@pytest.mark.skipif(bool(native.missing()), reason="needs a C compiler")
@pytest.mark.parametrize("norms", [True, False])
@pytest.mark.parametrize(("dtype", "apart"), [(torch.float32, 1e-5), (torch.bfloat16, 0.03)])
def test_compiled_heads_are_those_of_torch(monkeypatch, norms, dtype, apart):
    ours, theirs = (_said(monkeypatch, compiled, dtype, norms) for compiled in (True, False))
    assert len(ours) == (6 if norms else 4)
    for mine, plain in zip(ours, theirs, strict=True):
        assert mine.shape == plain.shape
        assert (mine - plain).abs().max() <= apart * plain.abs().max()


@pytest.mark.parametrize("norms", [True, False])
def test_the_gradient_is_that_of_differences(monkeypatch, norms):
    plain = torch.rand(5, 1, WIDTH // 2, dtype=torch.float64)
    turned = torch.cat((plain.cos(),) * 2, -1), torch.cat((-plain.sin(), plain.sin()), -1)
    own = (
        [torch.ones(WIDTH, dtype=torch.float64).requires_grad_() for _ in range(2)] if norms else []
    )
    heads = Heads(2, 1, WIDTH, *(own or (None, None)), 1e-6, 1.0)
    mixed = torch.randn(5, 4 * WIDTH, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, *_: asked(x, heads, turned), (mixed, *own))


@pytest.mark.skipif(bool(native.missing()), reason="needs a C compiler")
def test_without_norms_the_projection_is_not_kept(monkeypatch):
    mixed = torch.randn(TOKENS, (QUERY + 2 * KEY) * WIDTH).requires_grad_()
    turned = torch.ones(TOKENS, 1, WIDTH), torch.zeros(TOKENS, 1, WIDTH)
    query, _, value = asked(mixed, Heads(QUERY, KEY, WIDTH, None, None, 1e-6, 1.0), turned)
    whole = mixed.untyped_storage().data_ptr()
    assert value.untyped_storage().data_ptr() != whole
    kept = query.grad_fn.saved_tensors
    assert all(tensor.untyped_storage().data_ptr() != whole for tensor in kept)
