"""Products by oneDNN against torch's own, and the copies that sampling reads."""

import pytest
import torch

from cohort.config.recipe import NewModel
from cohort.policy import products
from cohort.policy.new import new_model, new_tokenizer
from cohort.policy.policy import Policy
from cohort.policy.products import Weights, outer, packed, product

SIZES = [(3, 512, 384), (40, 1024, 256)]
"""Large enough for oneDNN: tokens, width of the output, of the input."""


def _random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("laid_out", [True, False])
def test_products_are_torchs(size, dtype, laid_out):
    tokens, rows, width = size
    x, plain = _random(tokens, width).to(dtype), _random(rows, width, seed=1).to(dtype)
    bias, stream = _random(rows, seed=2).to(dtype), _random(tokens, rows, seed=3).to(dtype)
    weights = Weights(plain)
    with torch.inference_mode(), packed([weights] if laid_out else []):
        assert (weights._packed is not None) == (laid_out and products._onednn() is not None)
        got = weights.product(x), weights.product(x, bias), weights.added(stream, x)
    exact = x.double() @ plain.double().T
    expected = exact, exact + bias.double(), exact + stream.double()
    allowed = 1e-5 if dtype == torch.float32 else 0.01
    for one, other in zip(got, expected, strict=True):
        assert one.dtype == dtype
        assert (one.double() - other).abs().max() < allowed * other.abs().max()


@pytest.mark.parametrize("laid_out", [True, False])
def test_without_instructions_for_bfloat16_products_are_rounded_once(monkeypatch, laid_out):
    monkeypatch.setattr(products, "_has_bfloat16", lambda: False)
    x, plain = _random(40, 256).bfloat16(), _random(1024, 256, seed=1).bfloat16()
    bias, stream = _random(1024, seed=2).bfloat16(), _random(40, 1024, seed=3).bfloat16()
    weights = Weights(plain)
    with torch.inference_mode(), packed([weights] if laid_out else []):
        got = weights.product(x, bias), weights.added(stream, x), outer(stream, x)
    exact = x.double() @ plain.double().T
    expected = exact + bias.double(), exact + stream.double(), stream.double().T @ x.double()
    for one, other in zip(got, expected, strict=True):
        assert one.dtype == torch.bfloat16
        assert (one != other.bfloat16()).double().mean() < 2e-3, "rounded the other way at the edge"


def test_transposed_weights_need_no_copy():
    x, weight = _random(5, 512), _random(512, 384, seed=1)
    torch.testing.assert_close(product(x, weight.t()), x @ weight, rtol=1e-4, atol=1e-3)


def test_a_copy_is_dropped_when_sampling_fails():
    weights = Weights(_random(512, 384))
    with pytest.raises(ZeroDivisionError), packed([weights]):
        raise ZeroDivisionError
    assert weights._packed is None


def test_gradients_of_a_sum_are_numeric():
    stream, x, plain = (
        _random(*shape).double().requires_grad_() for shape in ((3, 4), (3, 5), (4, 5))
    )
    assert torch.autograd.gradcheck(lambda s, a, w: Weights(w).added(s, a), (stream, x, plain))


@pytest.mark.parametrize(("width", "vocabulary"), [(48, 40), (128, 300), (256, 768)])
def test_an_answers_logits_are_the_same_bits_whoever_is_sampled_beside_it(width, vocabulary):
    options = NewModel(hidden=width, layers=1, heads=4, key_value_heads=4, feed_forward=32)
    tokenizer = new_tokenizer([str(n) for n in range(vocabulary - 3)])
    policy = Policy(new_model(options, tokenizer, seed=1), tokenizer)
    hidden = torch.randn(40, width, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode(), policy.packed():
        together = policy.logits(hidden)
        for rows in (1, 2, 3, 4, 5, 7, 8, 13, 39):
            assert torch.equal(policy.logits(hidden[:rows].contiguous()), together[:rows])
