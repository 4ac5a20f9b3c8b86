"""What was there before the group was the baseline, and what has both: algorithms that ask a critic."""

from __future__ import annotations

from cohort.objective.grpo import CENTRED, GRPO

WITH_CRITIC = (
    GRPO.but(
        "ppo",
        title="Proximal policy optimization from human feedback",
        paper="arXiv:2203.02155",
        advantage="whitened-gae",
        gamma=1.0,
        gae_lambda=0.95,
        epsilon=1e-8,
        kl="in-reward",
        beta=0.02,
        left_open="lambda, and that advantages are whitened, as in its forerunner (arXiv:2009.01325); "
        "tokens averaged by answer as DeepSeekMath writes it (arXiv:2402.03300, eq. 1 and 2). No "
        "gradients of pre-training are mixed in.",
        elsewhere="TRL, while it had PPO, and verl: tokens averaged over the minibatch.",
    ),
    CENTRED.but(
        "a2c",
        title="Advantage actor-critic",
        paper="arXiv:1602.01783",
        advantage="n-step",
        n_steps=5,
        gamma=0.99,
        surrogate="log-probability",
        weight="token",
        left_open="Its entropy bonus is left out; entropy = bonus brings it back. Its discount and its "
        "5 steps are those of games.",
    ),
    CENTRED.but(
        "hybrid-grpo",
        title="Hybrid GRPO",
        paper="arXiv:2502.01652",
        advantage="hybrid-shared",
        gamma=1.0,
        squash=1.0,
        left_open="An answer is one action from the prompt, with the critic after it where it was cut. "
        "The paper's body was not read: the scale of its tanh, and gamma.",
    ),
    CENTRED.but(
        "hybrid-grpo-per-sample",
        title="Hybrid GRPO with credit by sample",
        paper="arXiv:2502.01652",
        advantage="hybrid",
        gamma=1.0,
        squash=1.0,
        left_open="As hybrid-grpo; each answer keeps its own advantage, as in its author's later code.",
    ),
)
