"""The cases of corrections for what another program, or an older policy, sampled."""

from collections.abc import Callable

from torch import Tensor

from cohort.objective import corrections, kl, sequence_surrogates
from tests.oracles.step import Step, ppo

Result = dict[str, object]


def corrected(step: Step) -> Result:
    """Truncated or masked importance sampling, by token or by rollout."""
    cap = float(step["C"])
    weight = corrections.importance(step.old, step.sampler)
    if step["level"] == "sequence":
        weight = corrections.sequence_importance(step.old, step.sampler, step.rollout)
    bounded = (
        corrections.truncated(weight, cap=cap)
        if step["mode"] == "truncate"
        else corrections.masked(weight, high=cap)
    )
    return step.result(
        bounded * ppo(step),
        weight=step.matrix(bounded),
        seq_ratio=step.rows(weight),
        seq_weight=step.rows(bounded),
    )


def truncated_with_kl(step: Step, *, kl_weighted: bool) -> Result:
    weight = corrections.importance(step.old, step.sampler)
    weight = corrections.truncated(weight, cap=float(step["C"]))
    divergence = step["beta"] * kl.k3(step.new, step.reference)
    return step.result(weight * ppo(step) + (weight if kl_weighted else 1.0) * divergence)


def geometric(step: Step) -> Result:
    low, high = (float(bound) for bound in step["bounds"])
    mean = corrections.geometric_importance(step.old, step.sampler, step.rollout)
    keep = corrections.kept(mean, low=low, high=high)
    return step.result(keep * ppo(step), geo_ratio=step.rows(mean), keep=step.rows(keep) > 0)


def icepop(step: Step) -> Result:
    weight = corrections.masked(
        corrections.importance(step.old, step.sampler),
        low=float(step["alpha"]),
        high=float(step["beta"]),
    )
    return step.result(weight * ppo(step), weight=step.matrix(weight))


def decoupled(step: Step) -> Result:
    return step.result(corrections.importance(step.old, step.sampler) * ppo(step))


def sequence_mask(step: Step) -> Tensor:
    return corrections.off_policy_sequence_mask(
        step.new, step.old, step.advantages, step.rollout, delta=float(step["delta"])
    )


def opsm(step: Step) -> Result:
    keep = sequence_mask(step)
    drift = sequence_surrogates.mean_log_ratio(step.new, step.old, step.rollout)
    return step.result(
        keep * ppo(step), mean_log_old_over_new=step.rows(-drift), keep=step.rows(keep)
    )


def unbiased_kl(step: Step) -> Result:
    return step.result(kl.unbiased_k3(step.new, step.old, step.reference))


def deepseek_v32(step: Step) -> Result:
    divergence = kl.unbiased_k3(step.new, step.old, step.reference)
    return step.result(sequence_mask(step) * ppo(step) + step["beta"] * divergence)


CASES: dict[str, Callable[[Step], Result]] = {
    "loss_tis_token_C2": corrected,
    "loss_tis_token_mask_C2": corrected,
    "loss_tis_plus_kl_unweighted": lambda step: truncated_with_kl(step, kl_weighted=False),
    "loss_tis_times_kl": lambda step: truncated_with_kl(step, kl_weighted=True),
    "loss_tis_seq_C2": corrected,
    "loss_seq_mis_C2": corrected,
    "loss_geo_rs": geometric,
    "loss_icepop": icepop,
    "loss_decoupled_ppo": decoupled,
    "loss_opsm_delta0.1": opsm,
    "loss_opsm_delta0.5": opsm,
    "loss_unbiased_kl": unbiased_kl,
    "loss_v32_full": deepseek_v32,
}
