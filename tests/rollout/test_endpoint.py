"""The endpoint as its clients see it: what it answers, and what it refuses in the protocol's own form."""

from __future__ import annotations

import json
import socket
import threading
from typing import Any

import pytest

from cohort.rollout.chat_answer import answer_of
from cohort.rollout.endpoint import Line, endpoint
from cohort.rollout.environments import Call
from tests.rollout.agents import (
    ADD,
    ASK,
    answering,
    ask,
    connected,
    error,
    sent,
    turn,
    until,
    waiting,
)

CALL = Call("add", {"x": 1, "y": 2})


@pytest.fixture
def line() -> Any:
    with answering(turn("3")) as line:
        yield line


def test_a_turn_is_a_chat_completion(line: Line) -> None:
    answer = ask(line.base_url)
    assert answer["object"] == "chat.completion"
    assert (answer["model"], answer["id"][:9]) == ("cohort", "chatcmpl-")
    (choice,) = answer["choices"]
    assert choice["finish_reason"] == "stop"
    assert choice["message"] == {"role": "assistant", "content": "3", "refusal": None}
    assert choice["logprobs"] is None


def test_usage_counts_what_was_read_and_what_was_sampled(line: Line) -> None:
    usage = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}
    assert ask(line.base_url)["usage"] == usage


def test_logprobs_are_told_where_they_are_asked_for(line: Line) -> None:
    told = ask(line.base_url, logprobs=True)["choices"][0]["logprobs"]["content"]
    assert [(one["token"], one["logprob"]) for one in told][::2] == [("a", -0.5), ("<end>", -0.25)]
    assert [one["bytes"] for one in told][:2] == [[97], None]


def test_calls_have_their_arguments_as_json_in_a_text() -> None:
    with answering(turn("", CALL)) as line:
        (choice,) = ask(line.base_url, tools=[ADD])["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    (call,) = choice["message"]["tool_calls"]
    assert (call["id"], call["type"]) == ("000000000", "function")
    assert json.loads(call["function"]["arguments"]) == {"x": 1, "y": 2}


def test_a_call_that_cannot_be_read_is_answered_as_the_text_that_it_is() -> None:
    with answering(turn("<tool_call>{", mistakes=("a call is no JSON",))) as line:
        (choice,) = ask(line.base_url)["choices"]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("stop", "<tool_call>{")


@pytest.mark.parametrize("usage", [False, True])
def test_a_stream_has_the_message_its_end_and_the_usage_where_it_is_asked_for(usage: bool) -> None:
    asked = ASK | {"stream": True, "stream_options": {"include_usage": usage}}
    with answering(turn("so", CALL)) as line:
        _, data = sent(line.base_url, body=json.dumps(asked).encode())
    *events, done, rest = data.decode().split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    first, last, *more = [json.loads(event.removeprefix("data: ")) for event in events]
    (call,) = first["choices"][0]["delta"]["tool_calls"]
    assert (call["index"], first["choices"][0]["delta"]["content"]) == (0, "so")
    assert last["choices"][0] | {"logprobs": None} == {
        "index": 0, "delta": {}, "logprobs": None, "finish_reason": "tool_calls",
    }  # fmt: skip
    assert len({event["id"] for event in (first, last, *more)}) == 1
    assert [(one["choices"], one["usage"]["total_tokens"]) for one in more] == [([], 14)] * usage


def test_the_policy_is_the_only_model_and_has_the_name_that_it_was_given() -> None:
    with answering(model="gpt") as line:
        _, data = sent(line.base_url, "GET", "/models")
        (model,) = json.loads(data)["data"]
        assert set(model) == {"id", "object", "created", "owned_by"}
        assert json.loads(sent(line.base_url, "GET", "/models/gpt")[1]) == model
        assert sent(line.base_url, "GET", "/models/cohort")[0] == 404
        assert error(line.base_url, model="cohort") == (404, "model_not_found", "model")
        assert error(line.base_url, model=None) == (400, "missing_model", "model")


CHANGES = {
    "temperature": 0.5, "top_p": 0.9, "max_tokens": 5, "max_completion_tokens": 5, "n": 2,
    "stop": ["a"], "seed": 3, "presence_penalty": 0.1, "frequency_penalty": 0.1,
    "logit_bias": {"3": 1}, "top_logprobs": 2, "tool_choice": "required",
    "parallel_tool_calls": False, "response_format": {"type": "json_object"},
    "modalities": ["audio"], "reasoning_effort": "low", "verbosity": "low",
    "functions": [{"name": "f"}], "function_call": "auto", "audio": {}, "prediction": {},
    "web_search_options": {},
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_what_would_change_what_is_sampled_is_refused_or_ignored_by_name(name: str) -> None:
    asked: dict[str, Any] = {name: CHANGES[name]}
    with answering(turn("3")) as line:
        assert error(line.base_url, **asked) == (400, "unsupported_parameter", name)
        assert "choices" in ask(line.base_url, **{name: None})
    with answering(turn("3"), ignored=[name]) as line:
        assert "choices" in ask(line.base_url, **asked)


def test_options_that_ask_for_what_is_done_anyway_are_taken(line: Line) -> None:
    anyway = {
        "n": 1, "top_p": 1.0, "stop": [], "presence_penalty": 0.0, "logit_bias": {},
        "tool_choice": "auto", "parallel_tool_calls": True, "response_format": {"type": "text"},
        "user": "me", "metadata": {"a": "b"}, "store": False,
    }  # fmt: skip
    assert "choices" in ask(line.base_url, **anyway)


def test_an_option_that_nobody_knows_is_refused(line: Line) -> None:
    assert error(line.base_url, top_k=4) == (400, "unknown_parameter", "top_k")


USER = {"role": "user", "content": "hello"}
BAD = {
    "messages": [None, "hi", [], [3], [{"role": "user"}]],
    "messages[0].role": [[{"role": "robot", "content": "hi"}], [{"content": "hi"}]],
    "messages[1].content": [
        [USER, {"role": "user", "content": 3}],
        [USER, {"role": "user", "content": "half \ud800"}],
        [USER, {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}],
    ],
    "messages[1].tool_call_id": [[USER, {"role": "tool", "content": "3", "tool_call_id": "x"}]],
    "messages[1].tool_calls": [
        [USER, {"role": "assistant", "content": "", "tool_calls": [{"id": "x"}]}],
        [USER, {"role": "assistant", "tool_calls": [
            {"id": "x", "function": {"name": "add", "arguments": "{"}}]}],
    ],
}  # fmt: skip


@pytest.mark.parametrize("where", BAD)
def test_messages_that_are_none_are_refused_and_the_place_is_named(where: str, line: Line) -> None:
    for messages in BAD[where]:
        status, _, param = error(line.base_url, messages=messages)
        assert status == 400
        assert param.startswith(where)


@pytest.mark.parametrize("tools", ["add", [3], [{"type": "function"}], [ADD | {"type": "x"}]])
def test_tools_that_are_none_are_refused(tools: Any, line: Line) -> None:
    assert error(line.base_url, tools=tools)[::2] == (400, "tools[0]")


@pytest.mark.parametrize(
    "body", [b"{", b"\xff", b"3", b"", b"[" * 100_000, b'{"a": NaN}', b'{"a": 1, "a": 2}']
)
def test_a_body_that_is_no_request_is_refused(body: bytes, line: Line) -> None:
    status, data = sent(line.base_url, body=body)
    assert (status, json.loads(data)["error"]["code"]) == (400, "invalid_json")


def test_a_request_says_how_long_it_is_and_is_not_too_long(line: Line) -> None:
    for length, status in (("-1", 411), ("many", 411), ("9" * 12, 413)):
        assert sent(line.base_url, headers={"Content-Length": length})[0] == status


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "OPTIONS"])
def test_other_methods_are_refused(method: str, line: Line) -> None:
    assert sent(line.base_url, method)[0] == 501


def test_other_places_are_refused_in_the_form_of_the_protocol(line: Line) -> None:
    for method, path in (("POST", "/completions"), ("GET", "/chat/completions")):
        status, data = sent(line.base_url, method, path)
        assert (status, json.loads(data)["error"]["code"]) == (404, "unknown_url")


def test_who_does_not_know_the_name_of_an_episode_is_refused(line: Line) -> None:
    root = line.base_url.removesuffix(f"/{line.name}/v1")
    for base_url in (f"{root}/{'0' * 32}/v1", f"{root}/v1", root):
        status, data = sent(base_url, body=b"{}")
        assert (status, json.loads(data)["error"]["code"]) == (404, "episode_over")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "", "localhost:1"])
def test_a_request_for_another_host_is_refused(host: str, line: Line) -> None:
    status, data = sent(line.base_url, "GET", "/models", headers={"Host": host})
    assert (status, json.loads(data)["error"]["code"]) == (403, "wrong_host")


def test_it_is_on_the_loopback_alone(line: Line) -> None:
    port = connected(line.base_url).port
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None)}
    for address in others - {"127.0.0.1", "127.0.1.1", "::1"}:
        with pytest.raises(OSError, match=r"refused|unreachable"):
            socket.create_connection((address, port), timeout=5).close()


def test_agents_that_ask_at_once_get_their_own_turns() -> None:
    lines = [endpoint().open() for _ in range(20)]
    found: dict[int, str] = {}

    def agent(number: int) -> None:
        (choice,) = ask(lines[number].base_url)["choices"]
        found[number] = choice["message"]["content"]

    threads = [threading.Thread(target=agent, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for number in reversed(range(20)):
        asked = lines[number].next(10)
        assert asked is not None
        asked.reply(answer_of(turn(str(number)), "cohort"))
    for thread in threads:
        thread.join(10)
    assert found == {n: str(n) for n in range(20)}


def test_a_request_that_waits_is_refused_when_the_episode_is_over() -> None:
    line = endpoint().open()
    codes: list[Any] = []
    threads = [
        threading.Thread(target=lambda: codes.append(error(line.base_url))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    assert until(lambda: waiting() >= 3)
    endpoint().close(line)
    for thread in threads:
        thread.join(10)
    assert codes == [(404, "episode_over", None)] * 3
    assert until(lambda: not waiting())


def test_a_client_that_hangs_up_is_noticed_and_leaves_no_thread() -> None:
    line = endpoint().open()
    connection = connected(line.base_url)
    connection.request("POST", f"/{line.name}/v1/chat/completions", json.dumps(ASK).encode())
    asked = line.next(10)
    assert asked is not None
    connection.close()
    assert until(lambda: not waiting())
    assert asked.lost()
    endpoint().close(line)


def test_a_request_that_is_cut_off_is_none(capfd: pytest.CaptureFixture[str]) -> None:
    with answering() as line:
        connection = connected(line.base_url)
        headers = {"Content-Length": "500"}
        connection.request("POST", f"/{line.name}/v1/chat/completions", b'{"model"', headers)
        connection.close()
        assert until(lambda: not waiting())
        with pytest.raises(TimeoutError):
            line.next(0.05)
    assert capfd.readouterr().err == ""
