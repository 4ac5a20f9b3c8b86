"""The page: it holds the run, it is one file, and no text of a model can become a part of it."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cohort.data.store import Store
from cohort.errors import RunError
from cohort.report.html import GROUPS_BYTES, write_report
from cohort.report.html_groups import MOST_STEPS, choose_steps
from tests.report.runs import group, rollout, write_run

VOID = {"meta", "br"}


class Page(HTMLParser):
    """Collects tags and text, and fails on tags that do not nest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def html(tmp_path: Path) -> str:
    return write_report(write_run(tmp_path)).read_text(encoding="utf-8")


def test_a_models_text_cannot_become_markup(html: str) -> None:
    page = Page(html)
    assert page.tags.count("script") == 1
    assert page.text.count("<script>alert('x')</script>␛[31m␀[bold]\n&amp;") >= 6
    assert not [name for name, _ in page.attributes if name.startswith("on")]


def test_no_control_character_reaches_the_page(html: str) -> None:
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", html)


def test_the_page_needs_nothing_but_itself(html: str) -> None:
    page = Page(html)
    assert not {"link", "img", "iframe"} & set(page.tags)
    assert not {"src", "href"} & {name for name, _ in page.attributes}
    assert re.findall(r"\w+://[\w./]+", html) == ["http://www.w3.org/2000/svg"]


def test_the_policy_admits_the_pages_own_script_only(html: str) -> None:
    script = re.search(r"<script>(.*)</script></body>", html, re.DOTALL)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script.group(1).encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in html


def test_the_page_says_what_became_better(html: str) -> None:
    text = Page(html).text
    for part in ("tiny", "finished", "25.0 %[4.6, 69.9]", "75.0 %[30.1, 95.4]", "question 1"):
        assert part in text, part


def test_other_reward_functions_and_lengths_are_compared_too(html: str) -> None:
    text = Page(html).text
    for part in ("<b>style", "0.125", "tokens", "12.5", "- sampled"):
        assert part in text, part


def test_every_metric_has_a_curve(html: str) -> None:
    drawn = set(re.findall(r"<figcaption><b>([^<]*)</b><output>", html))
    expected = {"reward", "reward_std", "kl", "entropy", "token_accuracy", "rewards/correct/mean"}
    assert expected <= drawn


def test_an_opened_group_has_its_answers_by_advantage(html: str) -> None:
    group_of_step = html[html.index('id="s1-1"') :]
    answers = group_of_step[group_of_step.index("<article>") :]
    order = re.findall(r"answer \d", answers[: answers.index("</div>")])
    assert order == ["answer 0", "answer 2", "answer 1"]


def test_an_unfinished_run_has_a_page(tmp_path: Path) -> None:
    page = Page(write_report(write_run(tmp_path, steps=1, finished=False)).read_text())
    assert "running" in page.text
    assert "1 of 3 steps" in page.text


def test_a_run_that_has_just_begun_has_a_page(tmp_path: Path) -> None:
    Store(tmp_path / "run.db").close()
    Page(write_report(tmp_path).read_text())


def test_the_recipe_is_on_the_page(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    (run / "recipe.toml").write_text('model = "owner/<name>"  # </pre>\n')
    page = Page(write_report(run).read_text())
    assert "owner/<name>" in page.text
    assert "# </pre>" in page.text


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


def test_kept_steps_are_the_first_the_last_and_evenly_spaced_ones() -> None:
    sizes = dict.fromkeys(range(1, 102), 10)
    assert choose_steps(sizes, 50) == [1, 26, 51, 76, 101]
    assert choose_steps(sizes, 5) == [1, 101]
    assert choose_steps({7: 10**9}, 5) == [7]
    assert len(choose_steps(sizes, 10**9)) == MOST_STEPS
    assert choose_steps({}, 50) == []


def test_a_run_of_long_answers_stays_below_five_megabytes(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    store = Store(run / "run.db")
    long = tuple(rollout("<&'\"é" * 10_000) for _ in range(2))
    own = group()
    wide = type(own)(own.problem, own.prompt_tokens, long, own.scores, own.advantages)
    for step in range(4, 8):
        store.write_step(1, step, seconds=1.0, metrics={}, groups=[wide] * 40)
    store.close()
    html = write_report(run).read_text()
    assert 0.5 * GROUPS_BYTES < len(html.encode()) < 5_000_000
    assert "more groups are left out" in html
    assert "characters more" in html
