"""The endpoint by the client that most agents are written with: it takes every answer and every refusal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cohort.rollout.environments import Call, Spoken
from tests.rollout.agents import ADD, answering, turn

openai = pytest.importorskip("openai")
USER = {"role": "user", "content": "Add 1 and 2."}


@contextmanager
def client(*turns: Spoken, **options: Any) -> Iterator[Any]:
    """A client whose requests are answered with these turns."""
    with (
        answering(*turns, **options) as line,
        openai.OpenAI(base_url=line.base_url, api_key="none") as made,
    ):
        yield made


def test_a_completion_is_one_and_its_message_can_be_sent_back() -> None:
    with client(turn("", Call("add", {"x": 1})), turn("3")) as made:
        first = made.chat.completions.create(model="cohort", messages=[USER], tools=[ADD])
        message = first.choices[0].message
        (call,) = message.tool_calls
        result = {"role": "tool", "tool_call_id": call.id, "content": "3"}
        second = made.chat.completions.create(
            model="cohort", messages=[USER, message, result], tools=[ADD]
        )
    assert (call.function.name, json.loads(call.function.arguments)) == ("add", {"x": 1})
    assert (first.choices[0].finish_reason, message.content) == ("tool_calls", None)
    assert (second.choices[0].message.content, second.usage.total_tokens) == ("3", 14)


def test_a_stream_adds_up_to_the_message() -> None:
    with client(turn("so", Call("add", {"x": 1}))) as made:
        events = list(
            made.chat.completions.create(
                model="cohort", messages=[USER], tools=[ADD], stream=True,
                stream_options={"include_usage": True},
            )
        )  # fmt: skip
    deltas = [choice.delta for event in events for choice in event.choices]
    assert (deltas[0].role, "".join(delta.content or "" for delta in deltas)) == ("assistant", "so")
    (call,) = [call for delta in deltas for call in delta.tool_calls or ()]
    assert (call.index, call.function.name) == (0, "add")
    assert [event.usage.completion_tokens for event in events if event.usage] == [3]


def test_the_clients_own_gathering_of_a_stream_takes_it() -> None:
    with (
        client(turn("so", Call("add", {"x": 1}))) as made,
        made.chat.completions.stream(model="cohort", messages=[USER], tools=[ADD]) as stream,
    ):
        final = stream.get_final_completion()
    assert final.choices[0].finish_reason == "tool_calls"
    assert final.choices[0].message.tool_calls[0].function.arguments == '{"x": 1}'


def test_logprobs_are_read() -> None:
    with client(turn("3")) as made:
        answer = made.chat.completions.create(model="cohort", messages=[USER], logprobs=True)
    told = answer.choices[0].logprobs.content
    assert [one.logprob for one in told] == [-0.5, -1.0, -0.25]


def test_refusals_are_the_clients_errors_and_are_not_asked_again() -> None:
    with client() as made:
        with pytest.raises(openai.BadRequestError) as bad:
            made.chat.completions.create(model="cohort", messages=[USER], temperature=0.3)
        assert (bad.value.param, bad.value.code) == ("temperature", "unsupported_parameter")
        with pytest.raises(openai.NotFoundError) as unknown:
            made.chat.completions.create(model="gpt", messages=[USER])
        assert unknown.value.code == "model_not_found"
        with pytest.raises(openai.NotFoundError):
            made.embeddings.create(model="cohort", input="a")


def test_an_episode_that_is_over_is_not_found() -> None:
    with answering() as line:
        base_url = line.base_url
    with (
        openai.OpenAI(base_url=base_url, api_key="none") as made,
        pytest.raises(openai.NotFoundError) as over,
    ):
        made.chat.completions.create(model="cohort", messages=[USER])
    assert over.value.code == "episode_over"


def test_models_are_listed() -> None:
    with client() as made:
        assert [model.id for model in made.models.list()] == ["cohort"]
        assert made.models.retrieve("cohort").owned_by == "cohort"
