"""The cases of topics ppo, controller, reward, filter, schedule, metric and theory."""

import math
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import torch
from torch import Tensor

from cohort.config.stages import Optimizer
from cohort.objective import (
    advantages,
    baselines,
    controllers,
    metrics,
    natural_gradient,
    returns,
    schedules,
    selection,
    shaping,
    values,
)
from cohort.report.statistics import pass_at_k
from cohort.train.optim import learning_rate
from tests.oracles.matrices import flat, grouped, tokens_of

Values = dict[str, Any]


def one_rollout(values: list[float]) -> Tensor:
    return torch.zeros(len(values), dtype=torch.int64)


def gae(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    rewards = torch.tensor(inputs["rewards"], dtype=dtype)
    predicted = torch.tensor(inputs["values"], dtype=dtype)
    adv = returns.gae(
        rewards,
        predicted,
        one_rollout(inputs["rewards"]),
        gamma=float(inputs["gamma"]),
        lam=float(inputs["lam"]),
        bootstrap=torch.tensor([inputs["bootstrap"]], dtype=dtype),
    )
    return {"adv": adv, "returns": adv + predicted}


def whitened(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    adv = torch.tensor(inputs["adv"], dtype=dtype)
    return {"whitened": returns.whitened(adv, correction=1, epsilon=1e-8)}


def n_step(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    rewards = torch.tensor(inputs["rewards"], dtype=dtype)
    predicted = torch.tensor(inputs["values"], dtype=dtype)
    found = returns.n_step(
        rewards,
        predicted,
        one_rollout(inputs["rewards"]),
        n=len(rewards),
        gamma=float(inputs["gamma"]),
        bootstrap=torch.tensor([inputs["bootstrap"]], dtype=dtype),
    )
    return {"returns": found, "adv": found - predicted}


def adaptive_lambda(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    lengths = torch.tensor(inputs["lengths"]).long()
    return {"lam": returns.length_adaptive_lambda(lengths, alpha=float(inputs.get("alpha", 0.05)))}


def kl_in_reward(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    found = returns.kl_penalized(
        torch.tensor([inputs["score"]], dtype=dtype),
        torch.tensor(inputs["lp_policy"], dtype=dtype),
        torch.tensor(inputs["lp_ref"], dtype=dtype),
        one_rollout(inputs["lp_policy"]),
        beta=float(inputs["beta"]),
    )
    return {"token_reward": found, "total": found.sum()}


def rloo_kl(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    tokens = tokens_of(fixture["mask"])
    scores = torch.tensor(inputs["rewards"], dtype=dtype)
    old, reference = (flat(fixture[name], tokens, dtype) for name in ("lp_old", "lp_ref"))
    reward = returns.kl_penalized_score(
        scores, old, reference, tokens.row, beta=float(inputs["beta"])
    )
    group = torch.zeros(len(scores), dtype=torch.int64)
    return {"reward": reward, "adv": baselines.leave_one_out(reward, group)}


def value_loss(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    predicted, old, targets = (
        torch.tensor(inputs[name], dtype=dtype) for name in ("vpred", "v_old", "returns")
    )
    clipped = values.clipped_squared_error(predicted, old, targets, clip=float(inputs["cliprange"]))
    return {
        "loss": clipped.mean(),
        "per_token": 2.0 * clipped,
        "unclipped": values.squared_error(predicted, targets).mean(),
    }


def trpo(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    direction, step = natural_gradient.natural_step(
        torch.tensor(inputs["grad"], dtype=dtype),
        torch.tensor(inputs["fisher"], dtype=dtype),
        largest_kl=float(inputs["delta"]),
    )
    return {"direction": direction, "step": step}


def kl_controller(
    next_beta: Callable[..., float], options: dict[str, str], measured: str = "kl"
) -> Callable[[Values, Values, torch.dtype], Values]:
    """A case of a controller: `options` names its keyword arguments and where the inputs have them."""

    def case(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
        given = {name: inputs[key] for name, key in options.items()} | {
            "target": float(inputs["target"])
        }
        beta = float(inputs["beta"])
        return {"beta_next": [next_beta(beta, float(kl), **given) for kl in inputs[measured]]}

    return case


def skywork(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    options = {
        "target": inputs.get("target", 0.2),
        "change": inputs.get("delta", 1e-4),
        "largest": inputs.get("max", 0.005),
    }
    pairs = zip(inputs["coef"], inputs["entropy"], strict=True)
    return {
        "coef_next": [
            controllers.entropy_coefficient(*map(float, pair), **options) for pair in pairs
        ]
    }


def soft_overlong(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    lengths = torch.tensor(inputs["lengths"])
    found = shaping.soft_overlong(lengths, longest=inputs["L_max"], margin=inputs["L_cache"])
    return {"penalty": found}


def kimi_length(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    lengths, correct = torch.tensor(inputs["lengths"]), torch.tensor(inputs["correct"]) > 0
    group = torch.zeros_like(lengths)
    alike = lengths[:1].expand(2)
    return {
        "reward": shaping.kimi_length(lengths, correct, group),
        "all_equal": shaping.kimi_length(alike, correct[:2], group[:2]),
    }


def language(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    share = shaping.language_share(
        torch.tensor([inputs["words_target"]]), torch.tensor([inputs["words"]])
    )[0]
    return {"language": share, "total": inputs["accuracy"] + share}


def budget(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    lengths = torch.tensor(inputs["tokens"])
    allowed = torch.full(lengths.shape, float(inputs["b0"]), dtype=torch.float64)
    return {"penalty": shaping.over_budget(lengths, allowed, tolerance=float(inputs["tau"]))}


def dynamic_sampling(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    rewards, group = grouped(inputs["correct"], dtype)
    keep = selection.has_signal(rewards, group)
    return {"keep": [bool(keep[group == number].all()) for number in torch.unique(group)]}


def no_positive(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    rates = torch.tensor(inputs["pass_rate"], dtype=dtype)
    return {"keep": selection.not_mastered(rates, mastered_at=float(inputs.get("threshold", 0.9)))}


def prioritized(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    return {"prob": selection.prioritized(torch.tensor(inputs["success"], dtype=dtype))}


EVENTS = {
    "reference": "ref<-theta",
    "sample problems": "sample",
    "old": "old<-theta",
    "rollouts": "rollout",
    "rewards": "reward",
    "advantages": "advantage",
    "update": "update",
    "reward model": "rm_update(replay 10%)",
}


def iterative(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    events = schedules.iterative_grpo(inputs["I"], inputs["M"], inputs["mu"])
    return {"events": [EVENTS[event] for event in events]}


def reference_reset(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    """Beside the resets, the numbers of DeepSeek-R1: 32 problems of 16, and 8192 rollouts at a time."""
    steps, every = inputs["steps"], inputs["every"]
    resets = [schedules.resets_reference(step, every=every) for step in range(1, steps + 1)]
    update = inputs.get("questions", 32) * inputs.get("G", 16)
    updates = schedules.updates_of_step(inputs.get("rollout", 8192), rollouts_per_update=update)
    return {
        "resets_if_counted_after_each_400": sum(resets),
        "batch_per_step": update,
        "minibatches_per_rollout": updates,
        "steps_per_rollout": updates,
    }


def dapo_updates(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    rollouts = inputs["prompts"] * inputs["G"]
    updates = schedules.updates_of_step(rollouts, rollouts_per_update=inputs["minibatch"])
    return {"responses": rollouts, "updates_per_rollout": updates}


def cosine(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    options = Optimizer(learning_rate=5e-5, schedule="cosine", final_share=0.1)
    return {"lr": [learning_rate(t, options, updates=inputs["T"]) for t in inputs["t"]]}


def warm_up(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    """Here step 20 of 20 is at the highest rate: 19 steps of warm-up as Cohort counts them."""
    options = Optimizer(learning_rate=1e-6, warmup_steps=19)
    last = max(inputs["steps"])
    return {"lr": [learning_rate(step - 1, options, updates=last) for step in inputs["steps"]]}


def pass_at(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    return {"value": [pass_at_k(inputs["n"], inputs["c"], k) for k in inputs["k"]]}


def majority(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    rules = {"first_seen": "first", "shared_credit": "shared"}
    truth = inputs["truth"]
    return {
        "results": [
            {key: metrics.majority_at_k(own, truth, ties=rule) for key, rule in rules.items()}
            for own in inputs["answers"]
        ]
    }


def mean_at_n(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    correct = [[float(right) for right in own] for own in inputs["correct"]]
    per_question = [metrics.mean_at_n([own]) for own in correct]
    return {"per_question": per_question, "pass_at_1": metrics.mean_at_n(correct)}


def multiplier(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    """E[1/G sum A grad log pi] / grad p for answers right with chance p, by going through all groups.

    With p = sigmoid(theta): grad log pi is 1 - p of a right and -p of a wrong answer, grad p is
    p (1 - p). A group is told by its number of right answers, of which each has its own chance.
    """
    size, p = inputs["G"], inputs["p"]
    counts = torch.arange(size + 1)
    right = torch.arange(size) < counts[:, None]
    rewards, group = right.to(dtype).flatten(), counts.repeat_interleave(size)
    chances = [math.comb(size, c) * p**c * (1 - p) ** (size - c) for c in range(size + 1)]
    chance = torch.tensor(chances, dtype=dtype)
    score = right.to(dtype) - p

    def share(adv: Tensor) -> Tensor:
        expected = chance @ (adv.view(size + 1, size) * score).mean(1)
        return expected / (p * (1.0 - p))

    normalized = advantages.group_normalized(rewards, group, correction=0, epsilon=0.0)
    return {
        "mean": share(advantages.group_centred(rewards, group)),
        "rloo": share(baselines.leave_one_out(rewards, group)),
        "grpo": share(normalized),
        "maxrl": share(baselines.maxrl(rewards, group, epsilon=0.0)),
        "grpo_limit": 1.0 / math.sqrt(p * (1.0 - p)),
        "maxrl_limit": 1.0 / p,
    }


def bandit(inputs: Values, fixture: Values, dtype: torch.dtype) -> Values:
    """The expected gradient of leave-one-out with two rollouts, by going through all pairs of actions."""
    pi = torch.tensor(inputs["logits"], dtype=dtype).softmax(0)
    rewards = torch.tensor(inputs["rewards"], dtype=dtype)
    pairs = torch.tensor(list(product(range(len(pi)), repeat=2)))
    group = torch.arange(len(pairs)).repeat_interleave(2)
    adv = baselines.leave_one_out(rewards[pairs].flatten(), group).view(-1, 2)
    score = torch.eye(len(pi), dtype=dtype)[pairs] - pi
    each = (adv[:, :, None] * score).mean(1)
    return {"pi": pi, "J": pi @ rewards, "grad": pi[pairs].prod(1) @ each}


OUT_OF_SCOPE: dict[str, str] = {
    "scalerl_sigmoid": "extrapolating a run's curve from a fit is no part of training",
}

CASES: dict[str, Callable[[Values, Values, torch.dtype], Values]] = {
    "gae_g1_l0.95": gae,
    "gae_g0.99_l0.95": gae,
    "gae_g1_l1": gae,
    "gae_g1_l0": gae,
    "gae_whitened": whitened,
    "nstep_a2c": n_step,
    "vapo_length_adaptive_lambda": adaptive_lambda,
    "kl_in_reward_instructgpt": kl_in_reward,
    "rloo_kl_in_reward": rloo_kl,
    "value_loss_clipped": value_loss,
    "trpo_step": trpo,
    "ppo_adaptive_kl": kl_controller(controllers.kl_doubling, {}, "d"),
    "kl_controller_ziegler": kl_controller(partial(controllers.kl_proportional, gain=0.1), {}),
    "kl_controller_verl": kl_controller(
        controllers.kl_over_horizon,
        {"rollouts": "n_steps", "horizon": "horizon"},
    ),
    "entropy_controller_skywork": skywork,
    "reward_soft_overlong": soft_overlong,
    "reward_kimi_length": kimi_length,
    "reward_language_consistency": language,
    "reward_budget_k3": budget,
    "filter_dynamic_sampling": dynamic_sampling,
    "filter_no_positive_resampling": no_positive,
    "sampling_prioritized": prioritized,
    "schedule_iterative_grpo": iterative,
    "schedule_ref_reset_r1": reference_reset,
    "schedule_dapo_batches": dapo_updates,
    "lr_cosine_r1_sft": cosine,
    "lr_warmup_dapo": warm_up,
    "pass_at_k_unbiased": pass_at,
    "maj_at_k": majority,
    "avg_at_n_and_pass1": mean_at_n,
    **{
        f"expected_multiplier_G{size}_p{chance}": multiplier
        for size in (4, 8)
        for chance in (0.1, 0.5, 0.9)
    },
    "bandit_exact_policy_gradient": bandit,
}
