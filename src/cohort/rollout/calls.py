"""The tool calls in a turn of the policy, in the form that its chat template teaches.

    hermes   <tool_call>{"name": ..., "arguments": {...}}</tool_call>, any number; also Qwen's
    llama3   {"name": ..., "parameters": {...}}, after <|python_tag|> or alone, more after semicolons
    json     {"name": ..., "arguments": {...}}, or a list of such objects; may be in a ``` fence

What cannot be read is a sentence in `mistakes`, never an exception: the text is of a policy that is
still learning. It may be hostile too; reading takes time in proportion to its length, which is limited.
Nothing within <think> is a call. JSON is read strictly: no NaN, no name twice, no endless nesting.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cohort.errors import ModelError, legible, listed
from cohort.rewards.json_schema import NotJson, read_json_at
from cohort.rollout.environments import Call, Spoken

OPEN, CLOSE = "<tool_call>", "</tool_call>"
PYTHON_TAG = "<|python_tag|>"
TAGS = ("[TOOL_CALLS]", "<|tool_call|>", "<|/tool_call|>")
"""What templates of the plain form write around calls; mostly special tokens, and no text then."""
THOUGHT, THOUGHT_ENDS = "<think>", "</think>"

MOST_CHARACTERS = 1_000_000
"""Of a turn whose calls are read; no policy's turn is longer."""
MOST_CALLS = 64
"""That are read of a turn, and places at which one is looked for."""
MOST_DEPTH = 64
"""Of lists and objects in the arguments of a call."""

STARTS = re.compile(r"^[ \t]*(?=\{|\[\s{0,100}\{)", re.MULTILINE)
MEANT = re.compile(r'(?:\[\s{0,100})?\{\s{0,100}"')
BETWEEN = re.compile(r"[\s;,]*")
SPACE = re.compile(r"\s*")


@dataclass(slots=True)
class Written:
    """What was read of a text: the text outside of calls, the calls, and what was wrong."""

    content: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)

    def take(self, value: object, keys: tuple[str, ...]) -> None:
        """A JSON value that stands where a call should: a call, or a mistake."""
        wrong = _wrong(value, keys)
        if wrong:
            self.mistakes.append(wrong)
        else:
            found: Any = value
            arguments = next(found[key] for key in keys if key in found)
            self.calls.append(Call(found["name"], arguments))


def spoken(text: str, number: int, form: str = "") -> Spoken:
    """A turn of the policy as an environment sees it; without a form nothing in it is a call."""
    if not form:
        return Spoken(text, number, content=text)
    if len(text) > MOST_CHARACTERS:
        told = f"the turn has {len(text):,} characters; calls are read of {MOST_CHARACTERS:,}"
        return Spoken(text, number, mistakes=(told,), content=text)
    thought, answer = _apart(text)
    written = FORMS[form](answer)
    content = (thought + "".join(written.content)).strip()
    return Spoken(text, number, tuple(written.calls), tuple(written.mistakes), content)


def form_of(template: str) -> str:
    """The form of calls that a chat template writes. Raises ModelError where it shows none."""
    for mark, form in MARKS.items():
        if mark in template:
            if form:
                return form
            raise ModelError(
                f"the chat template writes tool calls with {mark}, which is not read",
                f"name a form that the prompt asks for: {', '.join(FORMS)}",
            )
    raise ModelError(
        "the chat template says nothing of tool calls",
        f"describe them in the prompt and name their form: {', '.join(FORMS)}",
    )


def _apart(text: str) -> tuple[str, str]:
    """What was thought and what was said; a thought without an end is all that there is."""
    ends = text.find(THOUGHT_ENDS)
    if ends >= 0:
        ends += len(THOUGHT_ENDS)
        return text[:ends], text[ends:]
    begins = text.find(THOUGHT)
    return (text, "") if begins >= 0 else ("", text)


def _hermes(text: str) -> Written:
    written, at = Written(), 0
    for _ in range(MOST_CALLS):
        begins = text.find(OPEN, at)
        outside = text[at : begins if begins >= 0 else len(text)]
        written.content.append(outside)
        if CLOSE in outside:
            written.mistakes.append(f"there is a {CLOSE} without a {OPEN} before it")
        if begins < 0:
            return written
        at = _one(text, begins + len(OPEN), written)
    if OPEN in text[at:]:
        written.mistakes.append(f"there are more than {MOST_CALLS} calls; the others are not read")
    return written


def _one(text: str, begin: int, written: Written) -> int:
    """Read what follows an opening tag; returns where to go on."""
    try:
        value, end = read_json_at(text, _after(SPACE, text, begin))
    except NotJson as error:
        written.mistakes.append(f"a call is no JSON: {legible(str(error), 120)}")
        return _next(text, begin)
    end = _after(SPACE, text, end)
    if not text.startswith(CLOSE, end):
        written.mistakes.append(f"a call has no {CLOSE} after its JSON")
        return end if text.startswith(OPEN, end) else _next(text, end)
    written.take(value, ("arguments",))
    return end + len(CLOSE)


def _next(text: str, begin: int) -> int:
    """After a call that could not be read: behind its end, or at the next one, or the text's end."""
    closing, opening = text.find(CLOSE, begin), text.find(OPEN, begin)
    if closing >= 0 and not 0 <= opening < closing:
        return closing + len(CLOSE)
    return opening if opening >= 0 else len(text)


def _llama(text: str) -> Written:
    before, tag, after = text.partition(PYTHON_TAG)
    if not tag:
        return _plain(text, ("parameters", "arguments"))
    written = _plain(after, ("parameters", "arguments"))
    if not written.calls and not written.mistakes:
        written.mistakes.append(f"after {PYTHON_TAG} there is no call")
    written.content.insert(0, before)
    return written


def _json(text: str) -> Written:
    for tag in TAGS:
        text = text.replace(tag, "\n")
    return _plain(text, ("arguments", "parameters"))


def _plain(text: str, keys: tuple[str, ...]) -> Written:
    """Calls as bare JSON, which begins a line; JSON that has nothing of a call is an answer."""
    written = Written()
    for number, start in enumerate(STARTS.finditer(text)):
        if number == MOST_CALLS:
            break
        try:
            value, end = read_json_at(text, start.end())
        except NotJson as error:
            near = text[start.end() : start.end() + 300]
            if MEANT.match(near) and '"name"' in near:
                written.mistakes.append(f"a call is no JSON: {legible(str(error), 120)}")
                break
            continue
        if _is_meant(value, keys):
            written.content.append(_unfenced(text[: start.start()]))
            written.content.append(_unfenced(text[_more(text, end, value, (written, keys)) :]))
            return written
    written.content.append(text)
    return written


def _more(text: str, end: int, value: Any, into: tuple[Written, tuple[str, ...]]) -> int:
    """Take a value with calls, and those that follow it; returns where the last one ends."""
    written, keys = into
    while True:
        values = value if isinstance(value, list) else [value]
        for one in values[: MOST_CALLS - len(written.calls)]:
            written.take(one, keys)
        if len(written.calls) + len(written.mistakes) >= MOST_CALLS:
            written.mistakes.append(f"only {MOST_CALLS} calls of a turn are read")
            return end
        begin = _after(BETWEEN, text, end)
        if not text.startswith(("{", "["), begin):
            return end
        try:
            value, end = read_json_at(text, begin)
        except NotJson as error:
            written.mistakes.append(f"a call is no JSON: {legible(str(error), 120)}")
            return end


def _unfenced(text: str) -> str:
    """Text before or after calls, without the half of a fence that was around them."""
    bare = text.strip()
    if bare.endswith(("```json", "```")):
        return bare.removesuffix("json").removesuffix("```")
    return bare.removeprefix("```") if bare.startswith("```") else text


def _is_meant(value: object, keys: tuple[str, ...]) -> bool:
    """Whether JSON is meant as a call, right or wrong."""
    if isinstance(value, list):
        return any(_is_meant(one, keys) for one in value if isinstance(one, dict))
    return isinstance(value, dict) and "name" in value and len(value) > 1


def _wrong(value: object, keys: tuple[str, ...]) -> str:
    """What keeps a JSON value from being a call; empty where nothing does."""
    if not isinstance(value, dict):
        return f"a call is an object, not {legible(repr(value))}"
    besides = {"id"} | ({"type"} if value.get("type") == "function" else set())
    own = sorted(set(value) - besides)
    if own not in [sorted(("name", key)) for key in keys]:
        return f'a call has "name" and "{keys[0]}", and this one has {listed(own) or "nothing"}'
    name, arguments = value["name"], next(value[key] for key in keys if key in value)
    if not isinstance(name, str) or not name:
        return f"the name of a call is a text, not {legible(repr(name))}"
    if not isinstance(arguments, dict):
        return f"the {keys[0]} of a call to {legible(name)} are an object, not {_kind(arguments)}"
    return _unfit(arguments)


def _unfit(value: object) -> str:
    """What no tool should be given: nesting without end, numbers that are none, half characters."""
    waiting: list[tuple[object, int]] = [(value, 0)]
    while waiting:
        one, depth = waiting.pop()
        if depth > MOST_DEPTH:
            return f"the arguments of a call are nested more than {MOST_DEPTH} deep"
        if isinstance(one, float) and one - one != 0.0:
            return "a number in a call is too large"
        if isinstance(one, str) and not _is_whole(one):
            return "a text in a call holds half of a character"
        if isinstance(one, Mapping):
            waiting += [(part, depth + 1) for pair in one.items() for part in pair]
        elif isinstance(one, list):
            waiting += [(part, depth + 1) for part in one]
    return ""


def _is_whole(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)


def _kind(value: object) -> str:
    return {str: "a text", list: "a list", type(None): "null"}.get(type(value), "a number")


def _after(pattern: re.Pattern[str], text: str, begin: int) -> int:
    found = pattern.match(text, begin)
    return found.end() if found else begin


FORMS: dict[str, Callable[[str], Written]] = {"hermes": _hermes, "llama3": _llama, "json": _json}
"""How each form is read."""

MARKS = {
    "<function=": "",
    "[ARGS]": "",
    "<tool_call>": "hermes",
    "<|python_tag|>": "llama3",
    'Environment: ipython': "llama3",
    "[TOOL_CALLS]": "json",
    "<|tool_call|>": "json",
    "<\uff5ctool": "",
    "<start_function_call>": "",
}  # fmt: skip
"""What in a chat template tells of which form; the first that is there counts."""
