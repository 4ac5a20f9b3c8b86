"""Tools from functions: the schema is what the signature and the docstring say, and calls are held to it."""

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import pytest

from cohort.errors import RecipeError
from cohort.rewards.json_schema import check_schema
from cohort.rollout.docstrings import read_docstring
from cohort.rollout.tool_schema import schema_of
from cohort.rollout.tools import BadArguments, arguments_for, methods_of, tool_of, tools_of


def weather(city: str, days: int = 1, unit: Literal["C", "F"] = "C") -> str:
    """Tell the weather of a city.

    It is a forecast, and often right.

    Args:
        city (str): where; a name,
            with its country
        days: how many, from 1

    Returns:
        a sentence
    """
    return f"{city} {days} {unit}"


def search(words: list[str], most: float | None = None) -> str:
    """Look for words.

    :param words: to look for
    :param float most: seconds,
        at most
    :returns: what was found
    """
    return " ".join(words) + str(most)


def test_the_schema_is_what_signature_and_docstring_say() -> None:
    tool = tool_of(weather)
    assert tool.description == "Tell the weather of a city.\n\nIt is a forecast, and often right."
    assert tool.parameters == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "where; a name, with its country"},
            "days": {"type": "integer", "default": 1, "description": "how many, from 1"},
            "unit": {"type": "string", "enum": ["C", "F"], "default": "C"},
        },
        "required": ["city"],
    }


def test_fields_of_rest_are_read_as_well() -> None:
    properties: Any = tool_of(search).parameters["properties"]
    assert properties["words"] == {
        "type": "array", "items": {"type": "string"}, "description": "to look for",
    }  # fmt: skip
    assert properties["most"] == {"type": ["number", "null"], "description": "seconds, at most"}


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (dict, {"type": "object"}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (dict[str, float], {"type": "object", "additionalProperties": {"type": "number"}}),
        (Optional[int], {"type": ["integer", "null"]}),  # noqa: UP045  # both ways of writing it
        (int | str, {"type": ["integer", "string"]}),
        (
            list[int] | None,
            {"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}]},
        ),
        (Literal["a", 1], {"enum": ["a", 1]}),
        (Annotated[int, "how many"], {"type": "integer", "description": "how many"}),
        (Any, {}),
    ],
)
def test_every_known_hint_has_a_schema_that_can_be_checked(hint: Any, schema: Any) -> None:
    assert schema_of(hint) == schema
    check_schema(schema)


def unannotated(x) -> str:  # type: ignore[no-untyped-def]
    """Do."""


def unknown(x: tuple[int, int]) -> str:
    """Do."""


def of_bytes(x: list[bytes]) -> str:
    """Do."""


def anything(*x: int) -> str:
    """Do."""


def silent(x: int) -> str:
    return ""


def mistold(x: int) -> str:
    """Do.

    Args:
        y: not there
    """


def misgiven(x: int = "one") -> str:  # type: ignore[assignment]
    """Do."""


def unresolved(x: "Nowhere") -> str:  # type: ignore[name-defined]
    """Do."""


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (unannotated, "the parameter x of the tool unannotated has no type hint"),
        (unknown, "the parameter x of the tool unknown has the type hint"),
        (of_bytes, "has the type hint bytes, which has no JSON schema"),
        (anything, "the parameter x of the tool anything cannot be given by name"),
        (silent, "the tool silent has no docstring"),
        (mistold, "describes y, which it does not take"),
        (misgiven, "has the default 'one', and has to be of type integer"),
        (unresolved, "the type hints of the tool unresolved cannot be read"),
        (lambda x: x, "a tool cannot be called '<lambda>'"),
    ],
)
def test_what_has_no_schema_is_refused_by_name(function: Callable[..., object], said: str) -> None:
    with pytest.raises(RecipeError, match=said.replace("|", r"\|")):
        tool_of(function)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "weather needs the argument city"),
        ({"city": 3}, "city of weather has to be of type string, and is 3"),
        ({"city": "x", "days": 1.5}, "days of weather has to be of type integer, and is 1.5"),
        ({"city": "x", "days": True}, "days of weather has to be of type integer, and is true"),
        ({"city": "x", "unit": "K"}, 'unit of weather has to be one of ["C", "F"], and is "K"'),
        ({"citty": "x"}, "weather takes no argument citty; did you mean city?"),
    ],
)
def test_wrong_arguments_are_a_sentence_for_the_policy(arguments: Any, said: str) -> None:
    with pytest.raises(BadArguments) as wrong:
        arguments_for(tool_of(weather), arguments)
    assert str(wrong.value) == said


def test_an_integer_of_json_is_one_of_python() -> None:
    days = arguments_for(tool_of(weather), {"city": "x", "days": 2.0})["days"]
    assert days == 2
    assert type(days) is int


class Door:
    """Has methods that a policy may call, and others."""

    def __init__(self) -> None:
        self.open = False

    def push(self, force: float) -> str:
        """Push the door."""
        self.open = force > 1
        return "open" if self.open else "shut"

    @staticmethod
    def look() -> str:
        """Look at it."""
        return "a door"

    @property
    def never_read(self) -> str:
        raise AssertionError

    def reset(self) -> None:
        """Begin."""

    def _lock(self) -> None: ...


def test_public_methods_are_tools_of_their_object() -> None:
    door = Door()
    look, push = methods_of(door, besides=("reset",))
    assert (look.name, push.name) == ("look", "push")
    assert push.call(force=2.0) == "open"
    assert door.open


def test_what_a_partial_function_has_already_is_no_argument() -> None:
    tool = tool_of(functools.partial(weather, unit="F"))
    assert list(tool.parameters["properties"]) == ["city", "days"]  # type: ignore[call-overload]
    assert tool.call(city="Rome") == "Rome 1 F"


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(RecipeError, match="two tools are called weather"):
        tools_of([weather, search, tool_of(search, "weather")])


def test_a_docstring_may_have_nothing_but_a_sentence() -> None:
    assert read_docstring("Do it: now.") == ("Do it: now.", {})
    assert read_docstring(None) == ("", {})
    assert read_docstring("Do.\n\nArgs:\n    x: a: b\n    y (int, optional): c\n")[1] == {
        "x": "a: b",
        "y": "c",
    }


def test_the_tool_of_the_page_is_a_tool() -> None:
    page = (Path(__file__).parents[2] / "docs" / "tools.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0], names)
    assert names["tool"].call(x=1) == 2
