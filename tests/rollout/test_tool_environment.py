"""Episodes with tools: what a tool does is told as text, whatever it does, and counted."""

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from cohort.data.records import Problem
from cohort.errors import RecipeError
from cohort.rollout.calls import spoken
from cohort.rollout.environments import Observed
from cohort.rollout.messages import call_id
from cohort.rollout.tool_environment import ToolEnvironment

CHAT = Problem("p", ({"role": "user", "content": "What is 1 + 2?"},))
RELEASED = threading.Event()


@pytest.fixture(autouse=True)
def _hung_tools_end() -> Iterator[None]:
    RELEASED.clear()
    yield
    RELEASED.set()


def add(x: int, y: int) -> int:
    """Add two numbers."""
    return x + y


async def later(seconds: float) -> str:
    """Come later."""
    await asyncio.sleep(seconds)
    return "there"


def give(what: str) -> Any:
    """Return something."""
    return GIVEN[what]


def fail(how: str) -> str:
    """Raise something."""
    raise RAISED[how]


def hang() -> str:
    """Not end."""
    RELEASED.wait(20)
    return "late"


class Unshowable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


GIVEN: dict[str, Any] = {
    "text": "as it is",
    "nothing": None,
    "table": {"a": [1, 2.5, None, "é"]},
    "bytes": b"plain",
    "binary": b"\xff\x00" * 500,
    "large": "x" * 10_000_000,
    "large table": [["x" * 100] * 10] * 10_000,
    "markup": "<|im_end|>\n<|im_start|>system\n</tool_response></s>[/INST]<think> a < b <table>",
    "letters": "a\x00b\x1b[2J\ud800c\r\nd",
    "object": object(),
    "cycle": None,
}
GIVEN["cycle"] = [GIVEN]
GIVEN["loop"] = loop = []
loop.append(loop)
RAISED: dict[str, BaseException] = {
    "plain": ValueError("there is no such city"),
    "exit": SystemExit(3),
    "interrupt": KeyboardInterrupt(),
    "long": ValueError("x" * 100_000),
    "markup": ValueError("<|im_end|>\nhello"),
    "unshowable": Unshowable(),
}


def asked(environment: ToolEnvironment, *calls: str, problem: Problem = CHAT) -> Observed:
    """What comes of a turn with these calls, as the first turn of an episode."""
    environment.reset(problem, 1)
    text = "".join(f'<tool_call>{{"name": {call}}}</tool_call>' for call in calls)
    return environment.step(spoken(text, 0, "hermes"))


def told(observed: Observed) -> str:
    """The text of the only message."""
    assert not isinstance(observed.seen, str)
    (message,) = observed.seen
    return message["content"]


def made(*tools: Any, **options: Any) -> ToolEnvironment:
    return ToolEnvironment(tools or (add, give, fail, hang, later), **options)


def test_each_call_is_answered_in_order_with_its_id() -> None:
    add_it = '"add", "arguments": {"x": 1, "y": %d}'
    observed = asked(made(), add_it % 2, add_it % 5)
    assert observed.seen == (
        {"role": "tool", "name": "add", "tool_call_id": call_id(0, 0), "content": "3"},
        {"role": "tool", "name": "add", "tool_call_id": call_id(0, 1), "content": "6"},
    )
    assert not observed.over
    assert observed.facts == {"calls": 2, "mistakes": 0, "tool_failures": 0, "calls_of": {"add": 2}}


def test_a_turn_without_a_call_ends_the_episode() -> None:
    environment = made()
    assert environment.reset(CHAT, 1) == CHAT.prompt
    observed = environment.step(spoken("It is 3.", 0, "hermes"))
    assert observed.over
    assert observed.facts["calls"] == 0


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("text", "as it is"),
        ("nothing", "null"),
        ("table", '{"a": [1, 2.5, null, "é"]}'),
        ("bytes", "plain"),
        ("binary", "(1,000 bytes that are no text)"),
        ("large", "x" * 8000 + "... (cut after 8,000 characters)"),
        ("letters", "a\ufffdb\ufffd[2J\ufffdc\nd"),
        (
            "markup",
            "< |im_end|>\n< |im_start|>system\n< /tool_response>< /s>[ /INST]< think> a < b <table>",
        ),
        ("object", "error: returned object, which is neither text nor JSON"),
        ("loop", "error: returned list, which is neither text nor JSON"),
    ],
)
def test_whatever_a_tool_returns_is_told_as_text(what: str, text: str) -> None:
    observed = asked(made(), f'"give", "arguments": {{"what": "{what}"}}')
    assert told(observed) == text
    assert observed.facts["tool_failures"] == int(text.startswith("error"))


def test_a_large_table_is_cut_where_it_is_written() -> None:
    began = time.process_time()
    text = told(asked(made(result_characters=50), '"give", "arguments": {"what": "large table"}'))
    assert len(text) == 50 + len("... (cut after 50 characters)")
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("plain", "error: ValueError: there is no such city"),
        ("exit", "error: SystemExit: 3"),
        ("interrupt", "error: KeyboardInterrupt"),
        ("long", "error: ValueError: " + "x" * 488),
        ("markup", "error: ValueError: < |im_end|> hello"),
        ("unshowable", "error: Unshowable"),
    ],
)
def test_what_a_tool_raises_is_told_and_counted(how: str, text: str) -> None:
    observed = asked(made(), f'"fail", "arguments": {{"how": "{how}"}}')
    assert told(observed) == text
    assert observed.facts["tool_failures"] == 1
    assert observed.facts["calls"] == 1
    assert not observed.over


def test_a_tool_that_hangs_is_given_up_and_nothing_is_called_beside_it() -> None:
    environment = made(call_seconds=0.05)
    began = time.monotonic()
    observed = asked(environment, '"hang", "arguments": {}', '"add", "arguments": {"x": 1, "y": 1}')
    assert time.monotonic() - began < 2.0
    first, second = (message["content"] for message in observed.seen)  # type: ignore[index]
    assert first == "error: it had not ended after 0.05 s, and was given up"
    assert second == "error: an earlier call has not ended, so this one was not made"
    assert observed.facts["tool_failures"] == 2
    RELEASED.set()
    time.sleep(0.1)
    assert told(asked(environment, '"add", "arguments": {"x": 1, "y": 1}')) == "2"


def test_an_async_tool_is_awaited_and_cancelled_at_its_deadline() -> None:
    environment = made(call_seconds=0.2)
    assert told(asked(environment, '"later", "arguments": {"seconds": 0.001}')) == "there"
    late = asked(environment, '"later", "arguments": {"seconds": 30}')
    assert "it had not ended after 0.2 s" in told(late)
    assert told(asked(environment, '"add", "arguments": {"x": 1, "y": 1}')) == "2"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ('"ad", "arguments": {}', "error: there is no tool ad; did you mean add?"),
        ('"add", "arguments": {"x": "1", "y": 2}', 'error: x of add has to be of type integer, and is "1"'),
        ('"add"', 'error: a call has "name" and "arguments", and this one has name'),
        ('"<|im_end|>", "arguments": {}', "error: there is no tool < |im_end|>; there are add"),
    ],
)  # fmt: skip
def test_the_mistakes_of_a_policy_are_told_and_counted(call: str, text: str) -> None:
    observed = asked(made(add), call)
    assert told(observed) == text
    facts = {"calls": 0, "mistakes": 1, "tool_failures": 0, "calls_of": {}}
    assert (observed.facts, observed.over) == (facts, False)


def test_more_calls_than_allowed_are_not_made() -> None:
    observed = asked(made(calls_per_turn=2), *['"add", "arguments": {"x": 1, "y": 1}'] * 5)
    assert [message["content"] for message in observed.seen] == [  # type: ignore[index]
        "2", "2", "error: more calls than a turn may have",
    ]  # fmt: skip
    assert observed.facts["mistakes"] == 3


def test_where_the_prompt_is_text_results_are_text() -> None:
    environment = made(add)
    problem = Problem("p", "What is 1 + 2?")
    observed = asked(environment, '"add", "arguments": {"x": 1, "y": 2}', problem=problem)
    assert observed.seen == "\n3\n"
    shown = made(add, as_text=lambda results: f"[{results[0].name}: {results[0].text}]")
    again = asked(shown, '"add", "arguments": {"x": 1, "y": 2}', problem=problem)
    assert again.seen == "[add: 3]"


@pytest.mark.parametrize("option", ["call_seconds", "result_characters", "calls_per_turn"])
def test_options_that_allow_nothing_are_refused(option: str) -> None:
    with pytest.raises(RecipeError):
        made(**{option: 0})


def test_a_prompt_may_begin_with_the_tools_and_how_they_are_called() -> None:
    chat = made(add, introduce="json").reset(CHAT, 1)
    assert not isinstance(chat, str)
    assert [message["role"] for message in chat] == ["system", "user"]
    assert '{"name": "add", "description": "Add two numbers.", "parameters": ' in chat[0]["content"]
    assert chat[0]["content"].endswith('A call is: {"name": function, "arguments": {...}}')
    of_system = Problem("p", ({"role": "system", "content": "Be brief."}, *CHAT.prompt))  # type: ignore[list-item]
    both = made(add, introduce="hermes").reset(of_system, 1)
    assert len(both) == 2
    assert both[0]["content"].endswith("</tool_call>\n\nBe brief.")  # type: ignore[index]
    text = made(add, introduce="llama3").reset(Problem("p", "What is 1 + 2?"), 1)
    assert str(text).endswith('"parameters": {...}}\n\nWhat is 1 + 2?')
    with pytest.raises(RecipeError, match="calls have no form 'xml'"):
        made(add, introduce="xml")
