"""The schedule and the update: every option changes something."""

import pytest
import torch

from cohort.config.stages import Optimizer
from cohort.data.packing import pack
from cohort.errors import TrainingError
from cohort.train.optim import Updater, gradient_norm, learning_rate
from cohort.train.rows import Rows, even_cut
from tests.tiny import families, tiny_policy

CPU = torch.device("cpu")


def _rates(**options):
    chosen = Optimizer(learning_rate=1.0, **options)
    return [learning_rate(u, chosen, updates=10) for u in range(10)]


def test_the_warm_up_rises_linearly_and_the_rest_is_constant():
    assert _rates(warmup_steps=3)[:5] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])


def test_cosine_and_linear_fall_toward_their_final_share():
    assert _rates(schedule="linear")[:3] == pytest.approx([1.0, 0.9, 0.8])
    assert _rates(schedule="linear", final_share=0.5)[5] == pytest.approx(0.75)
    assert _rates(schedule="cosine")[5] == pytest.approx(0.5)
    assert _rates(schedule="cosine") == sorted(_rates(schedule="cosine"), reverse=True)


def _after(steps=2, scale=1.0, **options):
    policy, _ = tiny_policy()
    updater = Updater(policy, Optimizer(**{"learning_rate": 0.01} | options), updates=steps)
    for step in range(steps):
        for number, parameter in enumerate(policy.model.parameters()):
            parameter.grad = torch.full_like(parameter, scale * (1 + number + step))
        updater.update()
    return torch.cat([p.detach().flatten() for p in policy.model.parameters()])


@pytest.mark.parametrize(
    "options",
    [{"learning_rate": 0.02}, {"beta1": 0.1}, {"beta2": 0.1}, {"epsilon": 0.1},
     {"weight_decay": 0.5}, {"max_gradient_norm": 1e-9}, {"warmup_steps": 1},
     {"schedule": "linear"}, {"schedule": "cosine", "final_share": 0.9}],
)  # fmt: skip
def test_every_option_of_the_optimizer_changes_the_weights(options):
    assert not torch.equal(_after(**options), _after())


def test_a_gradient_is_scaled_down_to_the_largest_norm_and_never_up():
    torch.testing.assert_close(_after(scale=1e6), _after(scale=1e3))
    policy, _ = tiny_policy()
    updater = Updater(policy, Optimizer(max_gradient_norm=100.0), updates=1)
    for parameter in policy.model.parameters():
        parameter.grad = torch.full_like(parameter, 1e-3)
    norm = updater.update()["grad_norm"]
    assert norm == pytest.approx(gradient_norm([p.grad for p in policy.model.parameters()]))


def test_a_gradient_that_is_not_finite_changes_no_weight():
    policy, _ = tiny_policy()
    before = [p.detach().clone() for p in policy.model.parameters()]
    updater = Updater(policy, Optimizer(learning_rate=1.0), updates=1)
    for parameter in policy.model.parameters():
        parameter.grad = torch.full_like(parameter, float("nan"))
    with pytest.raises(TrainingError, match="not finite"):
        updater.update()
    for old, new in zip(before, policy.model.parameters(), strict=True):
        assert torch.equal(old, new)


def test_an_update_without_gradient_changes_nothing_and_counts():
    policy, _ = tiny_policy()
    updater = Updater(policy, Optimizer(), updates=2)
    assert updater.update()["grad_norm"] == 0.0
    assert (updater.made, policy.version) == (1, 0)


ROW = pack(families([(2, (3, 2))]))


def _bfloat16_policy():
    policy, _ = tiny_policy()
    policy.model = policy.model.to(torch.bfloat16)
    return policy, policy.model.get_output_embeddings().weight


def test_small_updates_of_a_bfloat16_policy_add_up():
    """A rate of 1e-5 changes a weight of 1 by less than bfloat16 can tell; a thousand of them do not."""
    policy, weight = _bfloat16_policy()
    with torch.no_grad():
        weight.fill_(1.0)
    options = Optimizer(learning_rate=1e-5, schedule="constant", max_gradient_norm=1e9)
    updater = Updater(policy, options, updates=1000)
    for update in range(1000):
        updater.clear()
        updater.add_gradient([ROW], lambda _: (weight.sum(), None))
        updater.update()
        if update == 0:
            assert float(weight.detach().min()) == 1.0, "one update cannot be seen"
    assert abs(float(weight.detach().float().mean()) - 0.99) < 1 / 256


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_gradients_of_rows_add_up_in_float32_for_any_number_of_threads(threads):
    policy, weight = _bfloat16_policy()
    updater = Updater(policy, Optimizer(max_gradient_norm=1e9), updates=1)
    parts = [1.0] + [2.0**-10] * 64
    rows = [ROW] * len(parts)
    asked = iter(parts)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        kept = updater.add_gradient(rows, lambda _: ((weight * (part := next(asked))).sum(), part))
    finally:
        assert torch.get_num_threads() == threads, "the number of threads was not put back"
        torch.set_num_threads(before)
    assert sorted(kept) == sorted(parts)
    expected = sum(parts) * weight.numel() ** 0.5
    assert updater.update()["grad_norm"] == pytest.approx(expected, rel=1e-6)


def test_threads_change_neither_the_gradient_nor_the_order_of_what_is_kept():
    asked = families([(3, (5, 1, 9)), (11, (1, 1)), (1, (7, 2, 4, 12)), (6, (3,))])
    rows = [pack([family]) for family in asked]
    found = {}
    for threads in (1, 2, 4):
        policy, _ = tiny_policy("qwen3")
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            gradients, kept = Rows(list(policy.model.parameters())).gradient(
                rows, lambda row, policy=policy: (policy.logprobs(row)[0].sum(), len(row.flat))
            )
        finally:
            torch.set_num_threads(before)
        assert len(gradients) == threads
        assert kept == [len(row.flat) for row in rows]
        found[threads] = [sum(parts) for parts in zip(*gradients, strict=True)]
    for threads in (2, 4):
        for one, other in zip(found[1], found[threads], strict=True):
            torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-4)


def test_a_row_that_fails_says_so_and_the_threads_are_put_back():
    policy, _ = tiny_policy()
    before = torch.get_num_threads()
    torch.set_num_threads(2)

    def fail(row):
        raise ValueError("no loss")

    try:
        with pytest.raises(ValueError, match="no loss"):
            Rows(list(policy.model.parameters())).gradient([ROW, ROW], fail)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("budget", [20, 45, 1000])
def test_rows_are_within_the_budget_and_as_many_as_threads_can_share(threads, budget):
    asked = families([(3, (5, 6, 9))] * 9)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        pieces = even_cut(asked, tokens_per_row=budget, device=CPU)
    finally:
        torch.set_num_threads(before)
    sizes = [sum(family.size for family in piece) for piece in pieces]
    assert max(sizes) <= budget
    assert len(pieces) >= threads
    answers = [member.tokens.tolist() for piece in pieces for f in piece for member in f.members]
    assert answers == [member.tokens.tolist() for family in asked for member in family.members]
    if budget == 1000:
        assert len(pieces) == threads


def test_nothing_to_cut_gives_no_rows():
    assert even_cut([], tokens_per_row=10, device=CPU) == []
