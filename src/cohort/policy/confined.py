"""The child process that first touches a stranger's tokenizer, and renders a stranger's templates.

Neither has an end that can be proved beforehand: a template may loop and grow, the tables and
patterns of a tokenizer may make its library run or allocate for ever. Here both have a second of
processor time or a few, half a gigabyte or two, and no file to write. `policy.bounded` starts it, as a
script: it imports nothing of Cohort and no torch, so that it begins in a tenth of a second.

    confined.py chats              requests and answers on standard input and output, a line of JSON each
    confined.py tokenizer FILE     loads a tokenizer.json, uses it, answers with one line
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

CHAT_SECONDS, TOKENIZER_SECONDS = 1.0, 10.0
"""Processor time for one rendering, and for loading a tokenizer; the largest takes about two."""
CHAT_BYTES, TOKENIZER_BYTES = 512 << 20, 1 << 30
MOST_CHARACTERS = 4_000_000
"""Of a rendered chat; more than any context holds."""
TRIED_TOKENS = 2000
TRIAL = "1 + 1 = 2\nWhat is it? \u00e9\u4e2d\U0001f600 " + "a" * 64 + " " * 64 + "0" * 64
"""A text to try a tokenizer with: digits, words, other scripts, and runs that patterns stumble on."""


def main(arguments: list[str]) -> None:
    """Do what the arguments say; the exit code is not zero only where a limit ended it."""
    tokenizing = arguments[0] == "tokenizer"
    _limit(TOKENIZER_BYTES if tokenizing else CHAT_BYTES)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, and ends this one
    if tokenizing:
        _answer(TOKENIZER_SECONDS, lambda: try_tokenizer(arguments[1]))
        return
    for line in sys.stdin:
        request = json.loads(line)
        _answer(CHAT_SECONDS, lambda request=request: render(**request))  # type: ignore[misc]  # a default binds it


def render(
    template: str, messages: list[Any], variables: Mapping[str, Any], tools: list[Any] | None = None
) -> str:
    """A chat as the text that its template makes of it, ready for the answer."""
    made: list[str] = []
    length = 0
    for part in _compiled(template).generate(
        messages=messages, tools=tools, documents=None, add_generation_prompt=True, **variables
    ):
        made.append(part)
        length += len(part)
        if length > MOST_CHARACTERS:
            raise ValueError(f"it makes more than {MOST_CHARACTERS:,} characters")
    text = "".join(made)
    text.encode()  # half a character, as only an escape can write it, is no text
    return text


def try_tokenizer(file: str) -> str:
    """Load a tokenizer, take a text apart and put it together again; empty if that went well."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(file)
    ids = tokenizer.encode(TRIAL).ids
    if len(ids) > 100 * len(TRIAL):
        raise ValueError(f"it makes {len(ids):,} tokens of {len(TRIAL)} characters")
    some = sorted(tokenizer.get_vocab().values())[:TRIED_TOKENS]
    for taken in (ids, some, *([token] for token in some)):  # some decoders fail on short tokens
        text = tokenizer.decode(taken, skip_special_tokens=False)
        if len(text) > MOST_CHARACTERS:
            raise ValueError("it makes texts without end")
    tokenizer.encode(tokenizer.decode(some))
    return ""


@lru_cache
def _compiled(template: str) -> Any:
    """The template in the environment that transformers gives to templates.

    A test holds both against each other; see transformers.utils.chat_template_utils.
    """
    from jinja2 import nodes
    from jinja2.exceptions import TemplateError
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        tags = {"generation"}  # noqa: RUF012  # as jinja2 reads it

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body).set_lineno(line)

    def refuse(message: str) -> None:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = _as_json
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    for node in environment.parse(template).find_all((nodes.Getattr, nodes.Const)):
        name = getattr(node, "attr", None) or getattr(node, "value", None)
        if isinstance(name, str) and name.startswith("__") and name.endswith("__"):
            raise TemplateError(f"it asks for {name}")
    return environment.from_string(template)


def _as_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _answer(seconds: float, work: Callable[[], str]) -> None:
    """One line: {"text": ...}, or {"error": ...}. Beyond its seconds, SIGPROF ends the process."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        answer = {"text": work()}
    except MemoryError:
        answer = {"error": "it needs too much memory"}
    except Exception as error:  # noqa: BLE001  # the template's own; tokenizers raises bare Exception
        said = str(error).strip().splitlines() or [type(error).__name__]
        answer = {"error": said[0][:200]}
    signal.setitimer(signal.ITIMER_PROF, 0)
    print(json.dumps(answer), flush=True)


def _limit(memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main(sys.argv[1:])
