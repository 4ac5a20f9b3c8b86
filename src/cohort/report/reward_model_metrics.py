"""The metrics that a stage `reward-model` has and others do not, or that mean another thing in it."""

from __future__ import annotations

from cohort.report.metric_table import Metric

REWARD_MODEL: dict[str, Metric] = {
    "loss": Metric(
        "",
        "What the reward model is trained on: of two answers log 2 = 0.693 is a guess, and 0 certainty.",
        "over examples of the step, or over labelled steps",
        "worse",
    ),
    "accuracy": Metric(
        "share",
        "How often the model says the right thing of what it learns from: which of two answers is "
        "better, or whether a step is right; 0.5 is a guess.",
        "over comparisons, or labelled steps, of the step",
        "better",
    ),
    "margin": Metric(
        "",
        "How much more the model gives the better answer of a pair than the worse one; it rises as "
        "long as it learns, and without bound where nothing holds it.",
        "over comparisons of the step",
    ),
    "replayed": Metric(
        "examples",
        "Examples of the step that are those of the reward models before; 0 where there are none yet.",
        "sum over the step",
    ),
    "held_out/accuracy": Metric(
        "share",
        "How often the model says the right thing of held-out problems; far below `accuracy` means "
        "that it has learned its examples by heart.",
        "over comparisons, or labelled steps, of the held-out problems, at the end of the stage",
        "better",
    ),
    "held_out/margin": Metric(
        "",
        "How much more the model gives the better answer of a pair of held-out problems.",
        "over comparisons of the held-out problems, at the end of the stage",
    ),
    "held_out/loss": Metric(
        "",
        "The loss of the model on the held-out problems.",
        "over examples of the held-out problems, at the end of the stage",
        "worse",
    ),
}
"""By name, as in `metric_table`."""
