"""`report.html`: the page and what it shows of one run, in one file, to be opened from disk or mailed.

It refuses the network: a policy in the file admits the script and the style that are written here and nothing
else. What it holds are answers of `views/answers.py`, compressed; as many groups as fit, of the first and the
last step, of those that a health sentence names, and of evenly spaced ones. It can be written at any moment
of a run, also of one that was killed.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, cast

from cohort.report import read
from cohort.report.page.files import bundle, files
from cohort.report.text import one_line
from cohort.report.views.answers import answer
from cohort.report.views.curves import stages

MOST_BYTES = 4_800_000
"""What the whole file may take."""

MOST_STEPS = 40
"""Steps whose groups are kept at most; more would not be read."""

Entry = tuple[int, str, Mapping[str, object], Mapping[str, object]]
"""A run's number, a question, its parameters, the answer."""


def write_report(run: Path) -> Path:
    """Write `report.html` into the run's folder and return its path.

    Written aside and renamed, so that a reader never sees half of it. Raises RunError where there
    is no run.
    """
    with read.opened(run) as db:
        page = _page(run, _Kept(db, run).entries())
    path = run / "report.html"
    aside = path.with_name(f"report.html.{os.getpid()}.part")
    aside.write_text(page, encoding="utf-8")
    os.replace(aside, path)
    return path


def _page(run: Path, entries: Sequence[Entry]) -> str:
    own = files()
    style, script = own["page.css"][0], bundle(own)
    policy = (
        f"default-src 'none'; style-src 'sha256-{_digest(style)}'; "
        f"script-src 'sha256-{_digest(script)}'; base-uri 'none'; form-action 'none'"
    )
    name = one_line(run.resolve().name)
    told = json.dumps({"runs": [name], "answers": entries}, allow_nan=False, ensure_ascii=False)
    kept = base64.b64encode(gzip.compress(told.encode(), 6, mtime=0)).decode()
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(name)} \u2013 Cohort</title><style>{style}</style></head><body>"
        '<header id="top"></header><main><noscript>This page draws what it shows with its own '
        "script; without one, ask <code>cohort show</code>.</noscript></main>"
        f'<script id="kept" type="application/x-cohort">{kept}</script>'
        f"<script>{script}</script></body></html>\n"
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


class _Kept:
    """Chooses what a file holds of a run, within MOST_BYTES."""

    def __init__(self, db: sqlite3.Connection, run: Path) -> None:
        self._db, self._run = db, run
        # Base64 makes four bytes of three; the page itself takes some 80 kB.
        self._left = (MOST_BYTES - 120_000) * 3 // 4
        self._kept: list[Entry] = []

    def entries(self) -> list[Entry]:
        """Every answer that the file holds."""
        whole = self._add("run", {})
        assert whole is not None
        for row in stages(self._db):
            self._stage(row, whole)
        told = self._add("health", {})
        found = self._list(told["findings"]) if told else []
        named = [finding["step"] for finding in found if finding["step"] is not None]
        with_groups = [cast(int, row["stage"]) for row in stages(self._db) if row["groups"]]
        share = self._left // max(1, len(with_groups))
        for stage in with_groups:
            self._groups(stage, named, share)
        self._history()
        return self._kept

    def _stage(self, row: Mapping[str, Any], whole: Mapping[str, object]) -> None:
        told = next(s for s in self._list(whole["stages"]) if s["stage"] == row["stage"])
        for metric in told["metrics"]:
            self._add("curve", {"stage": row["stage"], "metric": metric["name"]})
        if told["metrics"]:
            self._add("machine", {"stage": row["stage"]})

    def _groups(self, stage: int, named: Sequence[int], share: int) -> None:
        """The groups of as many steps as fit into a share of what is left."""
        rows = self._db.execute("SELECT DISTINCT step FROM groups WHERE stage = ?", (stage,))
        after = self._left - share
        for step in chosen([row["step"] for row in rows], named):
            told = self._add("groups", {"stage": stage, "step": step})
            for row in self._list(told["groups"]) if told else ():
                if self._left <= after:
                    return
                if self._add("group", {"id": row["id"]}):
                    self._add("tokens", {"id": row["id"]})

    def _history(self) -> None:
        """Where each kept problem was asked, among the groups that are kept."""
        groups = [answer for _, question, _, answer in self._kept if question == "group"]
        ids = {group["id"] for group in groups}
        for problem in dict.fromkeys(str(group["problem_id"]) for group in groups):
            told = dict(answer(self._db, self._run, "history", {"problem": problem}))
            told["places"] = [p for p in self._list(told["places"]) if p["id"] in ids]
            self._keep("history", {"problem": problem}, told)

    def _add(self, question: str, given: Mapping[str, object]) -> Mapping[str, object] | None:
        """Ask, and keep the answer where it fits; None where it does not."""
        asked = {name: str(value) for name, value in given.items()}
        found = answer(self._db, self._run, question, asked)
        return found if self._keep(question, given, found) else None

    def _keep(
        self, question: str, given: Mapping[str, object], found: Mapping[str, object]
    ) -> bool:
        entry = (0, question, given, found)
        cost = len(zlib.compress(json.dumps(entry, ensure_ascii=False).encode(), 1))
        if cost > self._left:
            return False
        self._left -= cost
        self._kept.append(entry)
        return True

    @staticmethod
    def _list(value: object) -> list[Any]:
        assert isinstance(value, list), value
        return value


def chosen(steps: Sequence[int], named: Sequence[int]) -> Iterator[int]:
    """The steps to keep, the most wanted first: the last, the first, those named, then evenly spaced
    ones, ever closer; MOST_STEPS at most."""
    order = sorted(steps)
    if not order:
        return
    wanted = dict.fromkeys([order[-1], order[0], *(s for s in named if s in set(order))])
    parts = 2
    while len(wanted) < min(MOST_STEPS, len(order)) and parts <= 2 * len(order):
        for i in range(1, parts):
            wanted.setdefault(order[round(i * (len(order) - 1) / parts)])
        parts *= 2
    yield from list(wanted)[:MOST_STEPS]
