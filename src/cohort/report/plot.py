"""`cohort plot`: a metric of runs as a picture, for papers and a README. Wraps matplotlib (extra `plot`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cohort.errors import RunError
from cohort.report import read
from cohort.report.metrics import describe_metric
from cohort.report.text import one_line
from cohort.report.views.curves import curve, metric_names, stages

COLOURS = ("#2f6690", "#c8553d", "#3a7d44", "#8e5ea2", "#b8860b", "#50808e")
INK, SOFT, RULE = "#22211e", "#6b6861", "#e6e3db"


def plot(runs: Sequence[Path], metric: str, output: Path, *, stage: str | None = None) -> None:
    """Draw a metric of the last stage that measures it (or of the stage named) and write the picture.

    The kind of file is that of the name: png, svg or pdf. Raises RunError for an unknown metric.
    """
    pyplot = _pyplot()
    drawn = [_curve(run, metric, stage) for run in runs]
    figure, axes = pyplot.subplots(figsize=(5.2, 3.0), layout="constrained")
    for (name, _, own), colour in zip(drawn, COLOURS * len(drawn), strict=False):
        values = [float("nan") if value is None else value for value in own["mean"]]
        axes.plot(own["steps"], values, color=colour, linewidth=1.6, label=name)
    described = describe_metric(metric, drawn[0][1])
    unit = f" ({described.unit})" if described and described.unit not in ("", metric) else ""
    axes.set_xlabel("step", color=SOFT)
    axes.set_title(metric + unit, loc="left", fontsize=10, color=INK, parse_math=False)
    axes.grid(axis="y", color=RULE, linewidth=0.8)
    axes.tick_params(colors=SOFT, length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if len(drawn) > 1:
        axes.legend(frameon=False, labelcolor=INK)
    try:
        figure.savefig(output, dpi=200)
    except (OSError, ValueError) as error:
        raise RunError(
            f"{output} cannot be written: {error}", "give a name that ends in .png, .svg or .pdf"
        ) from error
    finally:
        pyplot.close(figure)


def _pyplot() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise RunError(
            "pictures are drawn with matplotlib, which is not installed",
            "pip install 'cohort-rl[plot]'",
        ) from error
    matplotlib.use("agg")
    from matplotlib import pyplot

    return pyplot


def _curve(run: Path, metric: str, stage: str | None) -> tuple[str, str, Any]:
    """A run's name, the kind of the stage, and the curve."""
    with read.opened(run) as db:
        known: set[str] = set()
        for row in reversed(stages(db)):
            number = row["stage"]
            assert isinstance(number, int)
            names = metric_names(db, number)
            known |= set(names)
            if metric in names and stage in (None, row["name"], str(number)):
                return one_line(run.resolve().name), str(row["kind"]), curve(db, number, metric)
    there = ", ".join(sorted(known)[:6]) or "none yet"
    raise RunError(f"{run} has no metric {metric}", f"it has, for example, {there}")
