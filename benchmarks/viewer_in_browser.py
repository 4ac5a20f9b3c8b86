"""The page over a long run in a real browser: how long a person waits for it, and for each click.

    python benchmarks/viewer_in_browser.py [--folder FOLDER] [--times 5]

Writes the run of `viewer.py` where the folder does not hold it, serves it with `cohort watch` and opens it in
Chromium: the time from asking for the address to the first curve, and from a click to what it leads to.
Printed are the median and the slowest of so many times, and the memory of the server. Exits with 1 where the
median of a first painting is above 2 s, that of a click above 0.3 s, or the memory above 300 MB.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright
from viewer import LIMITS, write_long_run

BROWSER = os.environ.get("COHORT_BROWSER") or shutil.which("chromium")
WATCH = "import sys; sys.argv = ['cohort', 'watch', {!r}]\nfrom cohort.cli.main import run; run()"
CURVE = "figure[data-metric='reward'] svg"
PAINT = "first painting"


def measure(address: str, times: int) -> dict[str, list[float]]:
    """Seconds by what was done, as often as it was done."""
    found: dict[str, list[float]] = {}
    with sync_playwright() as playwright:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=BROWSER, args=flags)
        for _ in range(times):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            _walk(page, address, found)
            page.close()
        browser.close()
    return found


def _walk(page: Any, address: str, found: dict[str, list[float]]) -> None:
    """From the first painting through the views, as a person goes."""

    def timed(name: str, act: Callable[[], object], awaited: str) -> None:
        began = time.perf_counter()
        act()
        page.wait_for_selector(awaited)
        found.setdefault(name, []).append(time.perf_counter() - began)

    def key(which: str) -> Callable[[], object]:
        return lambda: page.keyboard.press(which)

    timed(PAINT, lambda: page.goto(address), CURVE)
    timed("the tab of health", key("3"), "main[data-view='health'] > div")
    timed("the tab of the machine", key("4"), "main[data-view='machine'] .bars svg")
    timed("the tab of curves", key("1"), CURVE)
    timed("from a curve to groups", page.locator(CURVE).click, "table.groups tbody tr")
    timed("from groups to a group", page.locator(".row-link").first.click, ".tokens")
    timed("a token", page.locator("[data-token]").first.click, "[data-token].chosen")
    timed("another colour", key("c"), ".tokens [class*='ad-']")
    page.wait_for_selector(".past-links a")
    timed("back to the groups", key("u"), "table.groups tbody tr")
    timed("the step before", key("["), "table.groups tbody tr")


def main() -> int:
    """Write the run where it is not there, serve it, walk through it, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--times", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as aside:
        folder = given.folder or Path(aside) / "long"
        if not (folder / "run.db").is_file():
            write_long_run(folder, steps=10_000, rollouts=1_000_000)
        command = [sys.executable, "-c", WATCH.format(str(folder))]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            found = measure(server.stdout.readline().strip(), given.times)
            told = Path(f"/proc/{server.pid}/status").read_text()
            server.terminate()
    memory = int(told.split("VmHWM:")[1].split()[0]) / 1024
    return _judge(found, memory)


def _judge(found: dict[str, list[float]], memory: float) -> int:
    print(" median  slowest")
    for name, seconds in found.items():
        print(f"{1000 * statistics.median(seconds):4.0f} ms  {1000 * max(seconds):4.0f} ms  {name}")
    middle = {name: statistics.median(seconds) for name, seconds in found.items()}
    paint, click = middle.pop(PAINT), max(middle.values())
    print(f"first painting {paint:.2f} s (at most {LIMITS['paint']}), ", end="")
    print(f"slowest click {click:.2f} s (at most {LIMITS['click']}), ", end="")
    print(f"memory of the server {memory:.0f} MB (at most {LIMITS['memory']:.0f})")
    good = paint < LIMITS["paint"] and click < LIMITS["click"] and memory < LIMITS["memory"]
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
