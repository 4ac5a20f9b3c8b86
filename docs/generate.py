"""Write docs/cli.md, docs/recipe.md, docs/algorithms.md and a table of the README, or compare.

Nothing is described twice: the text of an option is its help in the command line, or the docstring
under its field. Run from anywhere: `python docs/generate.py [--check]`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, get_args, get_origin

from algorithms_page import algorithms_page, family_table
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typer.main import get_command

from cohort.cli.main import app
from cohort.config.base import Table
from cohort.config.lookup import kind_of, tables_in
from cohort.config.recipe import Recipe
from cohort.config.stages import MOST

FOLDER = Path(__file__).parent
NOTE = "<!-- Written by docs/generate.py; change the source and run `make docs`. -->\n\n"
MARKS = ("<!-- algorithms: written by docs/generate.py -->", "<!-- end of algorithms -->")
TYPES = {int: "whole number", float: "number", str: "text", bool: "true or false", Any: "anything"}
OPENING = """A recipe is a TOML file. `cohort recipes` lists the ones that come with Cohort,
`cohort recipes copy NAME` copies one to change it, `cohort train RECIPE --dry-run` prints it with
every default, and `--set stage.0.steps=50` replaces an option for one run. A number is at most a
thousand million where nothing else is said."""
LIMITS = {"ge": "at least {}", "gt": "more than {}", "le": "at most {}"}


def cli_page() -> str:
    """The command line reference: one section per command."""
    group: Any = get_command(app)
    sections = [f"# The command line\n\n{group.help}\n\n" + _parameters(group)]
    for name, command in group.commands.items():
        usage = " ".join([f"cohort {name}", *(_usage(parameter) for parameter in command.params)])
        sections.append(f"## {name}\n\n    {usage}\n\n{command.help}\n\n" + _parameters(command))
    return NOTE + "\n".join(sections)


def recipe_page() -> str:
    """The recipe reference: one section per table, in the order in which a recipe needs them."""
    tables: list[type[Table]] = [Recipe]
    for table in tables:
        below = [t for field in table.model_fields.values() for t in tables_in(field.annotation)]
        tables.extend(dict.fromkeys(t for t in below if t not in tables))
    return NOTE + f"# Recipes\n\n{OPENING}\n\n" + "\n".join(_section(table) for table in tables)


def readme() -> str:
    """The README with the table of algorithms between its two marks."""
    text = (FOLDER / "../README.md").read_text(encoding="utf-8")
    head, _, rest = text.partition(MARKS[0])
    _, _, tail = rest.partition(MARKS[1])
    return head + MARKS[0] + "\n" + family_table("docs/algorithms.md") + MARKS[1] + tail


def _usage(parameter: Any) -> str:
    name = max(parameter.opts, key=len)
    if parameter.param_type_name == "argument":
        return name.upper() if parameter.required else f"[{name.upper()}]"
    return name if parameter.required else f"[{name}]"


def _parameters(command: Any) -> str:
    rows = []
    for parameter in command.params:
        names = parameter.opts
        if parameter.param_type_name == "argument":
            names = [parameter.opts[0].upper()]
        text = parameter.help or ""
        if parameter.default not in (None, False):
            text += f" Default: {parameter.default}."
        rows.append([", ".join(f"`{name}`" for name in names), text])
    return _table(["option", "meaning"], rows)


def _section(table: type[Table]) -> str:
    kind = kind_of(table)
    title = f'`[[stage]]` with `kind = "{kind}"`' if kind else table.__name__
    rows = [
        [f"`{name}`", _type(field), _default(field), _prose(field.description or "")]
        for name, field in table.model_fields.items()
        if name != "kind"
    ]
    text = _prose(table.__doc__ or "")
    return f"## {title}\n\n{text}\n\n" + _table(["option", "value", "default", "meaning"], rows)


def _type(field: FieldInfo) -> str:
    name = _type_name(field.annotation)
    limits = [
        text.format(f"{getattr(limit, key):g}")
        for limit in field.metadata
        for key, text in LIMITS.items()
        if hasattr(limit, key) and abs(getattr(limit, key)) != MOST
    ]
    return ", ".join([name, *limits])


def _type_name(annotation: Any) -> str:
    if annotation in TYPES:
        return TYPES[annotation]
    tables = tables_in(annotation)
    if get_origin(annotation) is list:
        return (
            f"list of {tables[0].__name__}" if len(tables) == 1 else "stages" if tables else "list"
        )
    if get_origin(annotation) is dict:
        return f"table of {tables[0].__name__}" if tables else "table"
    if tables:
        return tables[0].__name__
    return " or ".join(f"`{choice}`" for choice in get_args(annotation))


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, Table):
        given = value.model_dump(exclude_defaults=True)
        changed = (f"`{key} = {json.dumps(item)}`" for key, item in given.items())
        return ", ".join(changed) or "its defaults"
    return "" if value in (None, "", {}) else f"`{json.dumps(value)}`"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _prose(text: str) -> str:
    return " ".join(text.split())


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` say which of them are stale; returns the exit code."""
    pages = {
        "cli.md": cli_page(),
        "recipe.md": recipe_page(),
        "algorithms.md": NOTE + algorithms_page(),
        "../README.md": readme(),
    }
    stale = [
        name
        for name, text in pages.items()
        if not (FOLDER / name).is_file() or (FOLDER / name).read_text(encoding="utf-8") != text
    ]
    if "--check" in arguments:
        for name in stale:
            print(f"docs/{name} is stale: run `make docs`", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        (FOLDER / name).write_text(pages[name], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
