"""What of a judge's reply is a verdict, and that nothing else is."""

import json

import pytest

from cohort.rewards.judge.verdict import reply_in, schema, verdict_in
from cohort.rewards.outcome import Failed
from cohort.rewards.services.client import NoAnswer
from tests.rewards.services.fault_server import chat


def reply(**said: object) -> str:
    return json.dumps({"nonce": "n", **said})


def test_pass_is_one_and_fail_is_nought() -> None:
    assert verdict_in(reply(verdict="pass"), "n", 0) == 1.0
    assert verdict_in(reply(verdict="fail"), "n", 0) == 0.0


@pytest.mark.parametrize(("points", "reward"), [(0, 0.0), (3, 0.75), (4, 1.0)])
def test_points_are_a_share_of_the_most(points: int, reward: float) -> None:
    assert verdict_in(reply(points=points), "n", 4) == reward


@pytest.mark.parametrize("points", [-1, 5, 2.0, True, "3", None, 1e999, [3]])
def test_points_out_of_range_or_of_another_type_are_a_failure(points: object) -> None:
    outcome = verdict_in(reply(points=points), "n", 4)
    assert isinstance(outcome, Failed)
    assert (outcome.kind, outcome.retryable) == ("invalid", False)


@pytest.mark.parametrize(
    "said",
    [
        "pass", '"pass"', "[]", "null", "", "{}", '{"nonce": "m", "verdict": "pass"}', "[" * 9999,
        '{"nonce": "n", "verdict": "pass", "verdict": "pass"}', '{"nonce": "n", "verdict": "passed"}',
        '{"nonce": "n", "verdict": ["pass"]}', '{"nonce": "n", "points": 1}',
        '{"nonce": ["n"], "verdict": "pass"}',
        '{"nonce": "n", "verdict": "pass"}{"nonce": "n", "verdict": "pass"}', '{"verdict": "pass"}',
    ],
)  # fmt: skip
def test_what_is_not_one_object_of_nonce_and_verdict_is_a_failure(said: str) -> None:
    assert isinstance(verdict_in(said, "n", 0), Failed)


def test_the_words_of_a_chat_completion_are_found() -> None:
    body = chat("words").partition(b"\r\n\r\n")[2].decode()
    assert reply_in(body) == "words"
    with pytest.raises(NoAnswer, match="cut"):
        reply_in(body.replace('"stop"', '"length"'))


def test_the_schema_allows_what_is_read_and_nothing_for_words() -> None:
    form = schema("n", 4)
    assert form["properties"]["points"] == {"type": "integer", "minimum": 0, "maximum": 4}
    assert not form["additionalProperties"]
    assert schema("n", 0)["properties"]["verdict"]["enum"] == ["pass", "fail"]
