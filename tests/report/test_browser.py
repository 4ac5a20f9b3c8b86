"""The page in a real browser: from a curve to a group to a token and back, live, by keys, from a file.

Driven is a Chromium of the system (`chromium`, or the one that COHORT_BROWSER names). A test fails where the
console has an error, whatever else it finds.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cohort.data.store import Store
from cohort.report.html import write_report
from tests.report.hostile_text import GROUP, STRINGS, write_hostile_run
from tests.report.runs import group, priced_group, write_run

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("uvicorn", reason="the extra `watch` is not installed: there is no uvicorn")

from cohort.report.watch.server import watch  # noqa: E402

BROWSER = (
    os.environ.get("COHORT_BROWSER") or shutil.which("chromium") or shutil.which("google-chrome")
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="there is no chromium on this machine"),
]

READY = "body[data-ready]"
WINDOW = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        # Root, as in a container, cannot have Chromium's own sandbox; the pages are ours.
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        own = playwright.chromium.launch(executable_path=BROWSER, args=flags)
        yield own
        own.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "one", steps=6)
    (folder / "one" / "recipe.toml").write_text("seed = 1\nsteps = 6\n")
    write_run(folder / "two", steps=3, finished=False)
    (folder / "two" / "recipe.toml").write_text("seed = 2\nsteps = 6\n")
    return folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    yield from serving([folder / "one", folder / "two"])


def serving(runs: list[Path]) -> Iterator[str]:
    watched = watch(runs)
    thread = threading.Thread(target=watched.serve)
    thread.start()
    yield watched.address
    watched.end()
    thread.join(20)


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    yield from opened(browser)


def opened(browser: Any, **options: Any) -> Iterator[Any]:
    context = browser.new_context(**{"viewport": WINDOW, **options})
    own, wrong = context.new_page(), []
    own.set_default_timeout(20_000)
    own.on(
        "console",
        lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None,
    )
    own.on("pageerror", lambda error: wrong.append(str(error)))
    own.on("dialog", lambda dialog: wrong.append(f"a dialog: {dialog.message}") or dialog.dismiss())
    yield own
    context.close()
    assert wrong == []


def until(page: Any, expression: str) -> None:
    """Wait for a condition; Playwright's own way evaluates text in the page, which the policy forbids."""
    ends = time.monotonic() + 40
    while not page.evaluate(expression):
        assert time.monotonic() < ends, expression
        page.wait_for_timeout(50)


def show(page: Any, address: str, place: str = "") -> None:
    page.goto(address)
    page.wait_for_selector(READY)
    if place:
        page.evaluate("place => { location.hash = place; }", place)


def test_from_a_curve_to_a_group_to_a_token_and_back(page: Any, address: str) -> None:
    show(page, address)
    page.locator("figure[data-metric='reward'] svg").click()
    page.wait_for_selector("table.groups tbody tr >> nth=2")
    page.get_by_role("link", name="chain-1").click()
    page.locator("article.answer").first.wait_for()
    assert page.locator("article.answer").count() == 3
    page.locator("[data-token='0.1']").click()
    page.wait_for_selector("[data-token='0.1'].chosen")
    assert "log-probability \u22120.5" in page.locator(".inspector").inner_text()
    assert "advantage +0.50" in page.locator(".inspector").inner_text()
    page.go_back()
    page.wait_for_selector(".answers [data-token='0.1']:not(.chosen)")
    page.go_back()
    page.wait_for_selector("table.groups")
    page.go_back()
    page.wait_for_selector("figure[data-metric='reward'] svg")


def test_answers_stand_side_by_side_by_advantage(page: Any, address: str) -> None:
    show(page, address, "#/group?run=0&id=1")
    cards = page.locator("article.answer")
    cards.first.wait_for()
    assert [cards.nth(i).get_attribute("data-answer") for i in range(3)] == ["0", "2", "1"]
    boxes = [cards.nth(i).bounding_box() for i in range(3)]
    assert len({round(box["y"]) for box in boxes}) == 1
    assert "unscorable" in cards.nth(1).inner_text()


def test_the_best_is_compared_with_the_worst(page: Any, address: str) -> None:
    show(page, address, "#/group?run=0&id=1")
    page.get_by_role("button", name="best against worst").click()
    page.wait_for_selector(".answers.two")
    assert page.locator("ins").all_inner_texts() == ["0"]
    assert page.locator("del").all_inner_texts() == ["1"]


def test_every_colour_of_tokens_has_a_legend_and_a_class(page: Any, address: str) -> None:
    show(page, address, "#/group?run=0&id=1")
    for name, kind in (
        ("log-probability", "lp-3"),
        ("advantage", "ad-4"),
        ("taught or dropped", "clipped"),
        ("ratio", "ad-4"),
        ("entropy", "lp-6"),
    ):
        page.get_by_role("button", name=name, exact=True).click()
        page.wait_for_selector(f".tokens .{kind}")
        assert page.locator(f".legend .{kind}").count() == 1


def test_a_clipped_token_says_its_ratio_and_one_that_was_in_no_update_has_none(
    page: Any, address: str
) -> None:
    show(page, address, "#/group?run=0&id=1")
    page.locator("[data-token='0.0']").click()
    page.wait_for_selector("[data-token='0.0'].chosen")
    assert "ratio 1.5" in page.locator(".inspector").inner_text()
    assert "clipped" in page.locator(".inspector").inner_text()
    page.locator("[data-token='2.0']").click()
    page.wait_for_selector("[data-token='2.0'].chosen")
    assert "ratio" not in page.locator(".inspector").inner_text()


def test_costs_stand_against_success_and_the_front_is_what_nothing_beats(
    page: Any, tmp_path: Path
) -> None:
    run = write_run(tmp_path / "priced", steps=2, finished=False)
    store = Store(run / "run.db")
    points = {"cheap": (0.1, 0.5), "dear": (0.9, 1.0), "beaten": (0.5, 0.25), "free": (0.0, 0.0)}
    groups = [priced_group(name, *own) for name, own in points.items()]
    store.write_step(1, 3, seconds=1.0, metrics={"reward": 0.5}, groups=groups)
    store.close()
    for address in serving([run]):
        show(page, address, "#/groups?run=0&stage=1&step=3")
        page.wait_for_selector(".pareto circle >> nth=3")
        titles = page.locator(".pareto circle.front title").all_text_contents()
        assert sorted(one.partition(":")[0] for one in titles) == ["cheap", "dear", "free"]
        assert "cost 0.9, success 100.0 %, latency 2" in " ".join(titles)
        page.locator(".pareto circle:not(.front)").focus()
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="beaten").wait_for()
        assert "cost 0.5" in page.locator("article.answer").first.inner_text()


def test_the_machine_view_draws_speed_and_memory_after_the_rest(page: Any, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", steps=2, finished=False)
    store = Store(run / "run.db")
    store.write_step(1, 3, seconds=1.0, metrics={"reward": 0.5, "memory/process": 250e6})
    store.close()
    for address in serving([run]):
        show(page, address, "#/machine?run=0&stage=1")
        page.wait_for_selector("figure[data-curve='step/seconds'] svg")
        page.wait_for_selector("figure[data-curve='memory/process'] svg")
        assert page.locator("figure[data-curve='memory/process'] output").inner_text() == "250"


def test_the_same_problem_is_a_key_away_at_other_steps(page: Any, address: str) -> None:
    show(page, address, "#/group?run=0&id=1")
    page.wait_for_selector(".past-links a")
    page.keyboard.press("]")
    page.get_by_text("learn · step 2").wait_for()
    page.keyboard.press("[")
    page.get_by_text("learn · step 1").wait_for()


def test_rows_are_sorted_and_filtered(page: Any, address: str) -> None:
    show(page, address, "#/groups?run=0&stage=1&step=2")
    problems = page.locator("table.groups .row-link")
    problems.first.wait_for()
    page.get_by_role("button", name="problem").click()
    assert problems.all_inner_texts() == ["<i>id", "chain-1", "chain-2"]
    page.get_by_role("button", name="problem").click()
    assert problems.all_inner_texts() == ["chain-2", "chain-1", "<i>id"]
    page.get_by_label("Only rows with this text").fill("chain-2")
    assert problems.all_inner_texts() == ["chain-2"]


def test_a_search_finds_answers_in_all_steps(page: Any, address: str) -> None:
    show(page, address)
    page.keyboard.press("/")
    page.keyboard.type("answer 2")
    page.keyboard.press("Enter")
    page.get_by_text("6 groups, everything was looked at").wait_for()
    page.locator(".row-link").first.click()
    page.locator("article.answer").first.wait_for()


def test_two_runs_are_drawn_over_each_other(page: Any, address: str) -> None:
    show(page, address)
    chart = page.locator("figure[data-metric='reward'] svg")
    assert chart.locator("path.line").count() == 2
    page.get_by_role("button", name="shown").click()
    until(
        page, "document.querySelectorAll(\"figure[data-metric='reward'] path.line\").length === 1"
    )
    page.keyboard.press("r")
    until(page, "document.title.startsWith('two')")
    page.keyboard.press("5")
    page.get_by_role("heading", name="What one does differently").wait_for()
    assert page.locator(".differences tbody tr").all_inner_texts() == ["seed\t2\t1"]


def test_a_run_that_goes_on_is_drawn_as_it_goes(page: Any, tmp_path: Path) -> None:
    run = write_run(tmp_path / "live", steps=2, finished=False)
    for address in serving([run]):
        show(page, address)
        page.get_by_text("2 of 3 steps").wait_for()
        store = Store(run / "run.db")
        store.write_step(1, 3, seconds=1.0, metrics={"reward": 0.875}, groups=[group("new")])
        store.set_fact("status", "finished")
        store.close()
        page.get_by_text("3 of 3 steps").wait_for()
        assert page.locator("figure[data-metric='reward'] output").inner_text().startswith("0.875")
        page.get_by_text("finished").wait_for()


def test_everything_can_be_reached_by_keys(page: Any, address: str) -> None:
    show(page, address)
    for key, view in zip("12345", ("curves", "groups", "health", "machine", "recipe"), strict=True):
        page.keyboard.press(key)
        page.wait_for_selector(f"main[data-view='{view}']")
    page.keyboard.press("2")
    page.wait_for_selector(".row-link")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector("main[data-view='group'] .tokens")
    page.keyboard.press("c")
    page.wait_for_selector(".tokens [class*='ad-']")
    page.keyboard.press("d")
    page.wait_for_selector(".answers.two")
    page.keyboard.press("u")
    page.wait_for_selector("main[data-view='groups']")
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open]")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")


def test_a_curve_is_read_and_opened_by_keys(page: Any, address: str) -> None:
    show(page, address)
    chart = page.locator("figure[data-metric='reward'] svg")
    chart.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert page.locator("figure[data-metric='reward'] output").inner_text().startswith("step 2")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('.stepper input')?.value === '2'")


VIEWS = (
    "#/curves?run=0",
    "#/groups?run=0",
    "#/group?run=0&id=1",
    "#/health?run=0",
    "#/machine?run=0",
    "#/recipe?run=0",
)


def test_nothing_sticks_out_of_a_narrow_window(browser: Any, address: str) -> None:
    for page in opened(browser, viewport={"width": 390, "height": 800}):
        show(page, address)
        for view in VIEWS:
            page.evaluate("place => { location.hash = place; }", view)
            page.wait_for_selector(f"main[data-view='{view[2:].partition('?')[0]}'] > div")
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= 390, (view, wide)


def test_it_is_dark_where_the_system_is(browser: Any, address: str) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        for page in opened(browser, color_scheme=scheme):
            show(page, address)
            grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(251, 250, 247)", "rgb(23, 24, 26)"]


def test_a_wrong_token_says_what_to_do(browser: Any, address: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(address.partition("#")[0] + "#token=wrong")
    page.get_by_role("alert").wait_for()
    assert "Open the address that" in page.get_by_role("alert").inner_text()
    context.close()


def test_the_report_opens_from_disk_without_a_network_and_is_whole(
    browser: Any, folder: Path
) -> None:
    report = write_report(folder / "one")
    for page in opened(browser, offline=True):
        asked: list[str] = []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        show(page, report.as_uri())
        for view in VIEWS:
            page.evaluate("place => { location.hash = place; }", view)
            page.wait_for_selector(f"main[data-view='{view[2:].partition('?')[0]}'] > div")
            assert page.locator("main [role='alert']").count() == 0
        page.evaluate("location.hash = '#/search?run=0&text=answer 2'")
        page.get_by_text("6 groups, everything was looked at").wait_for()
        page.locator(".row-link").first.click()
        page.wait_for_selector(".tokens")
        assert asked == [report.as_uri()]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hostile_run(tmp_path_factory.mktemp("h") / STRINGS[10].replace("/", "\u2215"))


def test_of_250_strings_none_executes(browser: Any, hostile: Path) -> None:
    assert len(set(STRINGS)) == 250
    for address in serving([hostile]):
        for page in opened(browser):
            show(page, address)
            look_everywhere(page)


def test_of_250_strings_none_executes_in_a_report(browser: Any, hostile: Path) -> None:
    report = write_report(hostile)
    for page in opened(browser):
        show(page, report.as_uri())
        look_everywhere(page)


def look_everywhere(page: Any) -> None:
    """All curves, rows, groups, findings, events and the recipe; and that nothing became more than text."""
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    until(page, f"document.querySelectorAll('figure[data-metric] svg').length >= {len(STRINGS)}")
    none_executed(page)
    count = len(STRINGS) // GROUP
    for view in (
        "#/groups?run=0",
        "#/health?run=0",
        "#/machine?run=0",
        "#/recipe?run=0",
        f"#/search?text={STRINGS[0][:7]}",
    ):
        page.evaluate("place => { location.hash = place; }", view)
        page.wait_for_selector(f"main[data-view='{view[2:].partition('?')[0]}'] > div")
        none_executed(page)
    for number in range(1, count + 1):
        page.evaluate("place => { location.hash = place; }", f"#/group?run=0&id={number}")
        until(
            page,
            f"document.querySelector('.heading .up-link') && location.hash.endsWith('id={number}')",
        )
    for _ in range(9):  # colours, of which one is none
        page.keyboard.press("c")
        page.wait_for_timeout(100)
        none_executed(page)
        if page.locator(".turns").count():
            break
    page.wait_for_selector(".turns")


FOREIGN = (
    "main :is(script, img, iframe, object, embed, video, form, base, meta, link, style, marquee, math, "
    "template)"
)


def none_executed(page: Any) -> None:
    assert page.evaluate("window.done") is None
    assert page.locator(FOREIGN).count() == 0
    assert page.evaluate(
        "[...document.querySelectorAll('*')].every("
        "e => [...e.attributes].every(a => !a.name.startsWith('on')))"
    )
    assert page.locator("#bait").count() == 0
