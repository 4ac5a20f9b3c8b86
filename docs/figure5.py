"""Draw docs/figure5.svg from what `python -m proofs.figure5 FOLDER` left: SVG on stdout.

python docs/figure5.py FOLDER/figure5.json > docs/figure5.svg
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

WIDTH, HEIGHT, LEFT, TOP, GAP = 300, 190, 34, 26, 90
INK = "#57606a"
COLOURS = ("#b8862f", "#8d6a9f", "#2f6fde", "#2c7a4b")


def main(found: dict[str, Any]) -> str:
    """Two panels: held-out accuracy by sampled tokens, and Maj@K and Pass@K before and after."""
    ways = [name for name in next(iter(found.values())) if name != "start"]
    total = 2 * (WIDTH + GAP) + LEFT + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {HEIGHT + TOP + 24}" '
        f'font-family="system-ui, sans-serif" font-size="11" fill="{INK}">'
    ]
    parts += _grid("right answers to held-out sums", LEFT)
    last = max(f[way]["curve"][-1]["tokens"] for f in found.values() for way in ways)
    for way, colour in zip(ways, COLOURS, strict=True):
        points = [(0.0, _mean(found, "start", "sampled"))]
        for place, point in enumerate(found["1"][way]["curve"]):
            value = fmean(f[way]["curve"][place]["sampled"] for f in found.values())
            points.append((point["tokens"] / last, value))
        parts += [_line(points, LEFT, colour), _label(way, LEFT, points[-1][1], colour)]
    parts += _axis(f"{last / 1000:,.0f}k sampled tokens", LEFT)
    left = LEFT + WIDTH + GAP + 40
    parts += _grid("Pass@K, and Maj@K dashed", left)
    for way, colour in zip(("start", ways[-1]), (INK, COLOURS[-1]), strict=True):
        for name, dashes in (("pass@k", ""), ("maj@k", "4 3")):
            counts = list(found["1"][way][name])
            values = [fmean(f[way][name][k] for f in found.values()) for k in counts]
            points = [(place / (len(counts) - 1), value) for place, value in enumerate(values)]
            parts.append(_line(points, left, colour, dashes))
        parts.append(_label(way, left, values[-1], colour))
    return "\n".join([*parts, *_axis("K from 1 to 64", left), "</svg>"])


def _mean(found: dict[str, Any], way: str, key: str) -> float:
    return fmean(f[way][key] for f in found.values())


def _grid(title: str, left: float) -> list[str]:
    parts = [f'<text x="{left}" y="14" font-weight="600">{title}</text>']
    for share in (0.0, 0.5, 1.0):
        y = TOP + HEIGHT * (1 - share)
        parts.append(
            f'<path d="M{left} {y}h{WIDTH}" stroke="{INK}" stroke-opacity=".25"/>'
            f'<text x="{left - 4}" y="{y + 4}" text-anchor="end">{share:g}</text>'
        )
    return parts


def _axis(text: str, left: float) -> list[str]:
    return [f'<text x="{left + WIDTH}" y="{TOP + HEIGHT + 16}" text-anchor="end">{text}</text>']


def _line(points: list[tuple[float, float]], left: float, colour: str, dashes: str = "") -> str:
    path = " ".join(f"{left + WIDTH * x:.1f},{TOP + HEIGHT * (1 - y):.1f}" for x, y in points)
    return (
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6" '
        f'stroke-dasharray="{dashes or "none"}"/>'
    )


def _label(text: str, left: float, value: float, colour: str) -> str:
    y = TOP + HEIGHT * (1 - value) + 4
    return f'<text x="{left + WIDTH + 4}" y="{y:.1f}" fill="{colour}">{text}</text>'


if __name__ == "__main__":
    print(main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
