"""The formulas once more, slow and obvious: plain Python on lists, from the papers and from nothing else.

RESULTS[id](inputs, fixture) gives some of the keys that the case expects.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations, product
from statistics import mean, pstdev, pvariance, stdev, variance
from typing import Any

Values = dict[str, Any]
Row = Sequence[float]


def spread(row: Row, ddof: int) -> float:
    return stdev(row) if ddof else pstdev(row)


def z_scores(row: Row, ddof: int, eps: float) -> list[float]:
    if max(row) - min(row) < 1e-9:
        return [0.0] * len(row)
    return [(r - mean(row)) / (spread(row, ddof) + eps) for r in row]


def centred(row: Row) -> list[float]:
    return [r - mean(row) for r in row]


def flattened(rows: Sequence[Row]) -> list[float]:
    return [value for row in rows for value in row]


def kept(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if max(row) > min(row)]


def grpo(inputs: Values, fixture: Values) -> Values:
    return {"adv": z_scores(inputs["rewards"], inputs["ddof"], inputs["eps"])}


def dr_grpo(inputs: Values, fixture: Values) -> Values:
    return {"adv": centred(inputs["rewards"])}


def others(row: Row, i: int) -> list[float]:
    return [r for j, r in enumerate(row) if j != i]


def rloo(inputs: Values, fixture: Values) -> Values:
    row = inputs["rewards"]
    return {"adv": [r - mean(others(row, i)) for i, r in enumerate(row)]}


def remax(inputs: Values, fixture: Values) -> Values:
    return {"adv": [r - inputs["greedy_reward"] for r in inputs["rewards"]]}


def opo(inputs: Values, fixture: Values) -> Values:
    row, lengths = inputs["rewards"], inputs["lengths"]
    baseline = sum(length * r for length, r in zip(lengths, row, strict=True)) / sum(lengths)
    return {"adv": [r - baseline for r in row], "baseline": baseline}


def nemo(inputs: Values, fixture: Values) -> Values:
    row, result = inputs["rewards"], []
    for i, r in enumerate(row):
        rest = others(row, i)
        own = stdev(rest) if len(rest) > 1 and len(set(rest)) > 1 else 0.0
        result.append((r - mean(rest)) / (own + inputs["eps"] if own else 1.0))
    return {"adv": result}


def maxrl(inputs: Values, fixture: Values) -> Values:
    row = inputs["rewards"]
    return {"adv": [d / (mean(row) + inputs["eps"]) for d in centred(row)]}


def lite_ppo(inputs: Values, fixture: Values) -> Values:
    rows = fixture["rewards"]
    scale = spread(flattened(rows), inputs["ddof"])
    return {"adv": [[d / scale for d in centred(row)] for row in rows]}


def scalerl(inputs: Values, fixture: Values, *, drop: bool) -> Values:
    rows = kept(fixture["rewards"]) if drop else fixture["rewards"]
    differences = [centred(row) for row in rows]
    scale = spread(flattened(differences), inputs["ddof"])
    return {"adv": [[d / scale for d in row] for row in differences]}


def gpg(inputs: Values, fixture: Values, *, nonzero: bool) -> Values:
    rows = fixture["rewards"]
    counted = sum(r != 0 for r in flattened(rows)) if nonzero else len(flattened(kept(rows)))
    alpha = len(flattened(rows)) / counted
    return {"adv": [[alpha * d for d in centred(row)] for row in rows], "alpha": alpha}


def beta_density(p: float, alpha: float, beta: float) -> float:
    norm = math.gamma(alpha) * math.gamma(beta) / math.gamma(alpha + beta)
    return p ** (alpha - 1) * (1 - p) ** (beta - 1) / norm


def bnpo(inputs: Values, fixture: Values) -> Values:
    rows = fixture["rewards"]
    rates = [mean(row) for row in rows]
    m, v = mean(rates), variance(rates)
    a, b = (m * (1 - m) / v - 1) * m, (m * (1 - m) / v - 1) * (1 - m)
    alpha, beta = max(1.0, 1 + a / 3), max(1.0, 1 + b / 3)
    densities = [beta_density(p, alpha, beta) for p in rates]
    weights = [min(inputs["clamp"], 1 / d) if d else inputs["clamp"] for d in densities]
    adv = [[w * d for d in centred(row)] for w, row in zip(weights, rows, strict=True)]
    return {"alpha": alpha, "beta": beta, "weight": weights, "adv": adv}


def token_rows(inputs: Values, fixture: Values) -> list[list[float]]:
    result = []
    for i, mask in enumerate(fixture["mask"]):
        places = [t for t, on in enumerate(mask) if on]
        row = [
            -inputs["beta"] * (fixture["lp_old"][i][t] - fixture["lp_ref"][i][t]) for t in places
        ]
        row[-1] += inputs["rewards"][i]
        result.append(row)
    return result


def reinforce_pp(inputs: Values, fixture: Values) -> Values:
    gamma, width = inputs["gamma"], len(fixture["mask"][0])
    returns = [
        [sum(gamma ** (k - t) * row[k] for k in range(t, len(row))) for t in range(len(row))]
        for row in token_rows(inputs, fixture)
    ]
    tokens = flattened(returns)
    result = {"returns": [pad(row, width) for row in returns]}
    for key, own in (("adv_bessel_verl", variance(tokens)), ("adv_pop", pvariance(tokens))):
        scale = math.sqrt(own + 1e-8)
        result[key] = [pad([(r - mean(tokens)) / scale for r in row], width) for row in returns]
    return result


def pad(row: list[float], width: int) -> list[float]:
    return row + [0.0] * (width - len(row))


def reinforce_pp_baseline(inputs: Values, fixture: Values) -> Values:
    differences = [centred(row) for row in fixture["rewards"]]
    tokens = [
        d
        for row, lengths in zip(differences, fixture["lengths"], strict=True)
        for d, length in zip(row, lengths, strict=True)
        for _ in range(int(length))
    ]
    scale = math.sqrt(variance(tokens) + inputs["eps"])
    adv = [[(d - mean(tokens)) / scale for d in row] for row in differences]
    return {"adv_bessel_per_response": adv}


def gdpo(inputs: Values, fixture: Values, *, ddof: int) -> Values:
    eps = inputs.get("eps", 0.0)
    scores = [
        [z_scores(row, ddof, eps) for row in inputs[f"reward_{k}"]]
        for k in range(1, len(inputs["weights"]) + 1)
    ]
    together = [
        [
            sum(w * z for w, z in zip(inputs["weights"], zs, strict=True))
            for zs in zip(*rows, strict=True)
        ]
        for rows in zip(*scores, strict=True)
    ]
    whole = flattened(together)
    scale = spread(whole, ddof) + eps
    return {
        "combined": together,
        "adv": [[(s - mean(whole)) / scale for s in row] for row in together],
    }


def best_only(inputs: Values, fixture: Values) -> Values:
    row = inputs["rewards"]
    first, second = sorted(row, reverse=True)[:2]
    lead = [first - second if r == first else 0.0 for r in row]
    return {"adv_nostd": lead, "adv_std": [d / (stdev(row) + inputs["eps"]) for d in lead]}


def passk_training(inputs: Values, fixture: Values) -> Values:
    """Each subset has the reward 1 if one of it is right; z-scored over subsets; averaged by rollout."""
    right = [True] * inputs["c"] + [False] * (inputs["n"] - inputs["c"])
    subsets = list(combinations(range(len(right)), inputs["k"]))
    outcomes = [float(any(right[i] for i in subset)) for subset in subsets]
    scores = z_scores(outcomes, 0, inputs["eps"])

    def share(i: int) -> float:
        return mean(z for z, subset in zip(scores, subsets, strict=True) if i in subset)

    return {"group_mean": mean(outcomes), "adv_pos": share(0), "adv_neg": share(len(right) - 1)}


def pkpo(inputs: Values, fixture: Values) -> Values:
    row, k = inputs["rewards"], inputs["k"]

    def credit(row: Row, i: int, *, less: bool = False) -> float:
        subsets = list(combinations(range(len(row)), k))
        with_i = [
            [row[j] for j in subset if not less or j != i] for subset in subsets if i in subset
        ]
        return sum(max(values) for values in with_i) / len(subsets)

    size = range(len(row))
    left_out = [
        mean(credit(others(row, i), j) for j in range(len(row) - 1)) if len(row) > k else None
        for i in size
    ]
    return {
        "s": [credit(row, i) for i in size],
        "s_loo": [credit(row, i) - (left_out[i] or 0.0) for i in size],
        "s_loo_minus_1": [credit(row, i) - credit(row, i, less=True) for i in size],
    }


def process(inputs: Values, fixture: Values, *, scaled: bool) -> Values:
    steps = inputs["steps_end_index_and_reward"]
    rewards = [r for own in steps for _, r in own]
    scale = spread(rewards, inputs.get("ddof", 0)) + inputs.get("eps", 0.0) if scaled else 1.0
    adv = [
        [sum((r - mean(rewards)) / scale for end, r in own if end >= t) for t in range(length)]
        for own, length in zip(steps, inputs["lengths"], strict=True)
    ]
    return {"adv": adv}


def otb(inputs: Values, fixture: Values) -> Values:
    mask, old, squares = fixture["mask"], fixture["lp_old"], inputs["sum_pi_squared"]
    energy = [
        [
            on * sum(1 - 2 * math.exp(old[i][j]) + squares[i][j] for j in range(t + 1))
            for t, on in enumerate(row)
        ]
        for i, row in enumerate(mask)
    ]
    baseline = [
        sum(r * own[t] for r, own in zip(inputs["rewards"], energy, strict=True))
        / sum(own[t] for own in energy)
        for t in range(len(mask[0]))
    ]
    adv = [
        [on * (inputs["rewards"][i] - baseline[t]) for t, on in enumerate(row)]
        for i, row in enumerate(mask)
    ]
    return {"W": energy, "baseline": baseline, "adv": adv}


def gae(inputs: Values, fixture: Values) -> Values:
    rewards, after = inputs["rewards"], [*inputs["values"][1:], inputs["bootstrap"]]
    gamma, size = inputs["gamma"], len(inputs["rewards"])
    delta = [rewards[t] + gamma * after[t] - inputs["values"][t] for t in range(size)]
    decay = gamma * inputs["lam"]
    adv = [sum(decay ** (k - t) * delta[k] for k in range(t, size)) for t in range(size)]
    return {"adv": adv}


def n_step(inputs: Values, fixture: Values) -> Values:
    gamma, size = inputs["gamma"], len(inputs["rewards"])
    chain = [*inputs["rewards"], inputs["bootstrap"]]
    found = [sum(gamma ** (k - t) * chain[k] for k in range(t, size + 1)) for t in range(size)]
    return {"returns": found}


def rloo_kl(inputs: Values, fixture: Values) -> Values:
    reward = [sum(row) for row in token_rows(inputs, fixture)]
    return {"reward": reward, "adv": rloo({"rewards": reward}, {})["adv"]}


def multiplier(inputs: Values, fixture: Values) -> Values:
    """Every group of answers with its chance, weighed by what its advantages make of the scores."""
    size, p = inputs["G"], inputs["p"]
    sums = {"mean": 0.0, "rloo": 0.0, "grpo": 0.0, "maxrl": 0.0}
    for row in product((0.0, 1.0), repeat=size):
        chance = math.prod(p if r else 1 - p for r in row)
        advantages = {
            "mean": centred(row),
            "rloo": rloo({"rewards": row}, {})["adv"],
            "grpo": z_scores(row, 0, 0.0),
            "maxrl": [d / mean(row) for d in centred(row)] if any(row) else [0.0] * size,
        }
        for key, adv in advantages.items():
            each = mean(a * (r - p) for a, r in zip(adv, row, strict=True))
            sums[key] += chance * each / (p * (1 - p))
    return dict(sums)


RESULTS: dict[str, Callable[[Values, Values], Values]] = {
    "adv_grpo_pop_eps0": grpo,
    "adv_grpo_bessel_eps0": grpo,
    "adv_grpo_bessel_eps1e-4_TRL": grpo,
    "adv_grpo_bessel_eps1e-6_verl": grpo,
    "adv_grpo_pop_eps1e-8": grpo,
    "adv_grpo_zero_variance": grpo,
    "adv_dr_grpo": dr_grpo,
    "adv_rloo": rloo,
    "adv_remax": remax,
    "adv_opo": opo,
    "adv_nemo_rl_default": nemo,
    "adv_maxrl": maxrl,
    "adv_maxrl_eps": maxrl,
    "adv_liteppo_ddof0": lite_ppo,
    "adv_liteppo_ddof1": lite_ppo,
    "adv_scalerl_ddof0": partial(scalerl, drop=False),
    "adv_scalerl_ddof1": partial(scalerl, drop=False),
    "adv_scalerl_filtered": partial(scalerl, drop=True),
    "adv_gpg_paper": partial(gpg, nonzero=False),
    "adv_gpg_verl_code": partial(gpg, nonzero=True),
    "adv_bnpo_paper_3groups": bnpo,
    "adv_reinforce_pp": reinforce_pp,
    "adv_reinforce_pp_baseline": reinforce_pp_baseline,
    "adv_gdpo_trl_reference": partial(gdpo, ddof=1),
    "adv_gdpo_pop_eps0": partial(gdpo, ddof=0),
    "adv_passk_best_only": best_only,
    "adv_passk_training": passk_training,
    "adv_pkpo_binary": pkpo,
    "adv_pkpo_continuous": pkpo,
    "adv_process_supervision_ddof0": partial(process, scaled=True),
    "adv_process_supervision_ddof1": partial(process, scaled=True),
    "adv_process_supervision_no_std": partial(process, scaled=False),
    "adv_process_tokens_after_last_step": partial(process, scaled=True),
    "adv_otb": otb,
    "gae_g1_l0.95": gae,
    "gae_g0.99_l0.95": gae,
    "gae_g1_l1": gae,
    "gae_g1_l0": gae,
    "nstep_a2c": n_step,
    "rloo_kl_in_reward": rloo_kl,
    "expected_multiplier_G4_p0.1": multiplier,
    "expected_multiplier_G8_p0.9": multiplier,
}
