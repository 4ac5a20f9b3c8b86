"""The metrics of a step: one table that says what each means, in which unit, and over what it is averaged.

Names are TRL's where the thing is the same, so that dashboards carry over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the table: what a number means, and how it is made.

    unit: what it counts; "" for a pure number, "share" for one from 0 to 1.
    meaning: one sentence: what it is, and what is normal.
    averaged: over what.
    higher_is: whether more of it is better, worse, or neither by itself.
    """

    unit: str
    meaning: str
    averaged: str
    higher_is: Literal["better", "worse", "neither"] = "neither"


DROPPED = {
    "unscored": "they have no sum of rewards",
    "total": "their sum of rewards is too small",
    "rewards": "one of their rewards is too small",
    "cut": "they were cut at max_new_tokens",
    "empty": "there is nothing in them",
    "tokens": "they have too few tokens or too many",
    "characters": "they have too few characters or too many",
    "duplicate": "the same answer was kept before",
    "best": "enough others of their group are better",
    "problem": "their problem has enough of them",
}
"""Why a stage `select` does not keep an answer, in the order in which it asks."""

METRICS: dict[str, Metric] = {
    "reward": Metric(
        "reward",
        "The weighted sum of the reward functions; it should rise, and what it can reach at most "
        "is the sum of the weights times each function's maximum.",
        "over scored answers of the step",
        "better",
    ),
    "reward_std": Metric(
        "reward",
        "How far the answers to one problem differ in reward; what is learned from, so 0 means "
        "that nothing is learned, and it shrinks as problems are solved.",
        "population deviation in each group, mean over groups with a score",
    ),
    "frac_reward_zero_std": Metric(
        "share",
        "Groups whose answers all got the same reward and therefore teach nothing; near 1 means "
        "that the problems are too easy or too hard for this policy.",
        "over groups of the step",
        "worse",
    ),
    "unscored": Metric(
        "answers",
        "Answers that no reward function could score; normally 0, and they are left out of every "
        "mean instead of counting as 0.",
        "sum over the step",
        "worse",
    ),
    "completions/mean_length": Metric(
        "tokens",
        "Sampled tokens per answer, the end token included; it rises when thinking longer pays, "
        "and drifts to the limit when a reward can be had by length.",
        "over answers of the step",
    ),
    "completions/min_length": Metric(
        "tokens", "The shortest answer; 1 is an answer that ended at once.", "minimum of the step"
    ),
    "completions/max_length": Metric(
        "tokens", "The longest answer; at most max_new_tokens.", "maximum of the step"
    ),
    "completions/clipped_ratio": Metric(
        "share",
        "Answers cut at max_new_tokens before they ended; above a few percent the limit, and not "
        "the policy, decides what is rewarded.",
        "over answers of the step",
        "worse",
    ),
    "completions/mean_terminated_length": Metric(
        "tokens",
        "Sampled tokens per answer that ended by itself; beside mean_length it shows what the cut "
        "answers hide.",
        "over answers of the step that were not cut",
    ),
    "completions/min_terminated_length": Metric(
        "tokens", "The shortest answer that ended by itself.", "minimum of the step"
    ),
    "completions/max_terminated_length": Metric(
        "tokens", "The longest answer that ended by itself.", "maximum of the step"
    ),
    "entropy": Metric(
        "nats per token",
        "How undecided the policy is about its next token; it falls slowly as it learns, and a "
        "quick fall to 0 means that it has stopped exploring.",
        "over sampled tokens that were trained on",
    ),
    "kl": Metric(
        "nats per token",
        "How far the policy is from the reference (estimated); 0 at the start, small and slowly "
        "rising is normal, and a jump means that the policy is breaking.",
        "over sampled tokens that were trained on",
    ),
    "clip_ratio/low_mean": Metric(
        "share",
        "Tokens whose gradient is clipped because they became too unlikely; 0 at one update per "
        "step, below a few percent otherwise.",
        "over sampled tokens that were trained on",
    ),
    "clip_ratio/high_mean": Metric(
        "share",
        "Tokens whose gradient is clipped because they became too likely; 0 at one update per "
        "step, below a few percent otherwise.",
        "over sampled tokens that were trained on",
    ),
    "clip_ratio/region_mean": Metric(
        "share",
        "Tokens whose gradient is clipped on either side; 0 at one update per step, and many mean "
        "that the step is too large.",
        "over sampled tokens that were trained on",
    ),
    "loss": Metric(
        "",
        "The objective that the optimizer sees; near 0 by construction, because the advantages of "
        "a group cancel, so it says nothing about progress: read the reward.",
        "weighted sum over the step's sampled tokens, mean over its updates",
    ),
    "grad_norm": Metric(
        "",
        "The length of the gradient before it is scaled down to max_gradient_norm; steady is "
        "normal, a spike is a step to look at.",
        "mean over the updates of the step",
    ),
    "learning_rate": Metric(
        "", "The learning rate of the optimizer, as scheduled.", "the step's last update"
    ),
    "sampling/warmup_seconds": Metric(
        "s",
        "What recording and compiling decode steps took of sampling; 0 after the first steps.",
        "sum over the step",
        "worse",
    ),
    "sampling/sampling_logp_difference/mean": Metric(
        "nats",
        "How far the sampler's and the trainer's log-probability of the same token differ; "
        "rounding only (below 0.01), else the policy learns from answers that are not its own.",
        "absolute value, over sampled tokens",
        "worse",
    ),
    "sampling/sampling_logp_difference/max": Metric(
        "nats",
        "The largest such difference of the step; single tokens may stick out in low precision.",
        "maximum over sampled tokens",
        "worse",
    ),
    "cispo_clip_ratio": Metric(
        "share",
        "Tokens of positive advantage whose weight is the bound and not their ratio, though they "
        "keep a gradient; 0 at one update per step.",
        "over sampled tokens that were trained on",
    ),
    "sampling/importance_sampling_ratio/min": Metric(
        "",
        "The least ratio of the trainer's to the sampler's probability of one token; 1 where both "
        "are one program.",
        "minimum over sampled tokens, first update of the step",
    ),
    "sampling/importance_sampling_ratio/mean": Metric(
        "",
        "The mean of that ratio; 1 up to rounding, also where single tokens stick out.",
        "over sampled tokens, first update of the step",
    ),
    "sampling/importance_sampling_ratio/max": Metric(
        "",
        "The largest such ratio; what a correction bounds.",
        "maximum over sampled tokens, first update of the step",
        "worse",
    ),
    "sampling/effective_sample_share": Metric(
        "share",
        "How much of the sample is left when its tokens are weighed by that ratio, "
        "(sum w)^2 / (T sum w^2); 1 where nothing differs, and low means that few tokens decide.",
        "over sampled tokens, first update of the step",
        "better",
    ),
    "sampling/rejected_share": Metric(
        "share",
        "Tokens that the correction for another sampler takes out of the policy's gradient.",
        "over sampled tokens, first update of the step",
        "worse",
    ),
    "beta": Metric(
        "",
        "The weight of the KL term in this step; it moves where the recipe lets it follow the KL.",
        "the step",
    ),
    "entropy_coef": Metric(
        "",
        "The weight of the entropy bonus in this step; 0 while entropy is above its target.",
        "the step",
    ),
    "loss/value_avg": Metric(
        "reward squared",
        "Half the squared error of the critic's values, the clipped one where that is larger; it "
        "falls while the critic learns, and jumps where the policy changes what comes.",
        "over the update's tokens, mean over the updates of the step",
        "worse",
    ),
    "val/clipfrac_avg": Metric(
        "share",
        "Tokens whose value an update has moved as far as the critic's clip lets it; 0 at one update "
        "per step, and many mean that the clip or the learning rate is too tight.",
        "over the update's tokens, mean over the updates of the step",
    ),
    "val/grad_norm": Metric(
        "",
        "The length of the critic's gradient before it is scaled down to its max_gradient_norm.",
        "mean over the updates of the step",
    ),
    "val/mean": Metric(
        "reward",
        "What the critic says is still to come; it should be near val/returns.",
        "over sampled tokens, before the step's first update",
    ),
    "val/returns": Metric(
        "reward",
        "What the critic is to say: rewards that came, less what is paid in them for divergence, and "
        "its own values where the algorithm does not look further.",
        "over sampled tokens",
    ),
    "val/explained_variance": Metric(
        "",
        "How much of the spread of what came the critic had foreseen: 1 all of it, 0 no more than its "
        "mean, below 0 less than that.",
        "1 - var(returns - values) / var(returns), over sampled tokens",
        "better",
    ),
    "groups/sampled": Metric(
        "groups",
        "Groups that the step sampled, with those that taught nothing; far more than asked for "
        "means that the problems are too easy or too hard.",
        "sum over the step",
    ),
    "groups/learned_from": Metric(
        "groups",
        "Groups that the step learned from; fewer than prompts_per_step means that sampling ended "
        "at refill_rounds, or was not asked to go on.",
        "sum over the step",
        "better",
    ),
    "groups/rounds": Metric("", "How often the step sampled.", "the step"),
    "groups/flat": Metric(
        "groups",
        "Groups left out because their answers all got the same reward, up to rounding.",
        "sum over the step",
    ),
    "groups/unscored": Metric(
        "groups", "Groups left out because nobody could score an answer.", "sum over the step"
    ),
    "groups/single": Metric(
        "groups",
        "Groups left out because one answer alone counts, and it has none to be compared with.",
        "sum over the step",
    ),
    "groups/overlong": Metric(
        "groups", "Groups left out because every answer was cut.", "sum over the step"
    ),
    "groups/surplus": Metric(
        "groups", "Groups left out because there were enough already.", "sum over the step"
    ),
    "kept": Metric(
        "answers",
        "Answers that all filters of the stage let through; they are what later stages learn from.",
        "sum over the step",
        "better",
    ),
    **{
        f"dropped/{name}": Metric(
            "answers",
            f"Answers that are not kept because {why}; each counts for the first such reason.",
            "sum over the step",
        )
        for name, why in DROPPED.items()
    },
    "pairs": Metric(
        "pairs",
        "Pairs that were made of the step's answers; 0 where all answers to each problem are alike.",
        "sum over the step",
    ),
    "rewards/chosen": Metric(
        "",
        "beta log(pi / pi_ref) of the chosen answers: what they have gained; it often falls, as long as "
        "that of the rejected ones falls faster.",
        "over pairs of the step",
    ),
    "rewards/rejected": Metric(
        "", "The same of the rejected answers; it should fall.", "over pairs of the step"
    ),
    "rewards/margins": Metric(
        "",
        "How much more the chosen answers have gained than the rejected ones, in units of beta; 0 at the "
        "start, and it should rise.",
        "over pairs of the step",
        "better",
    ),
    "rewards/accuracies": Metric(
        "share",
        "Pairs of which the chosen answer has gained more; 0 in a first step, where nothing has, then it "
        "should rise.",
        "over pairs of the step",
        "better",
    ),
    "logps/chosen": Metric(
        "nats", "The log-probability of a whole chosen answer.", "over pairs of the step"
    ),
    "logps/rejected": Metric(
        "nats", "The log-probability of a whole rejected answer.", "over pairs of the step"
    ),
    "num_tokens": Metric(
        "tokens",
        "Tokens so far in the stage: sampled ones, or learned ones in a supervised stage.",
        "sum since the stage began",
    ),
    "time/sampling": Metric(
        "seconds",
        "Sampling answers; it grows with their length, and with the longest one of them.",
        "sum over the step",
    ),
    "time/rewards": Metric(
        "seconds",
        "Asking the reward functions; near 0 unless they run programs or models.",
        "sum over the step",
    ),
    "time/old_logprobs": Metric(
        "seconds",
        "The policy's log-probabilities from before the first update; 0 where a step is one update "
        "and no reward pays for the divergence.",
        "sum over the step",
    ),
    "time/reference_logprobs": Metric(
        "seconds", "The reference's log-probabilities; 0 without a KL term.", "sum over the step"
    ),
    "time/values": Metric(
        "seconds",
        "What the critic says of the step's answers, before advantages are made; 0 without one.",
        "sum over the step",
    ),
    "time/update": Metric(
        "seconds",
        "Forward, backward and optimizer, the critic's too; answers that teach nothing cost nothing "
        "here without one, so it falls as problems are solved.",
        "sum over the updates of the step",
    ),
    "time/saving": Metric(
        "seconds",
        "Writing the step before into the store, so 0 in the first; a few percent of the step.",
        "the step",
    ),
    "time/other": Metric(
        "seconds",
        "What is left of the step: drawing problems, advantages, packing, metrics, the terminal.",
        "the step without its phases",
    ),
    "threads_used": Metric(
        "share",
        "Processor time of the process over the step's seconds times its threads; far below 1 "
        "means waiting: for a reward, a disk, a GPU, or one thread for another.",
        "the step",
    ),
    "token_accuracy": Metric(
        "share",
        "Tokens of the demonstrations that the policy would have chosen itself; it should rise, "
        "and stays below 1 where the demonstrations disagree.",
        "over tokens of the step's completions",
        "better",
    ),
}
"""Every metric by name; those of a reward function are made by `describe_metric`."""

SUPERVISED: dict[str, Metric] = {
    "loss": Metric(
        "nats per token",
        "The mean negative log-likelihood of the demonstrations' tokens; it falls, fast at first, "
        "toward the entropy of the demonstrations.",
        "over tokens of the step's completions",
        "worse",
    ),
}
"""What means another thing in a supervised stage than in the other ones."""
