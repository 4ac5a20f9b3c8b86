"""How the comparison with TRL is shown: one table for a terminal, and one plot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

PRECISIONS = {"fp32": "float32", "bf16": "bfloat16"}
RATIOS = ("step", "sampling", "update")
LEGEND = """Speed: how many times faster Cohort is, in seconds per completion token. Memory: Cohort's share.
us/token is of the whole step. * is the precision at which TRL is faster."""
SAMPLING, UPDATE, GREY = "#3b6fb6", "#d9803c", "#777777"


def table(results: dict[str, Any]) -> str:
    """Seconds of a median step and the ratios of Cohort to TRL, for every workload."""
    lines = [
        f"{'seconds per step':46}{'step':>8}{'sampling':>10}{'update':>8}{'tokens':>8}"
        f"{'us/token':>10}{'memory':>12}"
    ]
    for name, found in results.items():
        lines += ["", *workload_lines(name, found)]
    return "\n".join([*lines, "", LEGEND])


def workload_lines(name: str, found: dict[str, Any]) -> Iterator[str]:
    """What was found about one workload."""
    gap = found["gradient"]
    yield (
        f"{name}: {found['parameters'] / 1e6:.2f} M parameters, {found['prompts']} prompts of "
        f"{found['prompt_tokens']} tokens, {found['rollouts_per_prompt']} answers to each"
        + (f", 1 in {found['silent_every']} without signal" if found["silent_every"] else "")
    )
    yield f"  same gradient: cosine 1 - {1 - gap['cosine']:.0e}, relative error {gap['relative_error']:.0e}"
    if "trl_default" in found:
        yield _side(f"TRL default: {_used(found['trl_default'])}", found["trl_default"])
    for key, precision in PRECISIONS.items():
        if key not in found:
            continue
        at = found[key]
        yield _side(f"TRL best: {at['trl']['configuration']}", at["trl"])
        yield _side(f"Cohort: {precision}", at["cohort"])
        ratios = [f"{at[f'{part}_ratio']:.2f}x" for part in RATIOS]
        mark = "  *" if found["trl_faster_at"] == key else ""
        yield (
            f"  {'  Cohort against it':44}{ratios[0]:>8}{ratios[1]:>10}{ratios[2]:>8}{'':18}"
            f"{at['memory_ratio']:>7.2f}x{mark}"
        )


def _side(title: str, side: dict[str, Any]) -> str:
    each = side["step_seconds_per_token"] * 1e6
    return (
        f"  {title:44}{side['step_seconds']:>8.2f}{side['sampling_seconds']:>10.2f}"
        f"{side['update_seconds']:>8.2f}{side['tokens']:>8.0f}{each:>10.1f}"
        f"{side['peak_bytes'] / 2**30:>8.2f} GiB"
    )


def _used(side: dict[str, Any]) -> str:
    """What TRL chose by itself."""
    used = side["used"]
    weights = used["weights"].removeprefix("torch.")
    words = "bf16 autocast" if used["bf16_autocast"] else weights
    return words + (", checkpointing" if used["gradient_checkpointing"] else "")


def draw(results: dict[str, Any], file: Path) -> None:
    """Microseconds per completion token of every side, sampling and the rest, by workload."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        1, len(results), figsize=(3.4 * len(results), 3.6), squeeze=False, layout="constrained"
    )
    for place, (name, found) in zip(axes[0], results.items(), strict=True):
        _bars(place, name, found)
    axes[0][0].set_ylabel("microseconds per completion token")
    axes[0][-1].legend(frameon=False, loc="upper right")
    figure.savefig(file, dpi=150)
    pyplot.close(figure)


def _bars(place: Any, name: str, found: dict[str, Any]) -> None:
    sides = {"TRL\ndefault": found["trl_default"]} if "trl_default" in found else {}
    for key in [key for key in PRECISIONS if key in found]:
        sides |= {f"TRL\n{key}": found[key]["trl"], f"Cohort\n{key}": found[key]["cohort"]}
    sampling = [1e6 * side["sampling_seconds_per_token"] for side in sides.values()]
    whole = [1e6 * side["step_seconds_per_token"] for side in sides.values()]
    rest = [max(0.0, both - part) for both, part in zip(whole, sampling, strict=True)]
    bars = place.bar(list(sides), sampling, color=SAMPLING, label="sampling")
    place.bar(list(sides), rest, bottom=sampling, color=UPDATE, label="reward and update")
    for bar, both in zip(bars, whole, strict=True):
        middle = bar.get_x() + bar.get_width() / 2
        place.annotate(f"{both:.0f}", (middle, both), ha="center", va="bottom", color=GREY)
    tokens, parameters = found["prompt_tokens"], found["parameters"] / 1e6
    silent = f", 1 in {found['silent_every']} silent" if found["silent_every"] else ""
    place.set_title(f"{name}: {parameters:.1f} M, prompts of {tokens}{silent}", fontsize=10)
    place.tick_params(axis="x", labelsize=8)
    place.margins(y=0.15)
    place.spines[["top", "right"]].set_visible(False)
