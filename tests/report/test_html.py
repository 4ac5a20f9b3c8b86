"""The report: it holds the run, it is one file, and no text of a model can become a part of it."""

from __future__ import annotations

import base64
import hashlib
import random
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from cohort.data.store import Store
from cohort.errors import RunError
from cohort.report.html import MOST_BYTES, MOST_STEPS, chosen, write_report
from tests.report.hostile_text import STRINGS, write_hostile_run
from tests.report.kept import answers, kept
from tests.report.runs import group, rollout, write_run


class Page(HTMLParser):
    """Collects tags and their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return write_report(write_run(tmp_path))


@pytest.fixture
def html(report: Path) -> str:
    return report.read_text(encoding="utf-8")


def test_the_page_needs_nothing_but_itself(html: str) -> None:
    page = Page(html)
    assert not {"link", "img", "iframe"} & set(page.tags)
    assert not {"src", "href"} & {name for name, _ in page.attributes}
    assert set(re.findall(r"\w+://[\w./]+", html)) == {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("tag", ["script", "style"])
def test_the_policy_admits_the_pages_own_script_and_style_only(html: str, tag: str) -> None:
    own = re.search(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
    assert own is not None
    digest = base64.b64encode(hashlib.sha256(own.group(1).encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy is not None
    assert policy.group(1).startswith("default-src 'none'")
    assert f"{tag}-src 'sha256-{digest}'" in policy.group(1)
    assert "unsafe" not in policy.group(1)


def test_no_text_of_a_run_is_in_the_page_but_packed(tmp_path: Path) -> None:
    html = write_report(write_hostile_run(tmp_path / "<script>x<" / "<img src=x>")).read_text()
    assert Page(html).tags.count("script") == 2
    assert not [text for text in STRINGS if len(text) > 12 and text in html]
    assert "<title>&lt;img src=x&gt; \u2013 Cohort</title>" in html


def test_no_control_character_reaches_the_page(report: Path) -> None:
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", report.read_text())
    assert not re.search(
        r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", str(kept(report)).replace("\\x1f", "")
    )


def test_a_view_of_the_whole_run_is_in_the_file(report: Path) -> None:
    (whole,) = answers(report, "run")
    assert whole["status"] == "finished"
    curves = {(g["stage"], g["metric"]) for q, g, _ in kept(report) if q == "curve"}
    for stage in whole["stages"]:
        assert {(stage["stage"], metric["name"]) for metric in stage["metrics"]} <= curves
    assert len(answers(report, "machine")) == 2


def test_every_group_of_a_short_run_is_in_the_file_with_its_tokens(report: Path) -> None:
    rows = [row["id"] for told in answers(report, "groups") for row in told["groups"]]
    assert sorted(rows) == list(range(1, 10))
    assert sorted(own["id"] for own in answers(report, "group")) == sorted(rows)
    assert len(answers(report, "tokens")) == len(rows)


def test_the_same_problem_at_other_steps_is_found_among_what_is_kept(report: Path) -> None:
    ids = {own["id"] for own in answers(report, "group")}
    for told in answers(report, "history"):
        assert told["count"] == 3
        assert {place["id"] for place in told["places"]} <= ids


def test_an_unfinished_run_has_a_page(tmp_path: Path) -> None:
    (whole,) = answers(write_report(write_run(tmp_path, steps=1, finished=False)), "run")
    assert whole["status"] == "running"
    assert whole["stages"][1]["done"] == 1


def test_a_run_that_has_just_begun_has_a_page(tmp_path: Path) -> None:
    Store(tmp_path / "run.db").close()
    assert answers(write_report(tmp_path), "run")[0]["stages"] == []


def test_the_recipe_is_in_the_file(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    (run / "recipe.toml").write_text('model = "owner/<name>"  # </pre>\n')
    (whole,) = answers(write_report(run), "run")
    assert whole["recipe"]["text"] == 'model = "owner/<name>"  # </pre>\n'
    assert whole["recipe"]["options"] == {"model": "'owner/<name>'"}


def test_equal_runs_give_equal_files(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    assert write_report(run).read_bytes() == write_report(run).read_bytes()


def test_nothing_but_the_page_is_left_in_the_folder(tmp_path: Path) -> None:
    write_run(tmp_path)
    for _ in range(2):
        write_report(tmp_path)
    names = {path.name for path in tmp_path.iterdir() if not path.name.startswith("run.db")}
    assert names == {"report.html"}


def test_a_folder_without_a_run_is_refused_and_left_alone(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_kept_steps_are_the_last_the_first_those_named_and_evenly_spaced_ones() -> None:
    steps = range(1, 102)
    assert list(chosen(steps, [77]))[:4] == [101, 1, 77, 51]
    assert len(list(chosen(steps, []))) == MOST_STEPS
    assert sorted(chosen(range(1, 8), [99])) == [1, 2, 3, 4, 5, 6, 7]
    assert list(chosen([7], [])) == [7]
    assert list(chosen([], [])) == []


def test_a_run_of_long_answers_that_cannot_be_packed_stays_below_five_megabytes(
    tmp_path: Path,
) -> None:
    run, draw = write_run(tmp_path), random.Random(1)
    store = Store(run / "run.db")
    for step in range(4, 9):
        groups = [_wide(draw) for _ in range(20)]
        store.write_step(1, step, seconds=1.0, metrics={}, groups=groups)
    store.close()
    report = write_report(run)
    assert 0.8 * MOST_BYTES < report.stat().st_size < 5_000_000
    rows = [row["id"] for told in answers(report, "groups") for row in told["groups"]]
    assert len(answers(report, "group")) < len(rows)


def _wide(draw: random.Random) -> Any:
    own = group()
    long = tuple(rollout(base64.b64encode(draw.randbytes(24_000)).decode()) for _ in range(2))
    return type(own)(own.problem, own.prompt_tokens, long, own.scores, own.advantages)
