"""The metrics that mean another thing in a stage `preference` than in the other ones."""

from __future__ import annotations

from cohort.report.metric_table import Metric

PREFERENCE: dict[str, Metric] = {
    "loss": Metric(
        "",
        "What the stage makes of the margins; log 2 at the start with the loss `sigmoid`, and it falls.",
        "over pairs of the step",
        "worse",
    ),
}
"""What means another thing in a stage on pairs."""
