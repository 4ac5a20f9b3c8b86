"""A request of an agent, read: its messages and tools as a chat template takes them, or why not.

What is sampled is what the policy is trained with, so an option that would change it is refused, by
name, unless it asks for what is done anyway. Whoever makes the environment may say that some are to be
ignored; nothing is ignored otherwise. Texts in parts become one text, and arguments of earlier calls, which
the protocol has as JSON in a text, become data, as templates know them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from cohort.errors import legible
from cohort.rewards.json_schema import NotJson, read_json

Message = dict[str, Any]

ROLES = ("system", "developer", "user", "assistant", "tool")
"""Of messages; `developer` is what `system` is called since 2024, and templates know the older word."""

ANYWAY: Mapping[str, tuple[object, ...]] = {
    "temperature": (None,),
    "top_p": (None, 1),
    "max_tokens": (None,),
    "max_completion_tokens": (None,),
    "n": (None, 1),
    "stop": (None, [], ""),
    "seed": (None,),
    "presence_penalty": (None, 0),
    "frequency_penalty": (None, 0),
    "logit_bias": (None, {}),
    "top_logprobs": (None, 0),
    "tool_choice": (None, "auto"),
    "parallel_tool_calls": (None, True),
    "response_format": (None, {"type": "text"}),
    "modalities": (None, ["text"]),
    "reasoning_effort": (None,),
    "verbosity": (None,),
    "functions": (None,),
    "function_call": (None,),
    "audio": (None,),
    "prediction": (None,),
    "web_search_options": (None,),
}
"""Options that change what is sampled, and the values that ask for what is done anyway."""

BESIDE = (
    "user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key",
    "prompt_cache_retention",
)  # fmt: skip
"""Options that are of the service and change no answer."""

READ = ("model", "messages", "tools", "stream", "stream_options", "logprobs")
"""Options that are followed."""


class Refusal(ValueError):
    """Why a request is not answered. status: of HTTP. param, code: as the protocol's errors have them."""

    def __init__(self, message: str, *, status: int = 400, param: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message, self.status, self.param, self.code = message, status, param, code


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What is asked. logprobs: whether those of the turn are to be told, too. again: whether the agent's
    client says that it has asked this before and had no answer."""

    messages: tuple[Message, ...]
    tools: tuple[Mapping[str, Any], ...] = ()
    stream: bool = False
    usage: bool = False
    logprobs: bool = False
    again: bool = False


def read_request(
    body: bytes, *, model: str, ignored: Collection[str] = (), again: bool = False
) -> ChatRequest:
    """The request in a body. Raises Refusal."""
    try:
        found = read_json(body.decode())
    except UnicodeDecodeError as error:
        raise Refusal("the body is no UTF-8", code="invalid_json") from error
    except NotJson as error:
        raise Refusal(
            f"the body is no JSON: {legible(str(error), 200)}", code="invalid_json"
        ) from error
    if not isinstance(found, dict):
        raise Refusal("the body is a JSON object", code="invalid_json")
    _check_model(found.get("model"), model)
    _check_options(found, ignored)
    streams = found.get("stream_options") or {}
    if not isinstance(streams, dict):
        raise Refusal("stream_options is an object", param="stream_options")
    return ChatRequest(
        _messages(found.get("messages")),
        _tools(found.get("tools")),
        stream=bool(found.get("stream")),
        usage=bool(streams.get("include_usage")),
        logprobs=bool(found.get("logprobs")),
        again=again,
    )


def _check_model(asked: object, model: str) -> None:
    if asked is None or asked == "":
        raise Refusal("there is no model in the request", param="model", code="missing_model")
    if asked != model:
        raise Refusal(
            f"there is no model {legible(repr(asked))}; the policy is called {model}",
            status=404,
            param="model",
            code="model_not_found",
        )


def _check_options(found: Mapping[str, Any], ignored: Collection[str]) -> None:
    """Refuse what would be ignored in silence."""
    for name, value in found.items():
        if name in READ or name in BESIDE or name in ignored:
            continue
        if name not in ANYWAY:
            raise Refusal(
                f"there is no option {legible(repr(name))}",
                param=name[:100],
                code="unknown_parameter",
            )
        if value not in ANYWAY[name]:
            raise Refusal(
                f"{name} would change what is sampled, and the stage's recipe says how that is done; "
                "leave it out, or have the environment ignore it",
                param=name,
                code="unsupported_parameter",
            )


def _messages(found: object) -> tuple[Message, ...]:
    if not isinstance(found, list) or not found:
        raise Refusal("messages is a list with at least one message", param="messages")
    called: dict[str, str] = {}
    made = []
    for number, message in enumerate(found):
        made.append(_message(message, f"messages[{number}]", called))
    return tuple(made)


def _message(found: Any, where: str, called: dict[str, str]) -> Message:
    """One message. called: the names of the calls so far by their ids, which this one adds its own to."""
    if not isinstance(found, dict):
        raise Refusal(f"{where} is an object", param=where)
    role = found.get("role")
    if role not in ROLES:
        known = ", ".join(ROLES)
        raise Refusal(
            f"the role of {where} is {legible(repr(role))}; known are {known}",
            param=f"{where}.role",
        )
    message: Message = {
        "role": "system" if role == "developer" else role,
        "content": _text(found.get("content"), f"{where}.content", role),
    }
    if role == "assistant" and found.get("tool_calls"):
        message["tool_calls"] = _calls(found["tool_calls"], f"{where}.tool_calls")
        called.update({call["id"]: call["function"]["name"] for call in message["tool_calls"]})
    if role == "tool":
        own = found.get("tool_call_id")
        if not isinstance(own, str) or own not in called:
            _wrong(f"{where}.tool_call_id", "is that of a call that was made before")
        message |= {"tool_call_id": own, "name": called[own]}
    return message


def _text(found: Any, where: str, role: str) -> str:
    """A content as one text."""
    if found is None and role == "assistant":
        return ""
    if isinstance(found, list):
        parts: list[Any] = [part.get("text") if isinstance(part, dict) else None for part in found]
        kinds = {part.get("type") for part in found if isinstance(part, dict)}
        if kinds - {"text"} or not all(isinstance(part, str) for part in parts):
            _wrong(where, "has parts that are not text, and the policy reads text alone")
        found = "".join(parts)
    if not isinstance(found, str):
        _wrong(where, "is a text, or a list of parts with text")
    if not found.isascii() and any("\ud800" <= letter <= "\udfff" for letter in found):
        _wrong(where, "holds half of a character")
    return str(found)


def _calls(found: Any, where: str) -> list[Message]:
    """Calls of an earlier turn, their arguments as data."""
    made: list[Message] = []
    calls: list[Any] = found if isinstance(found, list) else [None]
    for call in calls:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(call.get("id"), str):
            _wrong(where, "is a list of calls with an id and a function")
        name, arguments = function.get("name"), function.get("arguments")
        try:
            arguments = read_json(arguments) if isinstance(arguments, str) else arguments
        except NotJson:
            arguments = None
        if not isinstance(name, str) or not isinstance(arguments, dict):
            _wrong(
                where, "has a function with a name, and arguments that are a JSON object in a text"
            )
        function = {"name": name, "arguments": arguments}
        made.append({"id": call["id"], "type": "function", "function": function})
    return made


def _tools(found: Any) -> tuple[Mapping[str, Any], ...]:
    entries: Sequence[Any] = found if isinstance(found, list) else [None] * (found is not None)
    for number, entry in enumerate(entries):
        function = entry.get("function") if isinstance(entry, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        if not isinstance(name, str) or not name or entry.get("type") != "function":
            _wrong(f"tools[{number}]", "is a function with a name")
    return tuple(entries)


def _wrong(where: str, wanted: str) -> NoReturn:
    raise Refusal(f"{where} {wanted}", param=where)
