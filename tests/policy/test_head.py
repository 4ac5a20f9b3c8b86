"""The chunked head against a softmax over full logits, values and gradients."""

import pytest
import torch

from cohort.policy import head


@pytest.mark.parametrize("rows_per_chunk", [1, 7, 1000])
@pytest.mark.parametrize("with_bias", [True, False])
def test_the_chunked_head_equals_full_logits(monkeypatch, rows_per_chunk, with_bias):
    monkeypatch.setattr(head, "CHUNK_BYTES", {"cpu": rows_per_chunk * 4 * 13})
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(23, 8, generator=generator, dtype=torch.float32)
    weight = torch.randn(13, 8, generator=generator)
    bias = torch.randn(13, generator=generator) if with_bias else None
    tokens = torch.randint(0, 13, (23,), generator=generator)
    given = torch.randn(2, 23, generator=generator)

    def run(compute):
        leaves = [t.clone().requires_grad_() for t in (hidden, weight, bias) if t is not None]
        logprobs, entropy = compute(*leaves)
        (logprobs @ given[0] + entropy @ given[1]).backward()
        return [logprobs, entropy, *(leaf.grad for leaf in leaves)]

    def chunked(h, w, b=None):
        return head.token_logprobs(h, w, b, tokens, temperature=0.7)

    def full(h, w, b=None):
        logs = (torch.nn.functional.linear(h, w, b) / 0.7).log_softmax(-1)
        return logs.gather(1, tokens[:, None])[:, 0], -(logs.exp() * logs).sum(-1)

    for ours, theirs in zip(run(chunked), run(full), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize(
    "shaped", [head.Shaped(0.25), head.Shaped(1.0, 3.0), head.Shaped(2.0, 1.5)]
)
@pytest.mark.parametrize("heat", [1.0, 0.7])
def test_scaled_and_capped_logits_have_their_values_and_gradients(shaped, heat):
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(9, 8, generator=generator, dtype=torch.float32)
    weight = torch.randn(13, 8, generator=generator)
    tokens = torch.randint(0, 13, (9,), generator=generator)
    given = torch.randn(2, 9, generator=generator)

    def full(h, w):
        logits = shaped.factor * h @ w.T
        logits = shaped.cap * (logits / shaped.cap).tanh() if shaped.cap else logits
        logs = (logits / heat).log_softmax(-1)
        return logs.gather(1, tokens[:, None])[:, 0], -(logs.exp() * logs).sum(-1)

    def ours(h, w):
        return head.token_logprobs(h, w, None, tokens, temperature=heat, shaped=shaped)

    found = []
    for compute in (ours, full):
        leaves = [t.clone().requires_grad_() for t in (hidden, weight)]
        logprobs, entropy = compute(*leaves)
        (logprobs @ given[0] + entropy @ given[1]).backward()
        found.append([logprobs, entropy, *(leaf.grad for leaf in leaves)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=2e-5)


def test_a_frozen_head_still_gives_its_hidden_states_a_gradient():
    hidden, weight = torch.randn(5, 8), torch.randn(13, 8)
    gradients = []
    for trained in (True, False):
        leaf = hidden.clone().requires_grad_()
        logprobs, _ = head.token_logprobs(
            leaf, weight.requires_grad_(trained), None, torch.arange(5)
        )
        logprobs.sum().backward()
        gradients.append(leaf.grad)
    assert torch.equal(*gradients)


def test_a_chunk_never_holds_more_logits_than_it_may():
    slices = list(head.chunks(100_000, vocabulary=150_000))
    assert max(s.stop - s.start for s in slices) * 150_000 * 4 <= head.CHUNK_BYTES["cpu"]
    assert slices[0].start == 0
    assert slices[-1].stop == 100_000
