"""The judge as a reward, asked over loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cohort.config.stages import Reward
from cohort.errors import RewardError
from cohort.rewards.asked import MemoryJournal
from cohort.rewards.functions import load_rewards
from cohort.rewards.judge.judge import judge
from cohort.rewards.outcome import Failed, Outcome, Scored, Unscorable
from tests.rewards.judge.mock_judges import Mock, mark_in, text_in
from tests.rewards.services.fault_server import Server, chat, serving

RIGHT = {"rubric": "The answer is right.", "model": "m"}


def asked(server: Server, completions: Sequence[Any], **options: Any) -> list[Outcome]:
    return asyncio.run(judge(completions=completions, url=server.url, **{**RIGHT, **options}))


def shown(body: bytes) -> dict[str, str]:
    """What stands in the block of a question."""
    return json.loads(text_in(body).partition(">\n")[2].partition("\n<")[0])


def verdict(body: bytes, **said: object) -> bytes:
    return chat(json.dumps({"nonce": mark_in(body), **said}))


def reads(body: bytes) -> bytes:
    """A judge that looks into the block: 42 is right."""
    return verdict(body, verdict="pass" if shown(body)["answer"] == "42" else "fail")


def sees_only(order: Sequence[str], then: Mock = reads) -> Mock:
    """A judge that passes everything that is shown in one order."""

    def reply(body: bytes) -> bytes:
        return verdict(body, verdict="pass") if list(shown(body)) == list(order) else then(body)

    return reply


def test_a_judge_s_verdicts_are_rewards_in_order() -> None:
    with serving(reads)() as server:
        outcomes = asked(server, ["41", "42", [{"role": "assistant", "content": "42"}], "..."])
    assert outcomes == [Scored(0.0), Scored(1.0), Scored(1.0), Scored(0.0)]
    assert len(server.requests) == 2, "equal questions are asked once, and trivial ones never"


def test_a_question_holds_the_rubric_at_temperature_0_and_the_schema() -> None:
    with serving(reads)() as server:
        asked(server, ["42"], prompts=["6 * 7"])
    request = json.loads(server.requests[0])
    assert (request["temperature"], request["model"]) == (0, "m")
    assert "The answer is right." in request["messages"][0]["content"]
    assert request["response_format"]["json_schema"]["strict"]
    assert shown(server.requests[0]) == {"problem": "6 * 7", "answer": "42"}


def test_only_what_follows_the_thinking_is_shown() -> None:
    with serving(reads)() as server:
        prompts = ["6 * 7 <think>", "6 * 7"]
        outcomes = asked(server, ["41? no.</think> 42", "<think>42"], prompts=prompts)
    assert outcomes == [Scored(1.0), Scored(0.0)]
    assert [shown(body)["answer"] for body in server.requests] == ["42"]


def test_a_reference_is_shown_only_in_the_block() -> None:
    with serving(reads)() as server:
        asked(server, ["42"], reference="gold", gold=["forty-two"])
    assert shown(server.requests[0])["reference"] == "forty-two"
    assert text_in(server.requests[0]).count("forty-two") == 1
    with serving(reads)() as server, pytest.raises(RewardError, match="there are gold"):
        asked(server, ["42"], reference="answer", gold=["42"])


def test_points_and_a_rubric_of_a_file_are_told(tmp_path: Path) -> None:
    (tmp_path / "rubric.txt").write_text("Two points for units.")
    with serving(lambda body: verdict(body, points=3))() as server:
        outcomes = asked(
            server, ["42 m"], points=4, rubric="", rubric_file=str(tmp_path / "rubric.txt")
        )
    assert outcomes == [Scored(0.75)]
    assert "Two points for units." in text_in(server.requests[0])
    assert "from 0 to 4" in text_in(server.requests[0])


def test_an_answer_beyond_what_a_judge_reads_is_not_scored() -> None:
    with serving(reads)() as server:
        (outcome,) = asked(server, ["42 " * 20_000])
    assert isinstance(outcome, Unscorable)
    assert not server.requests


def test_a_judge_that_hangs_on_the_order_gives_no_reward() -> None:
    with serving(sees_only(["problem", "answer"]))() as server:
        options: dict[str, Any] = {"prompts": ["6 * 7"] * 2, "agreement": 1.0}
        outcomes = asked(server, ["41", "42"], **options)
    assert isinstance(outcomes[0], Unscorable)
    assert outcomes[1] == Scored(1.0)
    assert len(server.requests) == 4


def test_points_of_both_orders_may_differ_by_one_and_count_half_each() -> None:
    def reply(body: bytes) -> bytes:
        return verdict(body, points=2 if next(iter(shown(body))) == "problem" else 3)

    with serving(reply)() as server:
        options: dict[str, Any] = {"prompts": ["6 * 7"], "agreement": 1.0}
        assert asked(server, ["42"], points=4, **options) == [Scored(0.625)]


def test_a_judge_that_passes_a_known_bad_answer_is_believed_in_nothing() -> None:
    with serving(lambda body: verdict(body, verdict="pass"))() as server:
        outcomes = asked(server, ["42", "41", "..."], canaries=1.0)
    assert all(isinstance(o, Failed) and "known bad" in o.reason for o in outcomes[:2])
    assert outcomes[2] == Scored(0.0), "settled by rule"
    with serving(reads)() as server:
        assert asked(server, ["42"], canaries=1.0, canary="41") == [Scored(1.0)]
        assert len(server.requests) == 2


def test_the_share_of_answers_with_a_canary_is_about_the_stated_one() -> None:
    with serving(lambda body: verdict(body, verdict="fail"))() as server:
        asked(server, [str(n) for n in range(80)], canaries=0.25, canary="none of them")
    checks = sum(shown(body)["answer"] == "none of them" for body in server.requests)
    assert checks == 1, "without a problem it is the same question"
    assert len(server.requests) == 81


def test_a_journal_replays_every_verdict_and_nothing_is_asked_again() -> None:
    journal = MemoryJournal()
    with serving(reads)() as server:
        first = asked(server, ["41", "42"], journal=journal)
        again = asked(server, ["42", "41"], journal=journal)
        assert len(server.requests) == 2
        asked(server, ["42"], journal=journal, rubric="Another one.")
        asked(server, ["42"], journal=journal, model="another")
        assert len(server.requests) == 4
    assert again == first[::-1]
    assert len(journal.answers) == 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model": ""}, "no model"), ({"rubric": ""}, "no rubric"), ({"points": -1}, "points"),
        ({"rubric_file": "x"}, "two rubrics"), ({"agreement": 2.0}, "agreement"),
        ({"canaries": "a"}, "canaries"),
        ({"rubric": "", "rubric_file": "/none"}, "cannot be read"), ({"most_tokens": 0}, "most_tokens"),
        ({"deadline_seconds": 0.0}, "cannot be asked"), ({"concurrency": 0}, "cannot be asked"),
        ({"url": ""}, "no url"),
        ({"retry_budget": True}, "cannot be asked"), ({"key_variable": "sk-1"}, "no name of an environment"),
    ],
)  # fmt: skip
def test_an_option_that_makes_no_sense_is_refused(options: dict[str, Any], said: str) -> None:
    given = {**RIGHT, "url": "http://127.0.0.1:1/v1", **options}
    with pytest.raises(RewardError, match=said):
        asyncio.run(judge(completions=["42"], **given))


def test_a_recipe_names_the_judge_and_its_options(tmp_path: Path) -> None:
    options = {"url": "http://127.0.0.1:1/v1", "model": "m", "rubric": "Right?", "points": 3}
    spec = Reward.model_validate({"weight": 0.5, **options})
    (reward,) = load_rewards({"judge": spec}, task_rewards={}, base=tmp_path)
    assert (reward.name, reward.requires, reward.arguments) == ("judge", (), options)
