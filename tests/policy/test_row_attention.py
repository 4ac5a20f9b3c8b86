"""Attention of a row by compiled kernels against the padded parts, and both against float64."""

import shutil

import pytest
import torch

from cohort.data.packing import pack, pack_plain
from cohort.policy import native, shared
from tests.tiny import families

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")

ROWS = {
    "unequal": [(3, (5, 1, 9)), (11, (1, 1)), (1, (7, 2, 4, 12)), (6, (3,))],
    "whole blocks": [(17, (33,)), (16, (16, 17, 18))],
    "long": [(150, (65, 40, 3))],
    "one token": [(1, (2,))],
}


def _attended(way, mixed, heads, row, slope):
    """What comes out and the gradient of what went in, [T, Hq + 2 Hk, D], in float64."""
    query_heads, key_heads = heads
    leaf = mixed.clone().requires_grad_()
    query, key, value = leaf.split((query_heads, key_heads, key_heads), dim=1)
    out = way(shared.Sharing(row), query, key, value)
    (gradient,) = torch.autograd.grad(out, leaf, slope.to(out.dtype))
    return out.detach().double(), gradient.double()


def _compiled(sharing, query, key, value):
    assert native.suits_strided(query, key, value)
    return sharing.attend(query, key, value, scale=0.3)


def _padded(sharing, query, key, value):
    return shared._Shared.apply(query, key, value, sharing._parts, 0.3)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("layout", [pack, pack_plain])
@pytest.mark.parametrize("heads", [(4, 2), (6, 2), (3, 3)])
@pytest.mark.parametrize("width", [8, 20, 64])
@pytest.mark.parametrize("name", ROWS)
def test_values_and_gradients_are_as_near_to_float64_as_those_of_the_padded_parts(
    name, width, heads, layout, threads
):
    row = layout(families(ROWS[name]))
    random = torch.Generator().manual_seed(0)
    shape = len(row.tokens), heads[0] + 2 * heads[1], width
    mixed = torch.randn(shape, generator=random, dtype=torch.float64)
    slope = torch.randn(shape[0], heads[0], width, generator=random, dtype=torch.float64)
    exact = _attended(_padded, mixed, heads, row, slope)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        ours = _attended(_compiled, mixed.float(), heads, row, slope)
    finally:
        torch.set_num_threads(before)
    for got, expected in zip(ours, exact, strict=True):
        assert (got - expected).abs().max() < 4e-6 * expected.abs().max()


def test_bfloat16_comes_back_as_bfloat16():
    row = pack(families(ROWS["unequal"]))
    mixed = torch.randn(len(row.tokens), 8, 16, generator=torch.Generator().manual_seed(0))
    slope = torch.ones(len(row.tokens), 4, 16)
    exact = _attended(_padded, mixed.bfloat16().double(), (4, 2), row, slope)
    ours = _attended(_compiled, mixed.bfloat16(), (4, 2), row, slope)
    for got, expected in zip(ours, exact, strict=True):
        assert (got - expected).abs().max() < 0.01 * expected.abs().max()


def test_what_is_not_finite_stays_so():
    row = pack(families([(3, (5,))]))
    mixed = torch.ones(len(row.tokens), 6, 16)
    mixed[2] = torch.nan
    out, gradient = _attended(_compiled, mixed, (2, 2), row, torch.ones(len(row.tokens), 2, 16))
    assert out[2:].isnan().all()
    assert gradient[2:].isnan().any()
