"""Tools that are no functions: a model behind an OpenAI-compatible URL, and Python in the sandbox.

A service that cannot be reached is nobody's mistake: the tool raises Broken, and the episode is a failure
that is counted and never a reward of 0. A program that fails is the caller's, who is told what it printed.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from cohort.rewards.outcome import Failed
from cohort.rewards.sandbox.program import Limits, Program
from cohort.rewards.sandbox.sandbox import Sandbox
from cohort.rewards.services.address import destination
from cohort.rewards.services.asking import Patience, Service
from cohort.rewards.services.client import NoAnswer
from cohort.rewards.services.secret import key_from
from cohort.rollout.ensemble import Broken, Used
from cohort.rollout.environments import Tool

ASKED = {
    "type": "object",
    "properties": {"question": {"type": "string", "description": "the whole question, by itself"}},
    "required": ["question"],
}
CODE = {
    "type": "object",
    "properties": {"code": {"type": "string", "description": "a whole program that prints"}},
    "required": ["code"],
}
LONGEST_PRINTED = 4_000


def model_tool(
    name: str,
    description: str,
    *,
    url: str,
    model: str,
    key_variable: str = "",
    most_tokens: int = 1024,
    deadline_seconds: float = 60.0,
) -> Tool:
    """A model that answers questions, at temperature 0.

    url: ends before `/chat/completions`. key_variable: the environment variable whose content is sent as
    a bearer token. deadline_seconds: for an answer, retries included. Raises RewardError for a bad URL.
    """
    patience = Patience(
        deadline_seconds=deadline_seconds, attempt_seconds=deadline_seconds, retry_budget=2, concurrency=1
    )  # fmt: skip
    to, key = destination(url, "/chat/completions"), key_from(key_variable)

    async def ask(question: str) -> Used:
        messages = [{"role": "user", "content": question}]
        body = {"model": model, "messages": messages, "max_tokens": most_tokens, "temperature": 0}
        service = Service(to, key, patience)
        (answer,) = await service.answers([json.dumps(body).encode()], _reply_in)
        if isinstance(answer, Failed):
            raise Broken(f"{name}: {answer.reason}")
        said, read, written = json.loads(answer)
        return Used(said, read, written)

    return Tool(name, description, ASKED, ask)


def _reply_in(text: str) -> str:
    """Words and tokens of a chat completion, as JSON. Raises NoAnswer for a text that is none."""
    try:
        content = json.loads(text)
        said = content["choices"][0]["message"]["content"]
        usage = content.get("usage") or {}
        counts = [int(usage.get(name, 0)) for name in ("prompt_tokens", "completion_tokens")]
    except (ValueError, RecursionError, KeyError, IndexError, TypeError, AttributeError):
        raise NoAnswer("its answer is no chat completion", kind="invalid", retryable=True) from None
    if not isinstance(said, str):
        raise NoAnswer("it did not answer in words", kind="invalid", retryable=False)
    return json.dumps([said, *counts])


def python_tool(
    name: str = "python", *, seconds: float = 10.0, start: Callable[[], Sandbox] = Sandbox
) -> Tool:
    """Python that is run in the sandbox: what it prints comes back, or how it ended.

    seconds: that a program may take. Raises RewardError where this machine has no sandbox.
    """
    sandbox = start()

    def run(code: str) -> object:
        program = Program(
            files={"main.py": code.encode("utf-8", "surrogatepass")},
            limits=Limits(wall_seconds=seconds),
        )
        report = sandbox.run(program)
        printed = report.stdout.decode("utf-8", "replace")[-LONGEST_PRINTED:]
        if (report.end, report.code) == ("exited", 0):
            return printed
        errors = report.stderr.decode("utf-8", "replace")[-LONGEST_PRINTED:]
        return {"error": f"ended: {report.end} {report.code}", "printed": printed, "errors": errors}

    return Tool(name, "Run a Python program and see what it prints.", CODE, run)
