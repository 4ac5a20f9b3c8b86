"""GRPO as a table, which all other presets are told apart from, and its centred form.

What a paper leaves open stands in `left_open` with what is chosen for it, and `elsewhere` says where
well-known programs compute another thing by the same name (their sources of July and August 2026).
Lengths, batches, learning rates and the number of answers per problem are the recipe's.
"""

from __future__ import annotations

from cohort.objective.algorithms import ORDINARY, Algorithm

GRPO = Algorithm(
    name="grpo",
    title="Group Relative Policy Optimization",
    paper="arXiv:2402.03300",
    chosen={"advantage": "group-deviation", "weight": "rollout", "surrogate": "clip"} | ORDINARY,
    values={
        "beta": 0.04,
        "deviation": "population",
        "epsilon": 1e-4,
        "clip_low": 0.2,
        "clip_high": 0.2,
    },
    left_open="The kind of deviation, an epsilon (here 1e-4) and the clip (here PPO's 0.2).",
    elsewhere="TRL: sample deviation, beta 0, with it the KL term times the ratio, and by default the "
    "loss of DAPO. verl: sample "
    "deviation, tokens averaged over the step. NeMo-RL: leave-one-out mean and deviation.",
)

CENTRED = GRPO.but("centred", advantage="group-mean", beta=0.0)
"""Less the group's mean, not divided by its deviation, and no reference: what newer methods begin with."""
