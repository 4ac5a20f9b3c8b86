"""The cases of surrogates, losses and gradients; and all cases of the loss side, by id."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from cohort.objective import (
    corrections,
    detached_surrogates,
    divergence_masks,
    entropy,
    future_kl,
    kl,
    quadratic_surrogates,
    sequence_surrogates,
    surrogates,
)
from cohort.objective.advantages import group_normalized
from tests.oracles.aggregations import CASES as AGGREGATIONS
from tests.oracles.distributions import CASES as DISTRIBUTIONS
from tests.oracles.mismatch import CASES as MISMATCH
from tests.oracles.step import Step, ppo

Result = dict[str, object]
ESTIMATORS = {"k1": kl.k1, "k2": kl.k2, "k3": kl.k3}


def ratios(step: Step) -> Result:
    return {
        "ratio_new_old": step.matrix(surrogates.ratio(step.new, step.old)),
        "ratio_old_rollout": step.matrix(corrections.importance(step.old, step.sampler)),
        "ratio_new_rollout": step.matrix(surrogates.ratio(step.new, step.sampler)),
    }


def reinforce(step: Step) -> Result:
    return step.result(surrogates.policy_gradient(step.new, step.advantages))


def clipped(step: Step) -> Result:
    return step.result(ppo(step))


def with_kl(step: Step) -> Result:
    divergence = ESTIMATORS[step["kl"]](step.new, step.reference)
    return step.result(
        ppo(step) + step["beta"] * divergence,
        kl_seq_mean_token_mean=step.mean(divergence, "seq-mean-token-mean").detach(),
        kl_token_mean=step.mean(divergence, "token-mean").detach(),
    )


def dual_clip(step: Step) -> Result:
    cap = float(step["c"])
    losses = surrogates.dual_clipped(step.new, step.old, step.advantages, **step.clip, cap=cap)
    return step.result(losses)


def two_sided(step: Step) -> Result:
    delta = float(step["delta"])
    losses = surrogates.two_sided(step.new, step.old, step.advantages, **step.clip, delta=delta)
    return step.result(losses)


def gspo(step: Step) -> Result:
    score = sequence_surrogates.mean_log_ratio(step.new, step.old, step.rollout)
    losses = sequence_surrogates.gspo(
        step.new, step.old, step.advantages, step.rollout, **step.clip
    )
    return step.result(losses, seq_ratio=step.rows(score.exp()))


def gspo_token(step: Step) -> Result:
    losses = sequence_surrogates.gspo_token(
        step.new, step.old, step.advantages, step.rollout, **step.clip
    )
    return step.result(losses)


def gmpo(step: Step) -> Result:
    bound = float(step["log_clip"])
    losses = sequence_surrogates.gmpo(
        step.new, step.old, step.advantages, step.rollout, log_clip_low=bound, log_clip_high=bound
    )
    return step.result(losses)


def cispo(step: Step) -> Result:
    if "ratio_max" in step.inputs:
        low, high = step.inputs.get("ratio_min") or 0.0, step["ratio_max"]
    else:
        low, high = 1.0 - step["eps_low"], 1.0 + step["eps_high"]
    losses = detached_surrogates.cispo(
        step.new, step.old, step.advantages, ratio_min=float(low), ratio_max=float(high)
    )
    return step.result(losses)


def sapo(step: Step) -> Result:
    losses = surrogates.sapo(
        step.new,
        step.old,
        step.advantages,
        tau_positive=float(step["tau_pos"]),
        tau_negative=float(step["tau_neg"]),
    )
    return step.result(losses)


def dppo(step: Step, *, region: Callable[..., Tensor]) -> Result:
    keep = region(step.new, step.sampler, step.advantages, delta=float(step["delta"]))
    losses = detached_surrogates.dppo(
        step.new, step.sampler, step.advantages, keep, cap=float(step["c"])
    )
    return step.result(losses, keep=step.matrix(keep))


def prime_rl(step: Step) -> Result:
    keep = divergence_masks.total_variation(
        step.new, step.sampler, step.advantages, delta=float(step["delta"])
    )
    losses = quadratic_surrogates.prime_rl(
        step.new, step.sampler, step.advantages, keep, tau=float(step["kl_tau"])
    )
    return step.result(losses, keep=step.matrix(keep))


def kimi_k25(step: Step) -> Result:
    losses = quadratic_surrogates.kimi_k2_5(
        step.new,
        step.old,
        step.advantages,
        log_low=float(step["log_alpha"]),
        log_high=float(step["log_beta"]),
        tau=float(step["tau"]),
    )
    return step.result(losses)


def kimi_k15(step: Step) -> Result:
    losses = quadratic_surrogates.kimi_k1_5(
        step.new, step.old, step.advantages, step.rollout, tau=float(step["tau"])
    )
    return step.result(losses)


def sao(step: Step) -> Result:
    low, high = (float(bound) for bound in step["interval"])
    inside = detached_surrogates.sao_weight(step.new, step.sampler, low=low, high=high) > 0
    losses = detached_surrogates.sao(step.new, step.sampler, step.advantages, low=low, high=high)
    return step.result(losses, keep=step.matrix(inside))


def vespo(step: Step) -> Result:
    positive = float(step["k_pos"]), float(step["lambda_pos"])
    negative = float(step["k_neg"]), float(step["lambda_neg"])
    given = step.new, step.old, step.advantages, step.rollout
    product = detached_surrogates.rollout_ratio(step.new, step.old, step.rollout)
    phi = detached_surrogates.vespo_weight(
        product, step.advantages, positive=positive, negative=negative
    )
    losses = detached_surrogates.vespo(*given, positive=positive, negative=negative)
    return step.result(losses, W=step.rows(product), phi=step.rows(phi))


def vespo_kernel(step: Step) -> Result:
    product = torch.tensor(step["W"], dtype=step.dtype)
    one = torch.ones_like(product)
    return {
        "phi_pos": detached_surrogates.vespo_weight(product, one),
        "phi_neg": detached_surrogates.vespo_weight(product, -one),
    }


def fipo(step: Step) -> Result:
    future = future_kl.future_kl(
        step.new,
        step.old,
        step.rollout,
        half_life_tokens=float(step["decay"]),
        ratio_max=float(step["delta"]),
    )
    weight = future_kl.fipo_weight(step.new, step.old, step.advantages, future)
    return step.result(
        weight * ppo(step), future_kl=step.matrix(future), weight=step.matrix(weight)
    )


def real(step: Step) -> Result:
    losses = sequence_surrogates.real(
        step.new,
        step.old,
        step.advantages > 0,
        step.rollout,
        group=step.group[step.rollout],
        tau=float(step["tau"]),
    )
    score = sequence_surrogates.mean_log_ratio(step.new, step.old, step.rollout)
    return step.result(losses, score=step.rows(score))


def topr(step: Step) -> Result:
    losses = detached_surrogates.topr(step.new, step.old, step.advantages, step.rollout)
    product = detached_surrogates.rollout_ratio(step.new, step.old, step.rollout)
    return step.result(losses, seq_ratio=step.rows(product))


def dro(step: Step) -> Result:
    losses = quadratic_surrogates.dro(
        step.new, step.old, step.advantages, beta=float(step.inputs.get("beta", 0.1))
    )
    return step.result(losses)


def normalized(step: Step, epsilon: float) -> Tensor:
    return group_normalized(step.rewards, step.group, correction=step["ddof"], epsilon=epsilon)


def scalerl(step: Step) -> Result:
    """One prompt: the deviation of the batch is that of the group, the prompt's mean the batch's."""
    advantages = normalized(step, 0.0)
    losses = detached_surrogates.cispo(
        step.new, step.sampler, advantages[step.rollout], ratio_max=float(step["eps_max"])
    )
    return step.result(losses, adv=advantages)


def end_to_end(step: Step) -> Result:
    advantages = normalized(step, float(step.inputs.get("eps_std", 0.0)))
    losses = ppo(step, advantages[step.rollout])
    if "beta" in step.inputs:
        losses = losses + step["beta"] * kl.k3(step.new, step.reference)
    return step.result(losses, adv=advantages)


def top_entropy(step: Step) -> Result:
    share = float(step["rho"])
    keep = entropy.most_uncertain(step.tokens("entropies"), share=share)
    threshold = entropy.quantile(step.tokens("entropies"), share=1.0 - share)
    return step.result(keep * ppo(step), threshold=threshold, keep=step.matrix(keep))


def covariance(step: Step) -> Tensor:
    return entropy.covariances(step.new, step.advantages)


def kl_cov(step: Step) -> Result:
    chosen = entropy.kl_cov(covariance(step), share=float(step["kl_cov_ratio"]))
    losses = surrogates.unclipped(step.new, step.old, step.advantages)
    penalty = entropy.drift_penalty(step.new, step.old, chosen, coefficient=float(step["coef"]))
    return step.result(losses + penalty, selected=step.matrix(chosen))


def clip_cov(step: Step) -> Result:
    free = surrogates.unclipped(step.new, step.old, step.advantages) >= ppo(step)
    dropped = entropy.clip_cov(
        covariance(step),
        free,
        torch.zeros_like(step.old),
        low=float(step["lb"]),
        high=float(step["ub"]),
        share=1.0,
    )
    return step.result(ppo(step) * ~dropped, dropped=step.matrix(dropped))


def _region(region: Callable[..., Tensor]) -> Callable[[Step], Result]:
    return lambda step: dppo(step, region=region)


STEPS: dict[str, Callable[[Step], Result]] = {
    "ratios_F1": ratios,
    "loss_reinforce_token_mean": reinforce,
    "loss_reinforce_seq_sum": reinforce,
    "loss_ppo_clip_0.2_seq-mean-token-mean": clipped,
    "loss_ppo_clip_0.2_token-mean": clipped,
    "loss_ppo_clip_0.2_seq-mean-token-sum": clipped,
    "loss_ppo_clip_0.2_seq-mean-token-sum-norm": clipped,
    "loss_grpo_onpolicy": clipped,
    "loss_grpo_kl_k3_beta0.04": with_kl,
    "loss_grpo_r1_eps10_beta0.001": with_kl,
    "loss_dapo_clip_higher": clipped,
    "loss_dr_grpo_budget8": clipped,
    "loss_dual_clip_c3": dual_clip,
    "loss_two_sided_delta4": two_sided,
    "loss_gspo_wide_0.2": gspo,
    "loss_gspo_3e-4_4e-4": gspo,
    "loss_gspo_token_wide_0.2": gspo_token,
    "loss_gmpo_0.4": gmpo,
    "loss_cispo_max_abs_1.3": cispo,
    "loss_cispo_verl_0.2_0.2": cispo,
    "loss_cispo_max_abs_5": cispo,
    "loss_sapo": sapo,
    "loss_sapo_onpolicy_grad": sapo,
    "loss_dppo_tv_0.15": _region(divergence_masks.total_variation),
    "loss_dppo_kl_0.05": _region(divergence_masks.binary_divergence),
    "loss_dppo_kl_0.065": _region(divergence_masks.binary_divergence),
    "loss_prime_rl_delta0.15": prime_rl,
    "loss_prime_rl_default": prime_rl,
    "loss_kimi_k2.5": kimi_k25,
    "loss_kimi_k1.5": kimi_k15,
    "loss_sao_dis": sao,
    "loss_vespo": vespo,
    "vespo_phi_at_1": vespo_kernel,
    "loss_luspo": gspo,
    "loss_fipo": fipo,
    "loss_real": real,
    "loss_topr": topr,
    "loss_dro": dro,
    "loss_scalerl_single_prompt": scalerl,
    "loss_top20_entropy_tokens": top_entropy,
    "cov_terms": lambda step: {"cov": step.matrix(covariance(step))},
    "loss_kl_cov_top2": kl_cov,
    "loss_clip_cov": clip_cov,
    "e2e_grpo_trl_like": end_to_end,
    "e2e_dapo": end_to_end,
    **MISMATCH,
    **AGGREGATIONS,
    **DISTRIBUTIONS,
}


def _case(function: Callable[[Step], Result]) -> Callable[..., Result]:
    def compute(inputs: dict[str, Any], fixture: dict[str, Any], dtype: torch.dtype) -> Result:
        return function(Step(inputs, fixture, dtype))

    return compute


CASES: dict[str, Callable[..., Result]] = {name: _case(step) for name, step in STEPS.items()}
OUT_OF_SCOPE: dict[str, str] = {}
