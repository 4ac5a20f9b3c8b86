"""`--set stage.0.steps=50`: one option of a recipe replaced, before anything is validated.

The path is a TOML key, so a name with dots is quoted: `stage.0.rewards."mine.py:short"=0.5`. A
stage is named by its number or its name. The value is a TOML value; what is not one is text.
Nothing here knows which options exist: that is asked when the whole recipe is validated.
"""

from __future__ import annotations

import copy
import json
import re
import tomllib
from collections.abc import Sequence
from typing import Any

from cohort.config.lookup import nearest, numbered, shown
from cohort.config.toml import UnfitError, parse_toml
from cohort.errors import RecipeError, legible, listed

SHORT_FOR = {"model": "path", "problems": "source", "algorithm": "name"}
"""Tables that may be written as one value, and the key which that value then has."""

_PLACE = re.compile(r"^(line 1|value\S*) ")


def apply_overrides(data: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """A copy of a recipe's raw tables with the overrides applied in order."""
    result = copy.deepcopy(data)
    for text in overrides:
        _apply(result, text)
    return result


def parse_override(text: str) -> tuple[list[str], Any]:
    """`a.b=c` as a path and a value; raises RecipeError when it is not of that form."""
    key, equals, value = text.partition("=")
    try:
        text.encode()
        path = _parse_key(key.strip())
        if equals and path:
            return path, parse_value(value.strip())
    except UnfitError as error:
        reason = _PLACE.sub("", str(error))
        raise RecipeError(f"--set {legible(text)}: it {reason}", "give another value") from None
    except UnicodeEncodeError:
        raise RecipeError(f"--set {legible(text)} is not UTF-8", "write it as UTF-8") from None
    raise RecipeError(
        f"--set {legible(text)} is not of the form option=value",
        "write for example --set stage.0.steps=50",
    )


def parse_value(text: str) -> Any:
    """A TOML value (`50`, `1e-4`, `true`, `[3, 4]`, `{ a = 1 }`), or the text itself."""
    try:
        parsed = parse_toml(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return parsed["value"] if len(parsed) == 1 else text


def _parse_key(key: str) -> list[str]:
    """The parts of a dotted TOML key; empty when it is not a key."""
    try:
        node: Any = parse_toml(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        return []
    path = []
    while isinstance(node, dict):
        if len(node) != 1:
            return []
        [(part, node)] = node.items()
        path.append(part)
    return path


def _apply(data: dict[str, Any], text: str) -> None:
    path, value = parse_override(text)
    if path[0] != "stage":
        return _place(data, path, value, done=[])
    if len(path) < 3:
        raise RecipeError(
            f"--set {legible(text)} names no option of a stage",
            "write for example --set stage.0.steps=50",
        )
    return _place(_stage(data, path[1]), path[2:], value, done=path[:2])


def _stage(data: dict[str, Any], name: str) -> dict[str, Any]:
    """The raw table of a stage, by its number or its name."""
    stages = data.get("stage")
    tables = [s for s in stages if isinstance(s, dict)] if isinstance(stages, list) else []
    names = _names(tables)
    if name.isdecimal() and len(name) < 10 and int(name) < len(tables):
        return tables[int(name)]
    if name in names:
        return tables[names.index(name)]
    near = nearest(name, names)
    raise RecipeError(
        f"--set names the stage {legible(name)}, and the recipe has: "
        + (listed(f"{i} ({stage})" for i, stage in enumerate(names)) or "no stages"),
        f"did you mean stage.{near}?" if near else "stages are numbered from 0",
    )


def _names(stages: Sequence[dict[str, Any]]) -> list[str]:
    """The names of raw stages, numbered as `Recipe.stage_names` numbers them."""
    return numbered(str(stage.get("name") or stage.get("kind", "")) for stage in stages)


def _place(table: dict[str, Any], path: list[str], value: Any, *, done: list[str]) -> None:
    """Set the value at a path below a table; tables that are missing on the way are made."""
    for depth, part in enumerate(path[:-1]):
        below = table.get(part, {})
        if not isinstance(below, dict):
            parent = path[depth - 1] if depth else ""
            below = {_short_key(part, parent, below, [*done, *path[: depth + 1]]): below}
        table[part] = below
        table = below
    table[path[-1]] = value


def _short_key(part: str, parent: str, value: Any, path: list[str]) -> str:
    """The key that a table's short form stands for; raises when the option is no table at all."""
    key = "weight" if parent == "rewards" else SHORT_FOR.get(part)
    if key is None or isinstance(value, list):
        place, seen = shown(path), legible(json.dumps(value, default=str, ensure_ascii=False))
        raise RecipeError(
            f"{place} is {seen}, not a table: nothing can be set in it",
            f"set the whole value: --set {place}=...",
        )
    return key
