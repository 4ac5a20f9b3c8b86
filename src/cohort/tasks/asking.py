"""How a row becomes a Problem: which columns, which prompt, which id.

Refused: a row without a prompt, an empty prompt, messages without role or content, a template with
an unknown column, and columns with the names that reward functions are given other things under.
"""

from __future__ import annotations

import json
import string
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from cohort.config.lookup import nearest
from cohort.config.stages import Problems
from cohort.data import keyed
from cohort.data.files import Row
from cohort.data.pairs import with_prompt
from cohort.data.records import Message, Problem
from cohort.errors import DataError, legible, listed
from cohort.rewards.functions import GIVEN
from cohort.tasks.compared import compared

Prompt = str | tuple[Message, ...]


def ask_all(rows: Iterable[Row], options: Problems) -> list[tuple[Problem, Row]]:
    """Every row as a Problem, beside the row it was made from; ids are unique. Raises DataError."""
    asked = [(_renamed(row, options.columns), row) for row in rows]
    if not options.template:
        asked = [(with_prompt(values, options.prompt, r.where), r) for values, r in asked]
    prompts = [prompt_of(values, row.where, options) for values, row in asked]
    _refuse_empty(prompts, [row for _, row in asked])
    _refuse_halves(prompts, [row for _, row in asked])
    drop = () if options.template else (options.prompt,)
    taken: dict[str, str] = {}
    copies: Counter[str] = Counter()
    problems = []
    for prompt, (values, row) in zip(prompts, asked, strict=True):
        columns = {name: value for name, value in values.items() if name not in drop}
        problem_id = _own_id(row, taken) or _hashed_id(prompt, columns, row.where, copies)
        taken[problem_id] = row.where
        problems.append((Problem(problem_id, prompt, columns), row))
    return problems


def prompt_of(values: Mapping[str, object], where: str, options: Problems) -> Prompt:
    """The prompt that the options make of a row's columns."""
    if options.template:
        return _as_chat(filled(options.template, values, where), where, options)
    if options.prompt not in values:
        near = nearest(options.prompt, values)
        raise DataError(
            f'{where} has no column "{legible(options.prompt)}"; it has {listed(values) or "none"}',
            f'did you mean problems.prompt = "{legible(near)}"?'
            if near
            else "name it: problems.prompt",
        )
    return _as_chat(values[options.prompt], where, options)


def key_of(prompt: Prompt) -> str:
    """A prompt as text, for comparing and hashing prompts."""
    return prompt if isinstance(prompt, str) else json.dumps(prompt, sort_keys=True)


def filled(template: str, values: Mapping[str, object], where: str) -> str:
    """The template with every `{column}` replaced; `{{` and `}}` stand for braces."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise DataError(
            f'the template "{legible(template)}" cannot be read: {error}',
            "write {{ and }} for braces that are text",
        ) from error
    if all(column is None for _, column, _, _ in parts):
        raise DataError(
            f'the template "{legible(template)}" names no column: all prompts would be the same',
            "put a column in braces, for example {prompt}",
        )
    text = ""
    for literal, column, spec, conversion in parts:
        text += literal
        if column is None:
            continue
        if spec or conversion or values.get(column) is None:
            _refuse_field(column, values, where)
        text += str(values[column])
    return text


def _refuse_field(column: str, values: Mapping[str, object], where: str) -> None:
    if column in values:
        raise DataError(
            f'the template\'s "{{{legible(column)}}}" cannot be filled at {where}',
            "a column in a template has a value in every row, and no format behind its name",
        )
    near = nearest(column, values)
    raise DataError(
        f'the template asks for "{{{legible(column)}}}"; {where} has {listed(values)}',
        f'did you mean "{{{legible(near)}}}"?'
        if near
        else "write {{ and }} for braces that are text",
    )


def _as_chat(value: object, where: str, options: Problems) -> Prompt:
    """Text or messages as the prompt, with the system message in front where there is one."""
    if isinstance(value, str):
        if not (options.chat or options.system):
            return value
        messages: tuple[Message, ...] = ({"role": "user", "content": value},)
    else:
        messages = _messages(value, where)
    if not options.system:
        return messages
    if messages[0]["role"] == "system":
        raise DataError(
            f"{where} has a system message, and the options give another",
            "leave out problems.system, or the system message of the rows",
        )
    return ({"role": "system", "content": options.system}, *messages)


def _messages(value: object, where: str) -> tuple[Message, ...]:
    if not isinstance(value, Sequence) or not value:
        raise DataError(
            f"{where} has the prompt {legible(repr(value))} ({type(value).__name__})",
            "a prompt is text, or a list of chat messages with at least one in it",
        )
    messages = []
    for number, message in enumerate(value, start=1):
        parts = message if isinstance(message, Mapping) else {}
        role, content = parts.get("role"), parts.get("content")
        if not isinstance(role, str) or not isinstance(content, str):
            raise DataError(
                f"{where}: message {number} of the prompt is {legible(repr(message))}",
                'a message is {"role": "user", "content": "text"}',
            )
        messages.append({"role": role, "content": content})
    return tuple(messages)


def _renamed(row: Row, names: Mapping[str, str]) -> dict[str, object]:
    """The row's columns, those in `names` (new name -> old name) under their new names."""
    values = dict(row.values)
    for there in names.values():
        if there not in row.values:
            near = nearest(there, row.values)
            raise DataError(
                f'{row.where} has no column "{legible(there)}"; it has {listed(row.values)}',
                f'did you mean "{legible(near)}"?' if near else "problems.columns is { new = old }",
            )
        values.pop(there, None)
    clash = [name for name in names if name in values]
    values |= {wanted: row.values[there] for wanted, there in names.items()}
    values = compared(values, row.where)
    clash += [name for name in GIVEN if name in values]
    if clash:
        raise DataError(
            f'{row.where} has a column "{legible(clash[0])}", a name that is taken',
            f'give it another: problems.columns = {{ other = "{legible(clash[0])}" }}',
        )
    return values


def _refuse_empty(prompts: Sequence[Prompt], rows: Sequence[Row]) -> None:
    texts = [p if isinstance(p, str) else p[-1]["content"] for p in prompts]
    empty = [row.where for text, row in zip(texts, rows, strict=True) if not text.strip()]
    if empty:
        more = f", and of {len(empty) - 1} more" if len(empty) > 1 else ""
        raise DataError(f"the prompt of {empty[0]}{more} is empty", "remove rows without a prompt")


def _refuse_halves(prompts: Sequence[Prompt], rows: Sequence[Row]) -> None:
    """A function may return text that is no text: half of a character, which no tokenizer takes."""
    for prompt, row in zip(prompts, rows, strict=True):
        texts = [prompt] if isinstance(prompt, str) else [m["content"] for m in prompt]
        try:
            "".join([*texts, str(row.values.get("id", ""))]).encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"{row.where} has half of a character in it: {legible(error.object[error.start])}",
                "surrogates come in pairs; write the character itself",
            ) from error


def _own_id(row: Row, taken: Mapping[str, str]) -> str:
    """The column `id`, which must be unique; an empty string where the row has no such column."""
    if "id" not in row.values:
        return ""
    own = "" if row.values["id"] is None else str(row.values["id"]).strip()
    if own and own not in taken:
        return own
    raise DataError(
        f'{row.where} has the id "{legible(own)}" of {taken[own]}'
        if own
        else f"{row.where} has an empty id",
        "make the ids unique, or leave the column out: then ids are made from the content",
    )


def _hashed_id(
    prompt: Prompt, columns: Mapping[str, object], where: str, copies: Counter[str]
) -> str:
    """A short hash of the content; the same content again gets "#2", "#3"... behind it."""
    try:
        content = json.dumps([prompt, columns], sort_keys=True, default=str)
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(
            f"{where} has a column that cannot be written as JSON: {legible(str(error), 100)}",
            "tables within a row have text as keys and do not contain themselves",
        ) from error
    short = f"{keyed.digest('problem', content):032x}"[:12]
    copies[short] += 1
    return short if copies[short] == 1 else f"{short}#{copies[short]}"
