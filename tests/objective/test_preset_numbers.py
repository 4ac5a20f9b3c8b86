"""The numbers of the papers, entered a second time: a preset with one of them wrong is another method.

Where a paper gives none, the number is that of the program which `left_open` names, or the paper's
range. A number that nobody published is not here, but for those that must not be mixed up.
"""

import pytest

from cohort.objective.presets import ALGORITHMS

NUMBERS = {
    "grpo": {"beta": 0.04},  # section 4.2: "the KL coefficient is 0.04"
    "r1": {"beta": 0.001, "clip_low": 10.0, "clip_high": 10.0, "reference_every": 400},
    "two-sided": {"ratio_max": 4.0, "clip_low": 0.2, "clip_high": 0.2},  # delta and epsilon
    "dapo": {"clip_low": 0.2, "clip_high": 0.28, "overlong_margin": 4096 / 20480},
    "gspo": {"clip_low": 3e-4, "clip_high": 4e-4},
    "gspo-token": {"clip_low": 3e-4, "clip_high": 4e-4},
    "luspo": {"clip_low": 2e-3, "clip_high": 2.5e-3},
    "gmpo": {"log_clip_low": 0.4, "log_clip_high": 0.4},
    "sapo": {"tau_positive": 1.0, "tau_negative": 1.05},  # a bad token fades faster
    "fipo": {"half_life_tokens": 32.0, "outlier_ratio": 10.0, "clip_low": 0.2, "clip_high": 0.28},
    "dppo": {"region": 0.15, "ratio_max": 20.0},
    "prime-rl": {"region": 0.2, "tau": 1e-3},
    "sao": {"ratio_low": 0.7, "ratio_high": 6.0},  # for tools; 0.2 and 4 for code
    "kimi-k2.5": {"log_clip_low": 0.4, "log_clip_high": 0.4, "tau": 1e-3},
    "icepop": {"correction_low": 0.5, "correction_high": 5.0, "clip_high": 0.28},
    "tis": {"correction_cap": 2.0},
    "clip-cov": {"covariance_low": 1.0, "covariance_high": 5.0, "covariance_share": 2e-4},
    "kl-cov": {"covariance_coefficient": 1.0, "covariance_share": 2e-4},
    "top-entropy": {"entropy_share": 0.2, "clip_low": 0.2, "clip_high": 0.28},  # 80/20
    "rloo": {"beta": 0.03},
    "scalerl": {"ratio_max": 5.0},
    "bnpo": {"density_largest": 1e6},
    "pass-at-k": {"k": 4, "clip_low": 0.2, "clip_high": 0.28},
    "toolorchestra": {"least_spread": 0.1},  # section 3.3: homogeneity filtering
    "ppo": {"beta": 0.02, "gamma": 1.0, "clip_low": 0.2, "clip_high": 0.2},  # appendix C.4
    "a2c": {"n_steps": 5, "gamma": 0.99},
}
WITH_REFERENCE = {
    "grpo",
    "grpo-process",
    "r1",
    "two-sided",
    "deepseek-v3.2",
    "rloo",
    "reinforce++",
    "reinforce++-baseline",
    "ppo",
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_preset_has_the_numbers_of_its_paper(name):
    values = ALGORITHMS[name].values
    assert {key: values[key] for key in NUMBERS[name]} == NUMBERS[name]


def test_only_these_papers_keep_a_reference():
    assert {name for name, algorithm in ALGORITHMS.items() if algorithm.beta} == WITH_REFERENCE
