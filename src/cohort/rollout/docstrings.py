"""What a docstring says of a function and of each of its parameters.

Read are Google's sections (`Args:`) and reST's fields (`:param x:`). The description is what stands
before the first of them.
"""

from __future__ import annotations

import inspect
import re

SECTION = re.compile(
    r"(args|arguments|parameters|params|returns?|yields?|raises|examples?|notes?):$", re.IGNORECASE
)
OF_PARAMETERS = ("args:", "arguments:", "parameters:", "params:")
ENTRY = re.compile(r"\*{0,2}(\w+)\s*(?:\([^()]{0,200}\))?\s*:\s*(.*)")
FIELD = re.compile(
    r":(?:(?:param|parameter|arg|argument)\s+(?:\S+\s+)?(\w+)|\w+(?:\s+\S+)*)\s*:(.*)"
)


def read_docstring(text: str | None) -> tuple[str, dict[str, str]]:
    """The description, and what is said of each parameter by name."""
    lines = inspect.cleandoc(text or "").splitlines()
    begins = [n for n, line in enumerate(lines) if SECTION.match(line) or FIELD.match(line)]
    first = begins[0] if begins else len(lines)
    told: dict[str, list[str]] = {}
    for line in _of_fields(lines[first:]), _of_sections(lines[first:]):
        told |= line
    said = {name: " ".join(" ".join(words).split()) for name, words in told.items()}
    return "\n".join(lines[:first]).strip(), said


def _of_sections(lines: list[str]) -> dict[str, list[str]]:
    """The entries of `Args:`; what is indented further than an entry goes on with it."""
    told: dict[str, list[str]] = {}
    inside, depth, name = False, 0, ""
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if line.strip() and not indent:
            inside, depth, name = line.lower() in OF_PARAMETERS, 0, ""
        elif inside and line.strip():
            entry = ENTRY.match(line.strip())
            depth = depth or indent
            if entry and indent <= depth:
                name = entry[1]
                told[name] = [entry[2]]
            elif name:
                told[name].append(line)
    return told


def _of_fields(lines: list[str]) -> dict[str, list[str]]:
    """The fields `:param x:`; indented lines go on with the last of them."""
    told: dict[str, list[str]] = {}
    name = ""
    for line in lines:
        field = FIELD.match(line)
        if field:
            name = field[1] or ""
            if name:
                told[name] = [field[2]]
        elif line[:1].isspace() and name:
            told[name].append(line)
        elif line.strip():
            name = ""
    return told
