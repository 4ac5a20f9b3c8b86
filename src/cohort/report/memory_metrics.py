"""The metrics of memory, the same in every kind of stage."""

from __future__ import annotations

from cohort.report.metric_table import Metric

MEMORY: dict[str, Metric] = {
    "memory/process": Metric(
        "bytes",
        "Memory of the training process, workers of rewards not counted; a steady rise over hundreds of "
        "steps is a leak.",
        "at the end of the step",
    ),
    "memory/device_peak": Metric(
        "bytes",
        "The most memory that was in use on the GPU; what is beside it is free for larger micro-batches.",
        "highest over the step",
    ),
}
