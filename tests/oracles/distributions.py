"""The cases of KL, entropy, gradient coefficients and distillation; most are exact expectations."""

from collections.abc import Callable

import torch
from torch import Tensor

from cohort.objective import distillation, entropy, kl, preferences, unified
from cohort.objective.surrogates import policy_gradient
from tests.oracles.step import Step

Result = dict[str, object]


def vector(step: Step, name: str) -> Tensor:
    return torch.tensor(step[name], dtype=step.dtype)


def gradient(loss: Tensor, of: Tensor) -> Tensor:
    return torch.autograd.grad(loss, of)[0]


def estimators(step: Step) -> Result:
    result: Result = {}
    for name, estimator in (("k1", kl.k1), ("k2", kl.k2), ("k3", kl.k3)):
        values = estimator(step.new, step.reference).detach()
        result[name] = step.matrix(values)
        result[f"{name}_mean"] = step.mean(values, "token-mean")
    return result


def clamps(step: Step) -> Result:
    logprobs, reference = vector(step, "lp"), vector(step, "lp_ref")
    return {
        "unclamped": kl.k3(logprobs, reference, log_ratio_max=torch.inf),
        "clamped": kl.k3(logprobs, reference, value_max=10.0),
    }


def values(step: Step) -> Result:
    """Every token of the vocabulary once, weighed by its probability."""
    pi, reference = vector(step, "pi"), vector(step, "ref")
    return {
        "kl_pi_ref": distillation.reverse_kl(pi.log()[None], reference.log()[None])[0],
        "kl_ref_pi": distillation.reverse_kl(reference.log()[None], pi.log()[None])[0],
        "E_k1": torch.dot(pi, kl.k1(pi.log(), reference.log())),
        "E_k2": torch.dot(pi, kl.k2(pi.log(), reference.log())),
        "E_k3": torch.dot(pi, kl.k3(pi.log(), reference.log())),
    }


def gradients(step: Step) -> Result:
    pi, reference = vector(step, "pi"), vector(step, "ref").log()
    logits = pi.log().requires_grad_()
    logprobs = torch.log_softmax(logits, dim=0)
    old = logprobs.detach()

    def expected(losses: Tensor) -> Tensor:
        (found,) = torch.autograd.grad(torch.dot(pi, losses), logits, retain_graph=True)
        return found

    exact = distillation.reverse_kl(logits[None], reference[None])[0]
    forward = (reference.exp() * (reference - logprobs)).sum()
    return {
        "true_grad_kl_pi_ref": gradient(exact, logits),
        "grad_forward_kl_ref_pi": torch.autograd.grad(forward, logits, retain_graph=True)[0],
        "k1_as_loss": expected(kl.k1(logprobs, reference)),
        "k2_as_loss": expected(kl.k2(logprobs, reference)),
        "k3_as_loss": expected(kl.k3(logprobs, reference)),
        "ratio_times_k3": expected(kl.unbiased_k3(logprobs, old, reference)),
        "k1_in_reward": expected(policy_gradient(logprobs, -kl.k1(old, reference))),
    }


def off_policy(step: Step) -> Result:
    pi, reference, sampler = (vector(step, name).log() for name in ("pi", "ref", "mu"))
    return {
        "E_mu_k3_without_ratio": torch.dot(sampler.exp(), kl.k3(pi, reference)),
        "E_mu_ratio_k3": torch.dot(sampler.exp(), kl.unbiased_k3(pi, sampler, reference)),
    }


def entropy_of_logits(step: Step) -> Result:
    logits = vector(step, "pi").log().requires_grad_()
    value = entropy.entropy(logits[None])[0]
    return {"entropy": value.detach(), "grad": gradient(value, logits)}


def grpo_coefficient(step: Step) -> Result:
    beta = float(step["beta"])
    return {"gc": step.matrix(unified.grpo(step.advantages, step.new, step.reference, beta=beta))}


def rft_coefficient(step: Step) -> Result:
    return {"gc": unified.rft(torch.tensor(step["correct"]) > 0)}


def dpo(step: Step) -> Result:
    names = ("lp_chosen", "lp_rejected", "ref_chosen", "ref_rejected")
    chosen, *others = (torch.tensor([step[name]], dtype=step.dtype) for name in names)
    chosen.requires_grad_()
    margin = preferences.dpo_margin(chosen, *others, beta=float(step["beta"]))
    loss = preferences.dpo_loss(margin)[0]
    return {
        "margin": margin[0].detach(),
        "loss": loss.detach(),
        "gc": preferences.dpo_coefficient(margin)[0],
        "dloss_dlp_chosen": gradient(loss, chosen)[0],
    }


def mopd(step: Step) -> Result:
    student = vector(step, "lp_student")
    outcome = torch.full_like(student, float(step["adv_outcome"]))
    advantages = distillation.mopd_advantages(
        student, vector(step, "lp_teacher"), outcome, alpha=float(step["alpha"])
    )
    return {"adv": advantages}


def full_vocabulary(step: Step) -> Result:
    logits = vector(step, "student").log().requires_grad_()
    loss = distillation.reverse_kl(logits[None], vector(step, "teacher").log()[None])[0]
    return {"kl": loss.detach(), "grad": gradient(loss, logits)}


CASES: dict[str, Callable[[Step], Result]] = {
    "kl_k1_k2_k3": estimators,
    "kl_k3_clamps_verl": clamps,
    "kl_tabular_values": values,
    "kl_tabular_gradients": gradients,
    "kl_offpolicy_samples": off_policy,
    "entropy_and_gradient": entropy_of_logits,
    "gc_grpo_eq21": grpo_coefficient,
    "gc_rft": rft_coefficient,
    "dpo_loss_and_gc": dpo,
    "adv_mopd": mopd,
    "opd_reverse_kl_full_vocab": full_vocabulary,
}
