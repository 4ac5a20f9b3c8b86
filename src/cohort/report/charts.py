"""Curves as inline SVG: a line with readable axes, shares with their intervals, bars of parts.

Pure functions of numbers; colours and fonts are the page's. A gap in the values is a gap in the
line, and a curve of one point, of equal points or of none is drawn too.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from html import escape

from cohort.report.statistics import Interval, mean
from cohort.report.text import showable

WIDTH, HEIGHT = 320, 150
LEFT, RIGHT, TOP, BOTTOM = 46, 308, 10, 126
"""The plot's edges in the drawing; page.js knows LEFT and RIGHT."""

MOST_POINTS = 300
"""Points of a curve at most; longer ones are drawn as means of equal stretches."""

MOST_BARS = 60
"""Bars of a picture at most; of more steps each bar is the mean of an equal stretch."""

Points = Sequence[tuple[int, float | None]]


def thinned(points: Points) -> tuple[list[tuple[int, float | None]], int]:
    """At most MOST_POINTS points, and how many steps each is the mean of."""
    stretch = max(1, math.ceil(len(points) / MOST_POINTS))
    if stretch == 1:
        return list(points), 1
    result: list[tuple[int, float | None]] = []
    for start in range(0, len(points), stretch):
        part = points[start : start + stretch]
        known = [value for _, value in part if value is not None]
        result.append((part[-1][0], mean(known) if known else None))
    return result, stretch


def nice_ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers that span low to high: multiples of 1, 2 or 5 times a power of ten."""
    assert low < high, (low, high)
    rough = max((high - low) / count, sys.float_info.min)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def value_range(values: Sequence[float]) -> tuple[float, float]:
    """A range to draw the values in: never empty, and from 0 where 0 is not far."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        reach = abs(high) / 10 or 1.0
        low, high = (low - reach, high + reach) if high else (0.0, 1.0)
    elif 0 < low < 0.5 * high:
        low = 0.0
    elif 0.5 * low < high < 0:
        high = 0.0
    return low, high


def curve(name: str, points: Points) -> str:
    """One metric over the steps of a stage; page.js reads the values from the data attributes."""
    drawn, _ = thinned(points)
    known = [value for _, value in drawn if value is not None]
    ticks = nice_ticks(*value_range(known))
    steps = [step for step, _ in drawn]
    first, last = (points[0][0], points[-1][0]) if points else (0, 1)
    x = _scale((first, last), (LEFT, RIGHT))
    y = _scale((ticks[0], ticks[-1]), (BOTTOM, TOP))
    xs = ",".join(map(str, steps))
    ys = ",".join("" if value is None else f"{value:.6g}" for _, value in drawn)
    body = [_grid(ticks, y), _step_axis(first, last, x), _line(drawn, x, y)]
    data = f' data-first="{first}" data-last="{last}" data-x="{xs}" data-y="{ys}"'
    return _svg(f"{name}: {in_words(points)}", "".join(body), data)


def shares(name: str, rows: Sequence[tuple[str, float, Interval]]) -> str:
    """Shares in order, each a point with its interval, on an axis from 0 to 1."""
    x = _scale((-0.5, max(len(rows) - 0.5, 0.5)), (LEFT, RIGHT))
    y = _scale((0.0, 1.0), (BOTTOM, TOP))
    body = [_grid([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], y)]
    body.append(_line([(i, share) for i, (_, share, _) in enumerate(rows)], x, y))
    room = max(3, int((RIGHT - LEFT) / max(1, len(rows)) / 5.5))
    for i, (label, share, (low, high)) in enumerate(rows):
        note = f"{label}: {share:.3f} [{low:.3f}, {high:.3f}]"
        text = label if len(label) <= room else label[: room - 1] + "…"
        body.append(
            f'<g><title>{_escaped(note)}</title><path class="interval" '
            f'd="M{x(i):.1f} {y(low):.1f}V{y(high):.1f}"/>'
            f'<circle class="mark" cx="{x(i):.1f}" cy="{y(share):.1f}" r="3.5"/>'
            f'<text x="{x(i):.1f}" y="{BOTTOM + 15}" text-anchor="middle">'
            f"{_escaped(text)}</text></g>"
        )
    words = ", ".join(f"{label} {share:.3f}" for label, share, _ in rows)
    return _svg(f"{name}: {words or 'no values'}", "".join(body))


def stacked(name: str, parts: Sequence[str], rows: Sequence[tuple[int, Sequence[float]]]) -> str:
    """A bar a step, made of its parts; the page's classes `phase-0`, `phase-1`... colour them."""
    stretch = max(1, math.ceil(len(rows) / MOST_BARS))
    pieces = [rows[start : start + stretch] for start in range(0, len(rows), stretch)]
    bars = [[mean(column) for column in zip(*(own for _, own in p), strict=True)] for p in pieces]
    ticks = nice_ticks(0.0, max(map(sum, bars), default=0.0) or 1.0)
    first, last = (rows[0][0], rows[-1][0]) if rows else (0, 1)
    x = _scale((first - 0.5, last + 0.5), (LEFT, RIGHT))
    y = _scale((0.0, ticks[-1]), (BOTTOM, TOP))
    body = [_grid(ticks, y), _step_axis(first, last, x)]
    for piece, bar in zip(pieces, bars, strict=True):
        words = ", ".join(f"{part} {v:.3g}" for part, v in zip(parts, bar, strict=True) if v)
        body.append(f"<g><title>step {piece[-1][0]}: {sum(bar):.3g}; {_escaped(words)}</title>")
        body.append(_bar(bar, (x(piece[0][0] - 0.45), x(piece[-1][0] + 0.45)), y) + "</g>")
    return _svg(f"{name}: {in_words([(step, sum(own)) for step, own in rows])}", "".join(body))


def _bar(values: Sequence[float], edges: tuple[float, float], y: Callable[[float], float]) -> str:
    """One bar between two edges, its parts from the bottom up; empty parts are not drawn."""
    left, right = edges
    tops = [y(sum(values[:number])) for number in range(len(values) + 1)]
    return "".join(
        f'<rect class="phase-{number}" x="{left:.1f}" y="{tops[number + 1]:.1f}" '
        f'width="{right - left:.1f}" height="{tops[number] - tops[number + 1]:.1f}"/>'
        for number, value in enumerate(values)
        if value > 0
    )


def in_words(points: Points) -> str:
    """The curve for who cannot see it: its ends, its lowest and its highest value."""
    known = [(step, value) for step, value in points if value is not None]
    if not known:
        return "no finite values"
    (first, begin), (last, end) = known[0], known[-1]
    low, high = min(v for _, v in known), max(v for _, v in known)
    return (
        f"{begin:.4g} at step {first}, {end:.4g} at step {last}, from {low:.4g} to {high:.4g}"
        if len(known) > 1
        else f"{begin:.4g} at step {first}"
    )


def _scale(domain: tuple[float, float], target: tuple[float, float]) -> Callable[[float], float]:
    """The straight line that takes the domain to the target; one value goes to the middle."""
    low, high = domain
    start, end = target
    if low == high:
        return lambda _: (start + end) / 2
    return lambda value: start + (value - low) / (high - low) * (end - start)


def _grid(ticks: Sequence[float], y: Callable[[float], float]) -> str:
    """Horizontal lines at the ticks, each with its number."""
    digits = max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9))
    digits += 1 if len({f"{tick:.{digits}f}" for tick in ticks}) < len(ticks) else 0
    plain = digits <= 4 and max(map(abs, ticks)) < 1e5
    parts = []
    for tick in ticks:
        label = f"{tick:.{digits}f}" if plain else f"{tick:.3g}"
        parts.append(
            f'<path class="grid" d="M{LEFT} {y(tick):.1f}H{RIGHT}"/>'
            f'<text x="{LEFT - 6}" y="{y(tick) + 3.5:.1f}" text-anchor="end">{label}</text>'
        )
    return "".join(parts)


def _step_axis(first: int, last: int, x: Callable[[float], float]) -> str:
    """The first and the last step, and round ones between them that have room."""
    inner = nice_ticks(first, last) if last > first else []
    room = 0.12 * (last - first)
    marks = [int(t) for t in inner if t == int(t) and first + room < t < last - room]
    return "".join(
        f'<text x="{x(step):.1f}" y="{BOTTOM + 15}" text-anchor="middle">{step}</text>'
        for step in sorted({first, last, *marks})
    )


def _line(points: Points, x: Callable[[float], float], y: Callable[[float], float]) -> str:
    """The line through the points, broken at gaps; a point without neighbours is a dot."""
    runs: list[list[tuple[float, float]]] = [[]]
    for step, value in points:
        if value is None:
            runs.append([])
        else:
            runs[-1].append((x(step), y(value)))
    paths = ["M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in run) for run in runs if len(run) > 1]
    dots = [run[0] for run in runs if len(run) == 1]
    dots += [run[-1] for run in runs[-1:] if len(run) > 1]
    marks = "".join(f'<circle class="mark" cx="{a:.1f}" cy="{b:.1f}" r="2.5"/>' for a, b in dots)
    return (f'<path class="line" d="{"".join(paths)}"/>' if paths else "") + marks


def _svg(words: str, body: str, attributes: str = "") -> str:
    label = _escaped(words)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}"{attributes}>'
        f"<title>{label}</title>{body}</svg>"
    )


def _escaped(text: str) -> str:
    return escape(showable(text))
