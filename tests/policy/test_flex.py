"""The GPU's attention over shared prompts, as far as a CPU can say: its mask, and its values."""

import numpy as np
import pytest
import torch

from cohort.data.packing import pack, pack_plain
from cohort.policy.attention import Packed
from cohort.policy.flex import BLOCK, Flex, blocks
from tests.tiny import families

SHAPE = [(3, (5, 1, 9)), (11, (1, 1)), (1, (7, 2, 4, 12)), (6, (3,))]
CPU = torch.device("cpu")


def _dense(row, window):
    """Who sees whom, from what a row is: the prompt, then one answer after another."""
    count = len(row.tokens)
    seen = torch.zeros(count, count, dtype=torch.bool)
    spans = list(zip(row.prefix_starts, row.prefix_lengths, [None] * 99, strict=False))
    spans += list(zip(row.suffix_starts, row.suffix_lengths, row.suffix_parent, strict=True))
    for start, length, parent in spans:
        own = slice(start, start + length)
        seen[own, own] = torch.ones(length, length, dtype=torch.bool).tril()
        if parent is not None:
            first = row.prefix_starts[parent]
            seen[own, first : first + row.prefix_lengths[parent]] = True
    position = torch.from_numpy(row.positions)
    if window:
        seen &= position[:, None] - position[None, :] < window
    return seen


@pytest.mark.parametrize("layout", [pack, pack_plain])
@pytest.mark.parametrize("window", [0, 6])
def test_the_mask_function_is_the_dense_mask(layout, window):
    row = layout(families(SHAPE))
    sees = Flex(row, CPU).sees(window)
    count = len(row.tokens)
    query = torch.arange(count)[:, None].expand(count, count)
    found = sees(torch.tensor(0), torch.tensor(0), query, query.T)
    assert torch.equal(found, _dense(row, window))


LONG = [(300, (150, 1, 400, 130)), (128, (128, 256)), (5, (700, 3)), (257, (1,))]


@pytest.mark.parametrize("shape", [SHAPE, LONG])
@pytest.mark.parametrize("layout", [pack, pack_plain])
def test_the_table_of_blocks_has_every_pair_that_is_seen_and_whole_blocks_no_other(layout, shape):
    row = layout(families(shape))
    dense, n = _dense(row, 0), len(row.tokens)
    seen, whole = blocks(row)
    assert not (whole & ~seen).any()
    for i, j in np.ndindex(*seen.shape):
        block = dense[i * BLOCK : (i + 1) * BLOCK, j * BLOCK : (j + 1) * BLOCK]
        assert seen[i, j] or not block.any()
        if whole[i, j]:
            assert block.all()
            assert (i + 1) * BLOCK <= n
    assert shape is SHAPE or whole.any()
    assert seen.sum() < seen.size or shape is SHAPE


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("shape", [SHAPE, LONG])
@pytest.mark.parametrize("window", [0, 6])
@pytest.mark.parametrize("key_heads", [1, 4])
def test_its_values_are_those_of_the_cpus_way(window, key_heads, shape):
    row = pack(families(shape))
    draw = torch.Generator().manual_seed(0)
    count = len(row.tokens)
    query = torch.randn(count, 4, 16, generator=draw)
    key, value = (torch.randn(count, key_heads, 16, generator=draw) for _ in range(2))
    with torch.no_grad():
        ours = Flex(row, CPU).attend(query, key, value, scale=0.3, window=window)
        theirs = Packed(row, CPU).attend(0, query, key, value, scale=0.3, window=window)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
