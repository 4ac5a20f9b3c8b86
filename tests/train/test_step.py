"""From scored groups to an update: what counts, what is dropped, and that cuts change nothing."""

from dataclasses import replace

import pytest
import torch

from cohort.config.stages import Optimizer
from cohort.objective.grpo import GRPO
from cohort.train.batch import Cutting, no_grad_logprobs, prepare, whole_step
from cohort.train.clock import Clock
from cohort.train.credit import select, with_advantages
from cohort.train.optim import Updater
from cohort.train.reference import frozen_copy
from cohort.train.reinforce import log_ratio
from cohort.train.step import Beside, learn
from tests.tiny import gradients, group, plain_logprobs, tiny_policy

ON_POLICY = GRPO.but(beta=0.0)
CPU = torch.device("cpu")


def _credit(groups, algorithm=ON_POLICY):
    return with_advantages(select(groups, algorithm), algorithm)


def _groups(algorithm=ON_POLICY):
    made = [group([1.0, 0.0, 0.5, 0.0], seed=1), group([0.0, 0.0, 1.0], [1, 6, 2], seed=2)]
    return _credit(made, algorithm)


def _batches(credit, algorithm=ON_POLICY, *, budget=10_000, minibatches=1):
    cutting = Cutting(
        tokens_per_microbatch=budget, budget_tokens=48, device=CPU, minibatches=minibatches
    )
    return prepare(credit, algorithm, cutting)


def _gradient(policy, credit, algorithm, budget=10_000, **options):
    """The gradient that `learn` hands to the optimizer, before any update is made."""
    caught = []

    class Catch(Updater):
        def update(self):
            caught.append(gradients(policy.model).double() if self._some() else None)
            return {"grad_norm": 0.0}

        def _some(self):
            return any(p.grad is not None for p in self._parameters)

    batches = _batches(credit, algorithm, budget=budget)
    updater = Catch(policy, Optimizer(), updates=1)
    metrics = learn(policy, batches, algorithm, updater=updater, **options)
    return caught[0], metrics


def test_a_step_is_the_papers_formula_written_out_slowly():
    policy, model = tiny_policy()
    credit = _groups()
    ours, metrics = _gradient(policy, credit, ON_POLICY)
    total = torch.zeros(())
    for g in credit.groups:
        for rollout, advantage in zip(g.rollouts, g.advantages, strict=True):
            logprobs = plain_logprobs(model, g.prompt_tokens, rollout.tokens)
            surrogate = (logprobs - logprobs.detach()).exp() * advantage
            total = total - surrogate.mean() / len(g.rollouts) / len(credit.groups)
    total.backward()
    theirs = gradients(model).double()
    assert metrics["loss"] == pytest.approx(total.item(), abs=1e-6)
    assert torch.cosine_similarity(ours, theirs, dim=0) > 0.99999
    assert (ours - theirs).norm() / theirs.norm() < 1e-4


def test_the_kl_term_pulls_toward_the_reference():
    policy, model = tiny_policy()
    reference, other = tiny_policy(seed=5)
    credit = _groups(GRPO)
    ours, metrics = _gradient(policy, credit, GRPO, beside=Beside(reference))
    total, kl, tokens = torch.zeros(()), 0.0, 0
    for g in credit.groups:
        for rollout, advantage in zip(g.rollouts, g.advantages, strict=True):
            logprobs = plain_logprobs(model, g.prompt_tokens, rollout.tokens)
            gap = plain_logprobs(other, g.prompt_tokens, rollout.tokens).detach() - logprobs
            k3 = gap.exp() - gap - 1
            surrogate = (logprobs - logprobs.detach()).exp() * advantage
            total = total - (surrogate - 0.04 * k3).mean() / len(g.rollouts) / len(credit.groups)
            kl, tokens = kl + k3.sum().item(), tokens + len(rollout.tokens)
    total.backward()
    theirs = gradients(model).double()
    assert metrics["kl"] == pytest.approx(kl / tokens, rel=1e-4)
    assert (ours - theirs).norm() / theirs.norm() < 1e-4


@pytest.mark.parametrize("budget", [1, 12, 25])
def test_cutting_a_step_into_micro_batches_does_not_change_the_gradient(budget):
    policy, _ = tiny_policy("qwen2")
    whole, _ = _gradient(policy, _groups(), ON_POLICY)
    cut, _ = _gradient(policy, _groups(), ON_POLICY, budget=budget)
    assert (cut - whole).norm() / whole.norm() < 1e-5


def test_the_order_of_groups_does_not_change_the_gradient():
    policy, _ = tiny_policy()
    forward, _ = _gradient(policy, _groups(), ON_POLICY)
    backward, _ = _gradient(policy, _credit(_groups().groups[::-1]), ON_POLICY)
    assert (forward - backward).norm() / forward.norm() < 1e-5


def test_dead_tokens_are_dropped_and_still_counted():
    policy, _ = tiny_policy()
    live, dead = group([1.0, 0.0], seed=1), group([1.0, 1.0], [30, 30], seed=2)
    with_dead = _credit([live, dead])
    (batch,) = _batches(with_dead)
    assert batch.tokens == sum(len(r.tokens) for r in live.rollouts)
    both, _ = _gradient(policy, with_dead, ON_POLICY)
    alone, _ = _gradient(policy, _credit([live]), ON_POLICY)
    torch.testing.assert_close(both, alone / 2, rtol=1e-4, atol=1e-7)


def test_with_a_kl_term_nothing_is_dropped():
    credit = _credit([group([1.0, 1.0], seed=2)], GRPO)
    (batch,) = _batches(credit, GRPO)
    assert batch.tokens == sum(len(r.tokens) for r in credit.groups[0].rollouts)


def test_constant_rewards_give_no_gradient_and_no_signal():
    policy, _ = tiny_policy()
    credit = _credit([group([0.3] * 4, seed=1), group([1.0] * 3, seed=2)])
    gradient, metrics = _gradient(policy, credit, ON_POLICY)
    assert gradient is None
    assert metrics["loss"] == 0.0
    assert not any(g.has_signal for g in credit.groups)


def test_on_policy_the_loss_is_zero_while_the_gradient_is_not():
    policy, _ = tiny_policy()
    gradient, metrics = _gradient(policy, _groups(), ON_POLICY)
    assert abs(metrics["loss"]) < 1e-6
    assert gradient.norm() > 1e-3


def test_rollouts_without_a_score_enter_no_mean_and_no_count():
    scored = _credit([group([1.0, None, 0.0, None], seed=1)]).groups[0]
    assert scored.advantages == pytest.approx((0.9998, 0.0, -0.9998, 0.0), abs=1e-4)
    alone = _credit([group([1.0, None, None], seed=1)]).groups[0]
    assert alone.advantages == (0.0, 0.0, 0.0)
    policy, _ = tiny_policy()
    nobody, metrics = _gradient(policy, _credit([group([None, None], seed=1)]), ON_POLICY)
    assert nobody is None
    assert metrics["loss"] == 0.0


def test_a_second_update_uses_the_ratio_to_the_policy_before_the_first():
    policy, _ = tiny_policy()
    updater = Updater(policy, Optimizer(learning_rate=0.003), updates=4)
    metrics = learn(policy, _batches(_groups()), ON_POLICY, updater=updater, passes=4)
    assert policy.version == 4
    assert metrics["clip_ratio/region_mean"] > 0.0
    assert metrics["loss"] < -1e-2, "from the second update on the ratio follows the advantage"


def test_a_frozen_copy_does_not_move_with_the_policy():
    policy, _ = tiny_policy()
    reference = frozen_copy(policy)
    kept = reference.model.get_input_embeddings().weight.clone()
    updater = Updater(policy, Optimizer(learning_rate=0.01), updates=1)
    learn(policy, _batches(_groups()), ON_POLICY, updater=updater)
    assert torch.equal(reference.model.get_input_embeddings().weight, kept)
    assert not torch.equal(policy.model.get_input_embeddings().weight, kept)


def _twice(policy, algorithm, **options):
    """Two updates on the same groups, and their metrics."""
    credit = _groups(algorithm)
    updater = Updater(policy, Optimizer(learning_rate=3e-3), updates=2)
    return learn(
        policy, _batches(credit, algorithm), algorithm, updater=updater, passes=2, **options
    )


def test_against_the_sampler_the_ratio_counts_from_the_first_update_on():
    policy, model = tiny_policy()
    algorithm = ON_POLICY.but(behaviour="sampler", advantage="group-mean", surrogate="ratio")
    credit = _groups(algorithm)
    ours, _ = _gradient(policy, credit, algorithm)
    total = torch.zeros(())
    for g in credit.groups:
        for rollout, advantage in zip(g.rollouts, g.advantages, strict=True):
            logprobs = plain_logprobs(model, g.prompt_tokens, rollout.tokens)
            ratio = (logprobs - torch.from_numpy(rollout.logprobs)).exp()
            total = total - (ratio * advantage).mean() / len(g.rollouts) / len(credit.groups)
    total.backward()
    theirs = gradients(model).double()
    assert (ours - theirs).norm() / theirs.norm() < 1e-4


def test_each_answer_is_trained_at_the_temperature_it_was_sampled_with():
    policy, model = tiny_policy()
    made = group([1.0, 0.0, 0.5], seed=1)
    heat = (0.5, 1.0, 2.0)
    warmed = [replace(r, temperature=t) for r, t in zip(made.rollouts, heat, strict=True)]
    credit = _credit([replace(made, rollouts=tuple(warmed))])
    ours, _ = _gradient(policy, credit, ON_POLICY)
    total = torch.zeros(())
    for g in credit.groups:
        for rollout, advantage in zip(g.rollouts, g.advantages, strict=True):
            logprobs = plain_logprobs(model, g.prompt_tokens, rollout.tokens, rollout.temperature)
            surrogate = (logprobs - logprobs.detach()).exp() * advantage
            total = total - surrogate.mean() / len(g.rollouts)
    total.backward()
    theirs = gradients(model).double()
    assert (ours - theirs).norm() / theirs.norm() < 1e-4


def test_the_most_uncertain_tokens_are_asked_of_the_whole_update():
    whole = _gradient(tiny_policy()[0], _groups(), ON_POLICY.but(entropy="most-uncertain"))[0]
    for budget in (1, 12):
        algorithm = ON_POLICY.but(entropy="most-uncertain")
        cut, _ = _gradient(tiny_policy()[0], _groups(), algorithm, budget=budget)
        assert (cut - whole).norm() / whole.norm() < 1e-5
    everything = ON_POLICY.but(entropy="most-uncertain", entropy_share=1.0)
    usual, _ = _gradient(tiny_policy()[0], _groups(), ON_POLICY)
    torch.testing.assert_close(_gradient(tiny_policy()[0], _groups(), everything)[0], usual)
    assert not torch.allclose(whole, usual)


def test_clip_cov_takes_tokens_out_by_the_draws_of_its_key():
    wide = {"covariance_low": -9.0, "covariance_high": 9.0, "covariance_share": 0.3}
    algorithm = ON_POLICY.but(entropy="clip-cov", **wide)

    def gradient(key):
        return _gradient(tiny_policy()[0], _groups(), algorithm, key=key)[0]

    usual, _ = _gradient(tiny_policy()[0], _groups(), ON_POLICY)
    assert torch.equal(gradient((1,)), gradient((1,)))
    assert not torch.allclose(gradient((1,)), gradient((2,)))
    assert not torch.allclose(gradient((1,)), usual)


def test_kl_cov_acts_from_the_second_update_on():
    held = ON_POLICY.but(entropy="kl-cov", covariance_share=0.5, covariance_coefficient=50.0)
    first = _gradient(tiny_policy()[0], _groups(), held)[0]
    usual = _gradient(tiny_policy()[0], _groups(), ON_POLICY)[0]
    torch.testing.assert_close(first, usual)
    free, bound = tiny_policy()[0], tiny_policy()[0]
    _twice(free, ON_POLICY)
    _twice(bound, held)
    pairs = zip(free.model.parameters(), bound.model.parameters(), strict=True)
    assert any(not torch.equal(one, other) for one, other in pairs)


def test_minibatches_are_one_update_each_against_the_policy_before_the_first():
    policy, _ = tiny_policy()
    updater = Updater(policy, Optimizer(learning_rate=3e-4), updates=2)
    batches = _batches(_groups(), minibatches=2)
    fresh = no_grad_logprobs(policy, batches[1])[0]
    before = learn(policy, batches, ON_POLICY.but(clip_low=1e-9, clip_high=1e-9), updater=updater)
    assert policy.version == 2
    assert not torch.allclose(no_grad_logprobs(policy, batches[1])[0], fresh)
    assert before["clip_ratio/region_mean"] > 0.0, "the second update is off the first's policy"


def test_tokens_that_the_clip_let_go_of_are_counted_by_the_sign_of_their_advantage():
    metrics = _twice(tiny_policy()[0], ON_POLICY.but(clip_low=1e-6, clip_high=1e-6))
    low, high = metrics["clip_ratio/low_mean"], metrics["clip_ratio/high_mean"]
    assert low > 0.0
    assert high > 0.0
    assert metrics["clip_ratio/region_mean"] == pytest.approx(low + high)
    only_high = _twice(tiny_policy()[0], ON_POLICY.but(clip_low=10.0, clip_high=1e-6))
    assert (only_high["clip_ratio/low_mean"], only_high["clip_ratio/high_mean"] > 0) == (0.0, True)


def test_what_is_paid_for_divergence_is_more_where_the_policy_likes_a_token_more():
    policy, model = tiny_policy()
    reference, other = tiny_policy(seed=5)
    credit = _groups()
    cutting = Cutting(tokens_per_microbatch=12, budget_tokens=48, device=CPU)
    everything = whole_step(credit.groups, credit.places, cutting)
    found = log_ratio(policy, reference, everything, Clock())
    expected = []
    for g in credit.groups:
        for rollout in g.rollouts:
            ours, theirs = (
                plain_logprobs(m, g.prompt_tokens, rollout.tokens) for m in (model, other)
            )
            expected.append((ours - theirs).detach().double())
    torch.testing.assert_close(found, torch.cat(expected), rtol=1e-4, atol=1e-5)
