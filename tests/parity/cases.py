"""What is put side by side with TRL 1.16: every loss it has, with its options by TRL's own names.

The matrix is every loss type, level of the ratio, KL and upper bound, cut into 1, 2 and 4
micro-batches, off policy. Beside it, each correction and mask with every loss type that takes it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

LOSS_TYPES = ("grpo", "dr_grpo", "dapo", "bnpo", "cispo", "sapo", "luspo", "vespo")
LEVELS = ("token", "sequence")
SPLITS = (1, 2, 4)
SAMPLER_MODES = ("token_truncate", "token_mask", "sequence_truncate", "sequence_mask")
TOLERANCE = 1e-9
"""How far a loss, and each entry of a gradient, may be from TRL's in float64."""
TOLERANCE_OF_SINGLE = 1e-6
"""The same where TRL's own head is in between, which is in float32."""
BUDGET_TOKENS = 12
"""TRL's `max_completion_length`, by which dr_grpo divides."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """TRL's options by TRL's names, and how the answers came to be and are cut."""

    loss_type: str
    importance_sampling_level: str = "token"
    beta: float = 0.0
    epsilon: float = 0.2
    epsilon_high: float | None = 0.28
    delta: float | None = None
    use_bias_correction_kl: bool = True
    off_policy_mask_threshold: float | None = None
    top_entropy_quantile: float = 1.0
    vllm_importance_sampling_mode: str = "sequence_mask"
    vllm_importance_sampling_clip_max: float | None = 1.5
    vllm_importance_sampling_clip_min: float | None = None

    micro_batches: int = 1
    """The parts of one update: TRL's `gradient_accumulation_steps`."""
    updates: int = 1
    """Updates that share what was sampled at once; the first of them is looked at."""
    on_policy: bool = False
    """The policy is the one that sampled, and TRL keeps no old log-probabilities."""
    other_sampler: bool = False
    """Another program sampled: its log-probabilities are known, and TRL corrects for them."""

    @property
    def name(self) -> str:
        """The loss type, and whatever is not its default."""
        return "-".join((self.loss_type, *(f"{key}={value}" for key, value in changes(self))))

    def options(self) -> dict[str, Any]:
        """What TRL's `GRPOConfig` is given."""
        ours = ("micro_batches", "updates", "on_policy", "other_sampler")
        return {key: value for key, value in asdict(self).items() if key not in ours}


def changes(case: Case) -> Iterator[tuple[str, Any]]:
    """The options of a case that are not the defaults, without the loss type."""
    for field in fields(Case)[1:]:
        value = getattr(case, field.name)
        if value != field.default:
            yield field.name, value


def of_each(**options: Any) -> list[Case]:
    """One case for every loss type; cispo's upper bound is that of the ratio itself."""
    cases = [Case(loss_type=loss_type, **options) for loss_type in LOSS_TYPES]
    return [replace(c, epsilon_high=1.28) if c.loss_type == "cispo" else c for c in cases]


def matrix() -> list[Case]:
    """Loss types, levels, KL, upper bound, splits: all of them with all."""
    options = itertools.product(LEVELS, (0.0, 0.04), (None, 1.3), SPLITS)
    return [
        case
        for level, beta, delta, micro_batches in options
        for case in of_each(
            importance_sampling_level=level, beta=beta, delta=delta, micro_batches=micro_batches
        )
    ]


def around() -> list[Case]:
    """What is around a surrogate: corrections, masks, the plain KL, and several updates."""
    whole = {"beta": 0.04, "micro_batches": 2}
    by_rollout = replace(GRPO, importance_sampling_level="sequence", **whole)
    return [
        *of_each(**whole, on_policy=True),
        *of_each(**whole, updates=2),
        *of_each(**whole, use_bias_correction_kl=False),
        *of_each(**whole, off_policy_mask_threshold=0.05),
        *of_each(**whole, top_entropy_quantile=0.35),
        replace(GRPO, beta=0.04, top_entropy_quantile=0.35),
        replace(by_rollout, use_bias_correction_kl=False),
        replace(by_rollout, off_policy_mask_threshold=0.05),
        replace(by_rollout, top_entropy_quantile=0.35),
        Case(loss_type="cispo", epsilon_high=None, **whole),
        *(Case(loss_type="cispo", epsilon_high=bound, on_policy=True) for bound in (None, 1.28)),
    ]


def mismatched() -> list[Case]:
    """Answers of another sampler, in all of TRL's modes."""
    cases = []
    for mode in SAMPLER_MODES:
        options = {"other_sampler": True, "vllm_importance_sampling_mode": mode}
        either = of_each(beta=0.04, micro_batches=2, **options)
        cases += [case for case in either if not is_refused(case)]
        by_rollout = replace(GRPO, importance_sampling_level="sequence", **options)
        cases += [by_rollout, replace(by_rollout, vllm_importance_sampling_clip_min=0.8)]
    return [*cases, replace(cases[0], off_policy_mask_threshold=0.05)]


def is_refused(case: Case) -> bool:
    """VESPO with a correction by rollout, the one combination of losses that TRL raises on."""
    by_rollout = case.vllm_importance_sampling_mode.startswith("sequence")
    return case.loss_type == "vespo" and case.other_sampler and by_rollout


GRPO = Case(loss_type="grpo")
CASES = [*matrix(), *around(), *mismatched()]
