"""Draw the README's figure: the reinforce stage of one or more runs, as SVG on stdout.

python docs/curve.py runs/chain-1 runs/chain-2 ... > docs/chain.svg
"""

from __future__ import annotations

import sys
from pathlib import Path

from cohort.report import read

PANELS = (
    ("rewards/correct/mean", "right answers", 0.0, 1.0),
    ("rewards/works_out/mean", "worked out, every step right", 0.0, 1.0),
    ("completions/mean_length", "tokens per answer", 0.0, 40.0),
)
WIDTH, HEIGHT, GAP, LEFT, TOP = 250, 130, 24, 34, 26
INK, LINE = "#57606a", "#2f6fde"


def main(runs: list[Path]) -> str:
    """The figure: a panel per metric, a line per run."""
    total = len(PANELS) * (WIDTH + GAP) + LEFT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {HEIGHT + TOP + 24}" '
        f'font-family="system-ui, sans-serif" font-size="11" fill="{INK}">'
    ]
    for number, panel in enumerate(PANELS):
        parts += _panel(panel, LEFT + number * (WIDTH + GAP), runs)
    return "\n".join([*parts, "</svg>"])


def _panel(panel: tuple[str, str, float, float], left: float, runs: list[Path]) -> list[str]:
    metric, title, low, high = panel
    parts = [f'<text x="{left}" y="14" font-weight="600">{title}</text>']
    for share in (0.0, 0.5, 1.0):
        y = TOP + HEIGHT * (1 - share)
        label = f"{low + share * (high - low):g}"
        parts.append(
            f'<path d="M{left} {y}h{WIDTH}" stroke="{INK}" stroke-opacity=".25"/>'
            f'<text x="{left - 4}" y="{y + 4}" text-anchor="end">{label}</text>'
        )
    last = 1
    for run in runs:
        points = _points(run, metric)
        last = max(last, points[-1][0])
        line = " ".join(
            f"{left + WIDTH * step / last:.1f},{TOP + HEIGHT * (1 - (v - low) / (high - low)):.1f}"
            for step, v in points
        )
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{LINE}" stroke-opacity=".6" '
            'stroke-width="1.5"/>'
        )
    y = TOP + HEIGHT + 16
    parts.append(f'<text x="{left + WIDTH}" y="{y}" text-anchor="end">step {last}</text>')
    return parts


def _points(run: Path, metric: str) -> list[tuple[int, float]]:
    with read.opened(run) as db:
        stage = next(row.stage for row in read.stages(db) if row.kind == "reinforce")
        return [(step, v) for step, v in read.series(db, stage, metric) if v is not None]


if __name__ == "__main__":
    print(main([Path(name) for name in sys.argv[1:]]))
