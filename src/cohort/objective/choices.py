"""What an algorithm can choose from: the form of an entry, and every number that an entry reads.

A choice is a function of `objective`, the equation that it is, and the names of what it is given. The
tables are in `choices_of_credit` (which token gets which advantage and weight), `choices_of_loss`
(what is made of it) and `choices_around` (which groups, which reference).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Value = float | int | str
"""What a recipe gives for a number or for a choice."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One entry of a table.

    equation: what it computes, in one line.
    function: what computes it; None where there is nothing to compute.
    given: attributes of the record at hand that are its arguments, in order.
    named: its keyword arguments that are attributes of that record.
    reads: its keyword arguments that are numbers of the recipe, by their name there.
    also_reads: numbers of the recipe that are read elsewhere on its behalf.
    traits: what the rest must know of it; each table says which it uses.
    """

    equation: str
    function: Callable[..., Any] | None = None
    given: tuple[str, ...] = ()
    named: Mapping[str, str] = field(default_factory=dict)
    reads: Mapping[str, str] = field(default_factory=dict)
    also_reads: tuple[str, ...] = ()
    traits: frozenset[str] = frozenset()

    @property
    def parameters(self) -> tuple[str, ...]:
        """The numbers of the recipe that this choice reads."""
        return (*self.reads.values(), *self.also_reads)

    def __call__(self, record: object, values: Mapping[str, Value]) -> Any:
        """The function on this record, with the recipe's numbers."""
        assert self.function is not None, f"{self.equation} computes nothing"
        given = [getattr(record, name) for name in self.given]
        named = {key: getattr(record, name) for key, name in self.named.items()}
        numbers = {key: plain(name, values[name]) for key, name in self.reads.items()}
        return self.function(*given, **named, **numbers)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number (or a word) that some choices read.

    default: what a choice that was not the preset's gets. least, most: its bounds, both allowed.
    words: where it is a word, those that it can be, with what the function is given for each.
    """

    meaning: str
    default: Value
    least: float = 0.0
    most: float = 1e9
    whole: bool = False
    words: Mapping[str, Any] = field(default_factory=dict)


PARAMETERS: dict[str, Parameter] = {
    "beta": Parameter("The weight of the KL term; 0: no reference is kept.", 0.0),
    "deviation": Parameter(
        "Which standard deviation: of the group itself, or the sample's estimate.",
        "population",
        words={"population": 0, "sample": 1},
    ),
    "epsilon": Parameter("Added to a deviation or a mean that is divided by.", 1e-4),
    "clip_low": Parameter("The ratio is clipped below 1 - clip_low.", 0.2),
    "clip_high": Parameter("The ratio is clipped above 1 + clip_high.", 0.2),
    "log_clip_low": Parameter("The log-ratio is bounded below by -log_clip_low.", 0.4),
    "log_clip_high": Parameter("The log-ratio is bounded above by log_clip_high.", 0.4),
    "loss_cap": Parameter("No loss above loss_cap |A| where A < 0.", 3.0, least=1.0),
    "ratio_max": Parameter("The largest ratio, as it is, not as a distance from 1.", 5.0),
    "ratio_low": Parameter("Tokens whose ratio is not above this have weight 0.", 0.7),
    "ratio_high": Parameter("Tokens whose ratio is not below this have weight 0.", 6.0),
    "tau_positive": Parameter("The gate's steepness where A > 0.", 1.0, least=1e-6),
    "tau_negative": Parameter("The gate's steepness elsewhere.", 1.05, least=1e-6),
    "tau": Parameter("The weight of the squared log-ratio.", 0.1),
    "region": Parameter("The largest change of a token's probability before it is dropped.", 0.15),
    "half_life_tokens": Parameter(
        "After so many tokens the drift of the rest counts half.", 32.0, least=1e-6
    ),
    "outlier_ratio": Parameter("Tokens with a larger ratio add nothing to the drift.", 10.0),
    "correction_cap": Parameter("The largest weight for sampler mismatch.", 2.0),
    "correction_low": Parameter("Below this weight a token or rollout is left out.", 0.5),
    "correction_high": Parameter("Above this weight a token or rollout is left out.", 5.0),
    "drift": Parameter(
        "The most nats per token that a bad rollout may have been left behind.", 0.5
    ),
    "divergence_max": Parameter("The largest mean k3 between trainer and sampler.", 0.01),
    "entropy_coefficient": Parameter("The weight of the entropy in the loss.", 1e-3),
    "entropy_target": Parameter("Nats per token that the bonus aims at.", 0.2),
    "entropy_change": Parameter("How much the coefficient moves in a step.", 1e-4),
    "entropy_largest": Parameter("The largest coefficient.", 0.005),
    "entropy_share": Parameter(
        "The share of tokens, the most uncertain, that are trained.", 0.2, most=1.0
    ),
    "covariance_low": Parameter("Tokens of a higher covariance may be taken out.", 1.0, least=-1e9),
    "covariance_high": Parameter("Tokens of a lower covariance may be taken out.", 5.0, least=-1e9),
    "covariance_share": Parameter("The share of all tokens that is held back.", 2e-4, most=1.0),
    "covariance_coefficient": Parameter("The weight of the held-back tokens' drift.", 1.0),
    "count_flat": Parameter(
        "Whether groups of equal rewards count in the step's deviation.",
        "no",
        words={"yes": True, "no": False},
    ),
    "k": Parameter("Answers of which the best counts.", 4, least=1.0, whole=True),
    "pkpo_baseline": Parameter(
        "What is subtracted from the best of k.",
        "leave-one-out",
        words={word: word for word in ("none", "leave-one-out", "k-1")},
    ),
    "right_above": Parameter("An answer whose reward is above this is right.", 0.5, least=-1e9),
    "density_largest": Parameter("The largest 1 / Beta density.", 1e6),
    "gamma": Parameter("What a token later counts less: the discount.", 1.0, most=1.0),
    "turn_gamma": Parameter("What a turn later counts less: the discount.", 1.0, most=1.0),
    "gae_lambda": Parameter(
        "How far advantages look past the critic: 0 one token, 1 to the end.", 0.95, most=1.0
    ),
    "length_alpha": Parameter(
        "lambda is 1 - 1 / (length_alpha |o|), at least 0.", 0.05, least=1e-6
    ),
    "n_steps": Parameter("Tokens before the critic is asked again.", 5, least=1.0, whole=True),
    "squash": Parameter("The reward is tanh(squash r); 0: as it is.", 0.0),
    "overlong_margin": Parameter(
        "The last share of max_new_tokens, over which the penalty grows to -1.", 0.2, most=1.0
    ),
    "least_spread": Parameter("The least deviation of a group that is learned from.", 0.1),
    "refill_rounds": Parameter("The most times that a step samples.", 5, least=1.0, whole=True),
    "reference_every": Parameter(
        "Steps between changes of the reference.", 400, least=1.0, whole=True
    ),
    "reference_rate": Parameter("The policy's share in the new reference.", 0.6, most=1.0),
    "kl_target": Parameter("Nats per token that the coefficient aims at.", 0.1, least=1e-9),
    "kl_gain": Parameter("How fast the coefficient follows.", 0.1),
    "kl_horizon": Parameter("Rollouts over which it follows.", 10_000, least=1.0, whole=True),
}
"""Every number an algorithm can read, by its name in a recipe."""


def plain(name: str, value: Value) -> Any:
    """What a function is given for a recipe's value: for a word, what it stands for."""
    words = PARAMETERS[name].words
    return words[str(value)] if words else value
