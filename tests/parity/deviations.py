"""Where a loss of TRL 1.16 is not the paper that it is named after, or not what one would expect.

Read in TRL's source. What has a size is reproduced in `composition.py`, to which TRL is held.
"""

DEVIATIONS = {
    "grpo": (
        "The weights are the paper's, but beta is 0 unless set, the KL term is multiplied by the ratio "
        "unless use_bias_correction_kl is off, and grpo is not the default: that is dapo."
    ),
    "dr_grpo": (
        "The advantages are still divided by the group's deviation unless scale_rewards is none; the "
        "constant is max_completion_length."
    ),
    "dapo": (
        "The weight alone: epsilon_high is epsilon unless set, nothing is sampled again and no length is "
        "punished; the tokens counted are those of all updates that share what was sampled, divided by "
        "the number of updates, so the weights of one update do not sum to 1."
    ),
    "bnpo": (
        "Not BNPO, whose Beta distribution is nowhere in it: the mean over the tokens of each micro-batch, "
        "then over the micro-batches, so how a step is cut changes its loss."
    ),
    "cispo": (
        "epsilon_high is the greatest ratio and not a distance from 1, and unset it is epsilon: by default "
        "no ratio is above 0.2, and an on-policy gradient is a fifth; counted like dapo; epsilon "
        "otherwise and delta are not read."
    ),
    "sapo": "The surrogate and the weights are the paper's; epsilon, epsilon_high and delta are not read.",
    "luspo": (
        "By default not of sequences, as importance_sampling_level is token, at which TRL warns; the "
        "bounds are epsilon, 0.2 by default, where the paper has 0.002 and 0.0025."
    ),
    "vespo": (
        "The weight for another sampler is a factor of the rollout's ratio and not of its surrogate, and a "
        "token that it masks is a factor of 1e-8, which silences the rollout; counted like dapo; "
        "epsilon, epsilon_high, delta and, but for the KL term, the level are not read."
    ),
}
"""By loss type."""

OF_OPTIONS = {
    "importance_sampling_level": (
        "With sequence, grpo is GSPO, with bounds of 0.2 unless set; dapo, bnpo, dr_grpo and cispo count "
        "a rollout as often as it has tokens, at which TRL warns."
    ),
    "delta": "Read by grpo, dr_grpo, dapo, bnpo and luspo alone, and not refused where it is not read.",
    "use_bias_correction_kl": (
        "On by default; with sequence a token's k3 is multiplied by the ratio of its whole rollout, which "
        "is not the unbiased estimate."
    ),
    "top_entropy_quantile": (
        "The threshold is that of the tokens of a micro-batch, over all processes, and not of the step."
    ),
    "vllm_importance_sampling_mode": (
        "The ratio of a sequence is the product over its tokens; the KL term is not multiplied by it."
    ),
    "scale_rewards": (
        "The deviation is the sample's, and 1e-4 is added; an answer that no reward function scored has "
        "an advantage of 0 and still counts in the weights."
    ),
    "sapo_temperature_neg": "Rounded to float32, whatever the precision of the model.",
    "model": "The log-probabilities are computed in float32, whatever the precision of the model.",
}
"""By option; `model` is the head that TRL puts on every model."""
