"""Tools described in the prompt itself, where a chat template has no words for them.

The description is that of the templates which have: one line of JSON for each tool, and how a call is
written in the form that will be read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from cohort.errors import RecipeError, legible
from cohort.rollout.environments import Prompt, Tool

WRITTEN = {
    "hermes": '<tool_call>{"name": function, "arguments": {...}}</tool_call>',
    "llama3": '{"name": function, "parameters": {...}}',
    "json": '{"name": function, "arguments": {...}}',
}
"""How a call is written, by form."""


def introduction(tools: Sequence[Tool], form: str) -> str:
    """What tells a policy of its tools, and how to call them. Raises RecipeError."""
    if form not in WRITTEN:
        raise RecipeError(
            f"calls have no form {legible(form)!r}", f"known are {', '.join(WRITTEN)}"
        )
    lines = (json.dumps(tool.schema["function"], ensure_ascii=False) for tool in tools)
    return "\n".join(("You may call these functions:", *lines, f"A call is: {WRITTEN[form]}"))


def introduced(prompt: Prompt, text: str) -> Prompt:
    """A prompt that begins with a text: of the system, before its own message where it has one."""
    if isinstance(prompt, str):
        return f"{text}\n\n{prompt}"
    if prompt and prompt[0]["role"] == "system":
        own = {**prompt[0], "content": f"{text}\n\n{prompt[0]['content']}"}
        return (own, *prompt[1:])
    return ({"role": "system", "content": text}, *prompt)
