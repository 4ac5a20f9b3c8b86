"""The cases of topic `advantage`."""

import ast
import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from cohort.objective import (
    advantages,
    baselines,
    groups,
    pass_at_k,
    process,
    returns,
    segments,
    step_advantages,
    token_baseline,
)
from tests.oracles.matrices import by_group, flat, grouped, padded, tokens_of

Values = dict[str, Any]


def one_group(inputs: Values, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    rewards = torch.tensor(inputs["rewards"], dtype=dtype)
    return rewards, torch.zeros(len(rewards), dtype=torch.int64)


def deviation(centred: Tensor, correction: int) -> Tensor:
    return (centred.square().sum() / (len(centred) - correction)).sqrt()


def normalized(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    rewards, group = one_group(inputs, dtype)
    result = advantages.group_normalized(
        rewards, group, correction=inputs["ddof"], epsilon=float(inputs["eps"])
    )
    own = deviation(advantages.group_centred(rewards, group), inputs["ddof"])
    return {"adv": result, "mean": rewards.mean(), "std": own}


def near_equal(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    written = {**inputs, "rewards": arithmetic(inputs["rewards_expr"])}
    adv = normalized(written, fixture, dtype)["adv"]
    return {"max_abs_adv_less_than": adv.abs().max()}


OPERATIONS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def arithmetic(text: str) -> Any:
    """The value of a list of numbers and of + - * / between them; it calls nothing."""

    def value(node: ast.expr) -> Any:
        match node:
            case ast.List(elements):
                return [value(element) for element in elements]
            case ast.Constant(int() | float() as number):
                return number
            case ast.UnaryOp(ast.USub(), operand):
                return -value(operand)
            case ast.BinOp(left, kind, right):
                return OPERATIONS[type(kind)](value(left), value(right))
        raise ValueError(f"not arithmetic: {text}")

    return value(ast.parse(text, mode="eval").body)


def plain(
    method: Callable[[Tensor, Tensor], Tensor], inputs: Values, fixture: Values, dtype: torch.dtype
) -> Values:
    return {"adv": method(*one_group(inputs, dtype))}


def remax(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    rewards, _ = one_group(inputs, dtype)
    return {
        "adv": baselines.remax(rewards, greedy=torch.full_like(rewards, inputs["greedy_reward"]))
    }


def opo(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    rewards, group = one_group(inputs, dtype)
    lengths = torch.tensor(inputs["lengths"]).long()
    adv = baselines.opo(rewards, group, lengths=lengths)
    return {"adv": adv, "baseline": (rewards - adv)[0]}


def nemo(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    rewards, group = one_group(inputs, dtype)
    adv = baselines.leave_one_out_normalized(rewards, group, epsilon=float(inputs["eps"]))
    own = baselines.leave_one_out(rewards, group)
    return {"adv": adv, "baseline": rewards - own, "std": baselines.deviation_of_others(rewards)}


def maxrl(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    return {"adv": baselines.maxrl(*one_group(inputs, dtype), epsilon=float(inputs["eps"]))}


def lite_ppo(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    rewards, group = grouped(fixture["rewards"], dtype)
    correction = inputs["ddof"]
    adv = step_advantages.lite_ppo(rewards, group, correction=correction, epsilon=0.0)
    whole = advantages.group_centred(rewards, torch.zeros_like(group))
    return {"adv": by_group(adv, group), "batch_std": deviation(whole, correction)}


def scalerl(inputs: Values, fixture: Values, dtype: torch.dtype, *, count_flat: bool) -> Values:
    rewards, group = grouped(fixture["rewards"], dtype)
    correction = inputs["ddof"]
    adv = step_advantages.scalerl(
        rewards, group, correction=correction, epsilon=0.0, count_flat=count_flat
    )
    centred = advantages.group_centred(rewards, group)
    kept = torch.ones_like(group) > 0 if count_flat else ~groups.is_flat(rewards, group)
    return {
        "adv": by_group(adv[kept], group[kept]),
        "adv_std": deviation(centred[kept], correction),
        "kept_groups": torch.unique(group[kept]),
    }


def gpg_paper(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    rewards, group = grouped(fixture["rewards"], dtype)
    adv = by_group(baselines.gpg(rewards, group), group)
    return {"adv": adv, "alpha": baselines.signal_scale(rewards, group)}


def gpg_verl(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    rewards, group = grouped(fixture["rewards"], dtype)
    adv = by_group(baselines.gpg_of_nonzero(rewards, group), group)
    return {"adv": adv, "alpha": baselines.nonzero_scale(rewards)}


def bnpo_groups(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    rewards, group = grouped(fixture["rewards"], dtype)
    rates = torch.stack([rewards[group == number].mean() for number in torch.unique(group)])
    adv = step_advantages.bnpo(rewards, group, largest=float(inputs["clamp"]))
    return {
        "adv": by_group(adv, group),
        "p": rates,
        **fitted_beta(rates, float(inputs["clamp"])),
    }


def bnpo_rates(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    rates = torch.tensor(inputs["group_success_rates"], dtype=dtype)
    fitted = fitted_beta(rates, float(inputs.get("clamp", 1e6)))
    weight = fitted["weight"]
    return {**fitted, "adv_correct": (1.0 - rates) * weight, "adv_wrong": -rates * weight}


def fitted_beta(rates: Tensor, largest: float) -> Values:
    alpha, beta = step_advantages.beta_parameters(rates)
    weight = step_advantages.bnpo_weight(rates, alpha, beta, largest=largest)
    mean = rates.mean()
    return {"mean": mean, "var": rates.var(), "alpha": alpha, "beta": beta, "weight": weight}


def reinforce_pp(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    tokens = tokens_of(fixture["mask"])
    rewards, _ = one_group(inputs, dtype)
    old, reference = (flat(fixture[name], tokens, dtype) for name in ("lp_old", "lp_ref"))
    rewarded = returns.kl_penalized(rewards, old, reference, tokens.row, beta=float(inputs["beta"]))
    to_come = segments.suffix_sums(rewarded, tokens.row, discount=float(inputs["gamma"]))
    return {
        "token_reward": padded(rewarded, tokens),
        "returns": padded(to_come, tokens),
        "adv_bessel_verl": padded(returns.whitened(to_come, correction=1, epsilon=1e-8), tokens),
        "adv_pop": padded(returns.whitened(to_come, correction=0, epsilon=1e-8), tokens),
    }


def reinforce_pp_baseline(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    rewards, group = grouped(fixture["rewards"], dtype)
    lengths, _ = grouped(fixture["lengths"], torch.int64)
    result = {}
    for name, correction in (("adv_bessel_per_response", 1), ("adv_pop_per_response", 0)):
        adv = step_advantages.reinforce_plus_plus_baseline(
            rewards, group, lengths=lengths, correction=correction, epsilon=float(inputs["eps"])
        )
        result[name] = by_group(adv, group)
    return result


def gdpo(inputs: Values, fixture: Values, dtype: torch.dtype, *, correction: int) -> Values:
    rewards, group, weights = several_rewards(inputs, dtype)
    options = {"correction": correction, "epsilon": float(inputs.get("eps", 0.0))}
    each = [advantages.group_normalized(column, group, **options) for column in rewards.unbind(1)]
    adv = step_advantages.gdpo(rewards, group, weights=weights, **options)
    return {
        **{f"z{number}": by_group(z, group) for number, z in enumerate(each, 1)},
        "combined": by_group(torch.stack(each, 1) @ weights, group),
        "adv": by_group(adv, group),
    }


def summed_rewards(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    rewards, group, weights = several_rewards(inputs, dtype)
    adv = advantages.group_normalized(
        rewards @ weights, group, correction=1, epsilon=float(inputs["eps"])
    )
    return {"adv": by_group(adv, group)}


def several_rewards(inputs: Values, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    weights = torch.tensor(inputs["weights"], dtype=dtype)
    columns = [grouped(inputs[f"reward_{number + 1}"], dtype) for number in range(len(weights))]
    return torch.stack([rewards for rewards, _ in columns], dim=1), columns[0][1], weights


def best_only(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    rewards, group = one_group(inputs, dtype)
    scaled = pass_at_k.best_only_normalized(
        rewards, group, correction=1, epsilon=float(inputs["eps"])
    )
    return {"adv_nostd": pass_at_k.best_only(rewards, group), "adv_std": scaled}


def passk_training(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    size, right, k = inputs["n"], inputs["c"], inputs["k"]
    rewards = torch.tensor([1.0] * right + [0.0] * (size - right), dtype=dtype)
    group = torch.zeros(size, dtype=torch.int64)
    options = {"k": k, "right_above": 0.5}
    adv = pass_at_k.pass_at_k_training(rewards, group, **options, epsilon=float(inputs["eps"]))
    mean = pass_at_k.pass_rate_of_subsets(rewards, group, **options)[0]
    return {
        "group_mean": mean,
        "group_std": (mean * (1.0 - mean)).sqrt(),
        "adv_pos": adv[0] if right else None,
        "adv_neg": adv[-1] if right < size else None,
    }


def pkpo(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    rewards, group = one_group(inputs, dtype)
    kinds = {"s": "none", "s_loo": "leave-one-out", "s_loo_minus_1": "k-1"}
    return {
        key: pass_at_k.pkpo(rewards, group, k=inputs["k"], baseline=kind)
        for key, kind in kinds.items()
        if inputs["k"] > 1 or kind != "k-1"
    }


def process_supervision(
    inputs: Values, fixture: Values, dtype: torch.dtype, *, scaled: bool
) -> Values:
    steps = inputs["steps_end_index_and_reward"]
    lengths = torch.tensor(inputs["lengths"])
    rollout = torch.arange(len(lengths)).repeat_interleave(lengths)
    starts = (lengths.cumsum(0) - lengths).tolist()
    rewards = torch.tensor([reward for own in steps for _, reward in own], dtype=dtype)
    end = torch.tensor(
        [start + place for start, own in zip(starts, steps, strict=True) for place, _ in own]
    )
    group = torch.zeros(len(rewards), dtype=torch.int64)
    correction = inputs.get("ddof", 0)
    if scaled:
        epsilon = float(inputs.get("eps", 0.0))
        adv = process.process_normalized(
            rewards, group, end=end, rollout=rollout, correction=correction, epsilon=epsilon
        )
    else:
        adv = process.process_centred(rewards, group, end=end, rollout=rollout)
    own = deviation(advantages.group_centred(rewards, group), correction)
    return {"adv": by_group(adv, rollout), "mean": rewards.mean(), "std": own}


def optimal_token(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    tokens = tokens_of(fixture["mask"])
    rewards, _ = one_group(inputs, dtype)
    old = flat(fixture["lp_old"], tokens, dtype)
    squares = flat(inputs["sum_pi_squared"], tokens, dtype)
    energy = token_baseline.realized_energy(old, squares, tokens.row)
    adv, baseline = token_baseline.optimal_token_baseline(
        rewards[tokens.row], energy, rollout=tokens.row, group=torch.zeros_like(tokens.row)
    )
    by_place = torch.zeros(tokens.shape[1], dtype=dtype).scatter(0, tokens.column, baseline)
    return {"W": padded(energy, tokens), "baseline": by_place, "adv": padded(adv, tokens)}


def reward_scale(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    result = {}
    for name in ("01", "_pm1"):
        own = one_group({"rewards": inputs[f"rewards{name}"]}, dtype)
        result[f"adv{name}"] = advantages.group_centred(*own)
    return result


CASES: dict[str, Callable[[Values, Values, torch.dtype], Values]] = {
    "adv_grpo_pop_eps0": normalized,
    "adv_grpo_bessel_eps0": normalized,
    "adv_grpo_bessel_eps1e-4_TRL": normalized,
    "adv_grpo_bessel_eps1e-6_verl": normalized,
    "adv_grpo_pop_eps1e-8": normalized,
    "adv_grpo_binary_c1_G4": normalized,
    "adv_grpo_zero_variance": normalized,
    "adv_grpo_near_equal_rewards": near_equal,
    "adv_dr_grpo": partial(plain, advantages.group_centred),
    "adv_rloo": partial(plain, baselines.leave_one_out),
    "adv_remax": remax,
    "adv_opo": opo,
    "adv_nemo_rl_default": nemo,
    "adv_maxrl": maxrl,
    "adv_maxrl_eps": maxrl,
    "adv_liteppo_ddof0": lite_ppo,
    "adv_liteppo_ddof1": lite_ppo,
    "adv_scalerl_ddof0": partial(scalerl, count_flat=True),
    "adv_scalerl_ddof1": partial(scalerl, count_flat=True),
    "adv_scalerl_filtered": partial(scalerl, count_flat=False),
    "adv_gpg_paper": gpg_paper,
    "adv_gpg_verl_code": gpg_verl,
    "adv_bnpo_paper_3groups": bnpo_groups,
    "adv_bnpo_paper_4groups": bnpo_rates,
    "adv_reinforce_pp": reinforce_pp,
    "adv_reinforce_pp_baseline": reinforce_pp_baseline,
    "adv_gdpo_trl_reference": partial(gdpo, correction=1),
    "adv_gdpo_contrast_grpo_sum": summed_rewards,
    "adv_gdpo_pop_eps0": partial(gdpo, correction=0),
    "adv_passk_best_only": best_only,
    "adv_passk_training": passk_training,
    "adv_pkpo_binary": pkpo,
    "adv_pkpo_continuous": pkpo,
    "adv_process_supervision_ddof0": partial(process_supervision, scaled=True),
    "adv_process_supervision_ddof1": partial(process_supervision, scaled=True),
    "adv_process_supervision_no_std": partial(process_supervision, scaled=False),
    "adv_process_tokens_after_last_step": partial(process_supervision, scaled=True),
    "adv_otb": optimal_token,
    "adv_scale_01_vs_pm1": reward_scale,
}
