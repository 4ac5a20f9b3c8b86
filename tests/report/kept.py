"""What a report holds: its answers, unpacked as the page does it."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

KEPT = re.compile(r'<script id="kept" type="application/x-cohort">([\w+/=]*)</script>')


def kept(path: Path) -> list[tuple[str, dict[str, Any], Any]]:
    """Each question, its parameters and its answer, in the order in which they were chosen."""
    found = KEPT.search(path.read_text(encoding="utf-8"))
    assert found is not None, "the file holds no answers"
    told = json.loads(gzip.decompress(base64.b64decode(found.group(1))))
    return [(question, given, answer) for _, question, given, answer in told["answers"]]


def answers(path: Path, question: str) -> list[Any]:
    """The answers to one question."""
    return [answer for asked, _, answer in kept(path) if asked == question]
