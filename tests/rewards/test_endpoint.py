"""Any HTTP service as a reward."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from cohort.errors import RewardError
from cohort.rewards.asked import MemoryJournal
from cohort.rewards.endpoint import endpoint
from cohort.rewards.outcome import Failed, Outcome, Scored, Unscorable
from tests.rewards.services.fault_server import Server, response, serving


def asked(server: Server, completions: Sequence[Any], **options: Any) -> list[Outcome]:
    return asyncio.run(endpoint(completions=completions, url=server.url, **options))


def lengths(body: bytes) -> bytes:
    return response(json.dumps([float(len(c)) for c in json.loads(body)["completions"]]).encode())


def test_everything_of_the_rollouts_but_their_tokens_is_sent() -> None:
    with serving(lengths)() as server:
        said = asked(
            server, ["a", "bc"], prompts=["p", "q"], gold=[1, None], completion_ids=[[1], [2]]
        )
    assert said == [Scored(1.0), Scored(2.0)]
    assert json.loads(server.requests[0]) == {
        "prompts": ["p", "q"],
        "completions": ["a", "bc"],
        "gold": [1, None],
    }


def test_null_is_no_score() -> None:
    with serving(lambda body: response(b"[null, 0.5, 2]"))() as server:
        said = asked(server, ["a", "b", "c"])
    assert said == [Unscorable("the service cannot say"), Scored(0.5), Scored(2.0)]


def test_many_answers_go_in_several_requests_and_come_back_in_order() -> None:
    answers = ["x" * n for n in range(1, 8)]
    with serving(lengths)() as server:
        said = asked(server, answers, answers_per_request=3, gold=answers)
        assert sorted(len(json.loads(body)["gold"]) for body in server.requests) == [1, 3, 3]
    assert said == [Scored(float(n)) for n in range(1, 8)]


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "1e999", "true", '"1"', "[1]", "{}", "1" + "0" * 400]
)
def test_what_is_no_number_is_a_failure_of_that_one_answer(value: str) -> None:
    with serving(lambda body: response(f"[1, {value}]".encode()))() as server:
        first, second = asked(server, ["a", "b"])
    assert first == Scored(1.0)
    assert isinstance(second, Failed)
    assert second.kind == "invalid"


@pytest.mark.parametrize(
    "body", [b"[1]", b"[1, 2, 3]", b"[]", b'{"rewards": [1, 2]}', b"1", b"null", b'"ab"']
)
def test_another_count_or_no_list_is_a_failure_of_all(body: bytes) -> None:
    with serving(lambda _: response(body))() as server:
        said = asked(server, ["a", "b"])
    assert all(isinstance(outcome, Failed) and outcome.kind == "invalid" for outcome in said)


def test_a_service_that_fails_gives_no_reward() -> None:
    with serving(lambda body: response(b"[1, 1]", "500 No"))() as server:
        said = asked(server, ["a", "b"], retry_budget=0)
    assert said == [Failed("unreachable", f"http://127.0.0.1:{server.port} answers 500", True)] * 2


def test_a_replay_is_the_same_without_a_request() -> None:
    journal = MemoryJournal()
    with serving(lengths)() as server:
        first = asked(server, ["a", "bc"], journal=journal)
        assert asked(server, ["a", "bc"], journal=journal) == first
        assert len(server.requests) == 1
        asked(server, ["a", "bc"], journal=journal, gold=[1, 2])
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"answers_per_request": 0}, "answers_per_request"), ({"when": [object()]}, "not JSON"),
        ({"number": [float("nan")]}, "not JSON"), ({"deadline_seconds": "1"}, "cannot be asked"),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_is_refused(options: dict[str, Any], said: str) -> None:
    with serving(lengths)() as server, pytest.raises(RewardError, match=said):
        asked(server, ["a"], **options)


def test_no_rollouts_are_no_request() -> None:
    with serving(lengths)() as server:
        assert asked(server, []) == []
    assert not server.connections
