"""An agent at the desk of tau2-bench's mock domain, and the stage's side of it.

`work` is the agent. It is written with the client that most agents are written with, and knows a base URL,
the conversation that it begins with and tools that it may call; nothing in it is of the trainer.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import openai

from cohort.data.records import Problem
from cohort.rollout.agent_environment import AgentEnvironment
from cohort.rollout.environments import Call, Observed, Spoken
from cohort.tasks.tau2_mock import Tau2Mock
from cohort.tasks.toolscale_desk import DomainDesk

FOLDER = "TAU2_MOCK"
"""The variable that names the folder with the domain's data."""
MOST_TURNS = 4


def work(
    base_url: str,
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]],
    call: Callable[[str, Mapping[str, Any]], str],
    *,
    streams: bool,
) -> None:
    """Ask, do what is called for, and ask again, until nothing is."""
    said: list[Any] = list(messages)
    options: dict[str, Any] = {"model": "cohort", "tools": list(tools)}
    with openai.OpenAI(base_url=base_url, api_key="none") as client:
        for _ in range(MOST_TURNS):
            if streams:
                message = _collected(
                    client.chat.completions.create(messages=said, stream=True, **options)
                )
            else:
                completion = client.chat.completions.create(messages=said, **options)
                message = completion.choices[0].message.model_dump(exclude_none=True)
            said.append(message)
            if not message.get("tool_calls"):
                return
            for one in message["tool_calls"]:
                function = one["function"]
                result = call(function["name"], json.loads(function["arguments"]))
                said.append({"role": "tool", "tool_call_id": one["id"], "content": result})


def _collected(events: Any) -> dict[str, Any]:
    """The message that a stream's events make up."""
    content, calls = "", {}
    for event in events:
        for choice in event.choices:
            content += choice.delta.content or ""
            for part in choice.delta.tool_calls or ():
                own = calls.setdefault(part.index, {"id": "", "name": "", "arguments": ""})
                own["id"] += part.id or ""
                own["name"] += part.function.name or ""
                own["arguments"] += part.function.arguments or ""
    message: dict[str, Any] = {"role": "assistant", "content": content}
    if calls:
        message["tool_calls"] = [
            {
                "id": own["id"],
                "type": "function",
                "function": {"name": own["name"], "arguments": own["arguments"]},
            }
            for _, own in sorted(calls.items())
        ]
    return message


def desk_of(problem: Problem) -> DomainDesk:
    """The domain as this problem begins."""
    desk = Tau2Mock(folder=os.environ[FOLDER]).environments["tau2-mock"]()
    assert isinstance(desk, DomainDesk)
    desk.reset(problem, 0)
    return desk


def agent(base_url: str, problem: Problem) -> dict[str, Any]:
    """Let the agent work; whether the database is as it should be then. Some tasks stream."""
    desk = desk_of(problem)
    made: list[str] = []

    def call(name: str, arguments: Mapping[str, Any]) -> str:
        made.append(name)
        observed = desk.step(Spoken("", len(made), (Call(name, arguments),)))
        assert isinstance(observed, Observed)
        return str(dict(observed.seen[0])["content"])

    assert not isinstance(problem.prompt, str)
    tools = [tool.schema for tool in desk.tools]
    streams = sum(map(ord, problem.id)) % 2 == 0
    work(base_url, problem.prompt, tools, call, streams=streams)
    end = desk.step(Spoken("", len(made) + 1))
    assert isinstance(end, Observed)
    return {"solved": bool(end.facts["outcome"]), "called": made, "streams": streams}


def environment() -> AgentEnvironment:
    """The agent, as the environment of a stage."""
    return AgentEnvironment(agent)


def solved(episodes: Sequence[Mapping[str, Any] | None], **_: object) -> list[float | None]:
    """1.0 where the database is as it should be at the end; 0.0 where it is not, or where the policy came
    to the limit of turns or tokens."""
    return [None if one is None else float(bool(one["facts"].get("solved"))) for one in episodes]
