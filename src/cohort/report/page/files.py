"""The files of the page: as a server hands them out, and joined into one script for a report.

A module is joined by becoming a function that returns what it exports; `import` lines become look-ups of
those. The modules are ours, so their imports have one form: `import {a, b} from "./x.js";`.
"""

from __future__ import annotations

import re
from importlib import resources

TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
}
FIRST = "app.js"

_IMPORT = re.compile(r'^import \{([^}]+)\} from "\./(\w+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?:async )?(?:function|class|const) (\w+)", re.MULTILINE)


def files() -> dict[str, tuple[str, str]]:
    """Every file of the page by its name, with its type."""
    found = {}
    for path in resources.files("cohort.report.page").iterdir():
        kind = path.name.rpartition(".")[2]
        if kind in TYPES:
            found[path.name] = path.read_text(encoding="utf-8"), TYPES[kind]
    return found


def bundle(own: dict[str, tuple[str, str]]) -> str:
    """All modules as one script, each after those that it imports."""
    order: list[str] = []
    _visit(FIRST, own, order)
    parts = [_joined(name.removesuffix(".js"), own[name][0]) for name in order]
    return '"use strict";\n' + "\n".join(parts)


def _visit(name: str, own: dict[str, tuple[str, str]], order: list[str]) -> None:
    for _, needed in _IMPORT.findall(own[name][0]):
        if f"{needed}.js" not in order:
            _visit(f"{needed}.js", own, order)
    order.append(name)


def _joined(name: str, source: str) -> str:
    """One module as a constant that holds what it exports."""
    names = _EXPORT.findall(source)
    body = _IMPORT.sub(r"const {\1} = of_\2;", source)
    body = re.sub(r"^export ", "", body, flags=re.MULTILINE)
    return f"const of_{name} = (() => {{\n{body}\nreturn {{{', '.join(names)}}};\n}})();"
