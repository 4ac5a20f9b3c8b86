"""Curves that are hard to draw, and ticks that a person would choose."""

from __future__ import annotations

import itertools
import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohort.report.charts import (
    MOST_BARS,
    MOST_POINTS,
    Points,
    curve,
    nice_ticks,
    shares,
    stacked,
    thinned,
)

finite = st.floats(-1e12, 1e12, allow_nan=False)


def tick_labels(svg: str) -> list[str]:
    return re.findall(r'text-anchor="end">([^<]*)<', svg)


@given(st.lists(st.none() | finite, max_size=8))
def test_any_values_give_a_well_formed_picture_inside_its_frame(values: list[float | None]) -> None:
    root = ElementTree.fromstring(curve("reward", list(enumerate(values, start=1))))
    for path in root.iter("path"):
        numbers = [float(text) for text in re.findall(r"-?[0-9.]+", path.get("d") or "")]
        assert all(-1 <= number <= 320 for number in numbers)


@pytest.mark.parametrize(
    "points",
    [[], [(1, 0.5)], [(1, 2.0), (2, 2.0)], [(1, 0.0), (2, 0.0)], [(1, None), (2, None)]],
    ids=["empty", "one step", "flat", "flat at zero", "never finite"],
)
def test_a_curve_with_nothing_to_see_still_has_an_axis(points: Points) -> None:
    labels = tick_labels(curve("x", points))
    assert len(labels) == len(set(labels)) >= 2


def test_a_gap_in_the_values_is_a_gap_in_the_line() -> None:
    svg = curve("x", [(1, 1.0), (2, 2.0), (3, None), (4, 1.0), (5, 2.0), (6, None), (7, 1.5)])
    line = re.search(r'class="line" d="([^"]*)"', svg)
    assert line is not None
    assert line.group(1).count("M") == 2
    assert svg.count("<circle") == 1


@given(finite, finite)
def test_ticks_are_few_round_and_span_the_values(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    if high - low < 1e-6 * max(1.0, abs(low), abs(high)):
        return
    ticks = nice_ticks(low, high)
    step = ticks[1] - ticks[0]
    assert 2 <= len(ticks) <= 7
    assert ticks[0] <= low + 1e-6 * step
    assert ticks[-1] >= high - 1e-6 * step
    leading = step / 10 ** math.floor(math.log10(step) + 1e-6)
    assert min(abs(leading - n) for n in (1, 2, 5)) < 1e-3


def test_a_long_curve_is_drawn_as_means_of_stretches() -> None:
    points = [(step, float(step % 2)) for step in range(1, 10 * MOST_POINTS + 1)]
    drawn, stretch = thinned(points)
    assert (len(drawn), stretch) == (MOST_POINTS, 10)
    assert {value for _, value in drawn} == {0.5}
    assert 'data-first="1" data-last="3000"' in curve("x", points)


def test_a_share_is_drawn_with_its_interval_and_its_label_is_text() -> None:
    svg = shares(
        "greedy", [("<b>", 0.5, (0.4, 0.6)), ("a very long name of a stage" * 3, 1.0, (0.9, 1.0))]
    )
    ElementTree.fromstring(svg)
    assert svg.count('class="interval"') == 2
    assert "&lt;b&gt;: 0.500 [0.400, 0.600]" in svg


@given(st.lists(st.tuples(*[st.floats(0, 1e6)] * 3), max_size=150))
def test_bars_of_parts_stand_on_each_other_inside_the_frame(rows: list[tuple[float, ...]]) -> None:
    svg = stacked("phases", ("a", "b", "<c>"), list(enumerate(rows, start=1)))
    for bar in ElementTree.fromstring(svg).iter("{*}g"):
        parts = [{k: float(v) for k, v in r.items() if k != "class"} for r in bar.iter("{*}rect")]
        for lower, upper in itertools.pairwise(parts):
            assert upper["y"] + upper["height"] == pytest.approx(lower["y"], abs=0.11)
        assert all(part["x"] >= 0 and part["x"] + part["width"] <= 320 for part in parts)
        assert all(0 <= part["y"] <= 127 and part["height"] >= 0 for part in parts)
    assert len(re.findall("<g>", svg)) <= MOST_BARS
