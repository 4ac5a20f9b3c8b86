"""Gradient coefficients are the gradients of the losses; preferences; distillation."""

import math

import pytest
import torch

from cohort.objective import unified
from cohort.objective.distillation import mopd_advantages, reverse_kl
from cohort.objective.kl import k3
from cohort.objective.preferences import dpo_coefficient, dpo_loss, dpo_margin
from cohort.objective.surrogates import clipped, negative_log_likelihood, policy_gradient
from tests.numbers import F64

NOW, REFERENCE, ADVANTAGES = [-1.0, -0.3, -2.0], F64([-1.2, -0.1, -0.5]), F64([1.0, -0.5, 0.2])


def slope(losses):
    now = F64(NOW, grad=True)
    losses(now).sum().backward()
    return now.grad


def test_the_coefficient_of_grpo_is_the_gradient_of_its_loss():
    def loss(now):
        surrogate = clipped(now, now.detach(), ADVANTAGES, clip_low=0.2, clip_high=0.2)
        return surrogate + 0.04 * k3(now, REFERENCE)

    found = unified.grpo(ADVANTAGES, F64(NOW, grad=True), REFERENCE, beta=0.04)
    assert not found.requires_grad
    torch.testing.assert_close(slope(loss), -found)
    torch.testing.assert_close(slope(lambda now: policy_gradient(now, found)), -found)
    assert found[2].item() == pytest.approx(0.2 + 0.04 * (math.exp(1.5) - 1))


def test_the_coefficients_of_imitation_and_of_the_critic():
    torch.testing.assert_close(slope(negative_log_likelihood), -unified.sft(F64(NOW)))
    assert unified.rft(torch.tensor([True, False])).tolist() == [1.0, 0.0]
    learned = ADVANTAGES.clone().requires_grad_()
    assert unified.ppo(learned).tolist() == ADVANTAGES.tolist()
    assert not unified.ppo(learned).requires_grad
    assert not unified.grpo(learned, F64(NOW), REFERENCE, beta=0.04).requires_grad


def test_the_table_has_the_six_methods_of_the_paper():
    names = [method.name for method in unified.METHODS]
    assert names == ["SFT", "RFT", "DPO", "Online RFT", "PPO", "GRPO"]
    functions = {method.name: method.function for method in unified.METHODS}
    assert functions["RFT"] is functions["Online RFT"] is unified.rft
    assert functions["GRPO"] is unified.grpo
    assert functions["DPO"] is dpo_coefficient


def test_the_gradient_of_dpo_is_its_coefficient_on_both_answers():
    chosen, rejected = F64([-12.0, -3.0], grad=True), F64([-15.0, -2.0], grad=True)
    held = F64([-13.0, -3.5], grad=True), F64([-14.5, -2.5], grad=True)
    margin = dpo_margin(chosen, rejected, *held, beta=0.1)
    loss = dpo_loss(margin)
    loss.sum().backward()
    assert margin.tolist() == pytest.approx([0.15, 0.0])
    assert loss.tolist() == pytest.approx([math.log(1 + math.exp(-0.15)), math.log(2)])
    coefficient = dpo_coefficient(margin)
    assert not coefficient.requires_grad
    assert coefficient.tolist() == pytest.approx([1 / (1 + math.exp(0.15)), 0.5])
    torch.testing.assert_close(chosen.grad, -0.1 * coefficient)
    torch.testing.assert_close(rejected.grad, 0.1 * coefficient)
    assert held[0].grad is None
    assert held[1].grad is None


@pytest.mark.parametrize("gap", [-2000.0, 2000.0])
def test_a_pair_that_is_far_apart_has_a_finite_loss_and_gradient(gap):
    chosen = F64([gap], grad=True)
    dpo_loss(dpo_margin(chosen, F64([0.0]), F64([0.0]), F64([0.0]), beta=1.0)).sum().backward()
    assert chosen.grad.item() == pytest.approx(-1.0 if gap < 0 else 0.0)


PI, TEACHER = F64([0.5, 0.3, 0.2]), F64([0.2, 0.2, 0.6])


def test_the_teachers_advantage_is_a_constant():
    student, teacher = F64([-1.0, -2.0], grad=True), F64([-0.5, -2.5], grad=True)
    found = mopd_advantages(student, teacher, F64([2.0, -2.0], grad=True), alpha=0.5)
    assert found.tolist() == [1.5, -1.5]
    assert not found.requires_grad


def test_the_teachers_advantage_descends_the_divergence_that_the_full_vocabulary_gives():
    logits = PI.log().requires_grad_()
    reverse_kl(logits[None], TEACHER.log()[None]).sum().backward()
    exact, logits.grad = logits.grad, None
    now = torch.log_softmax(logits, dim=0)
    advantages = mopd_advantages(now, TEACHER.log(), torch.zeros_like(now), alpha=1.0)
    torch.dot(PI, policy_gradient(now, advantages)).backward()
    torch.testing.assert_close(logits.grad, exact)


def test_the_divergence_of_distributions_is_of_the_student_alone():
    student = torch.stack([PI.log(), TEACHER.log()]).requires_grad_()
    teacher = torch.stack([TEACHER.log() + 2.0, TEACHER.log()]).requires_grad_()
    found = reverse_kl(student, teacher)
    found.sum().backward()
    assert found.tolist() == pytest.approx([float((PI * (PI / TEACHER).log()).sum()), 0.0])
    assert teacher.grad is None
    gap = (PI / TEACHER).log()
    torch.testing.assert_close(student.grad[0], PI * (gap - (PI * gap).sum()))


def test_a_token_that_both_masks_forbid_adds_nothing():
    student = F64([0.0, 1.0, -math.inf], grad=True)
    found = reverse_kl(student[None], F64([1.0, 0.0, -math.inf])[None])
    found.sum().backward()
    assert torch.isfinite(found).all()
    assert torch.isfinite(student.grad).all()
