"""Tools with prices: tables of a problem, what is billed, what is told, and what fails."""

from __future__ import annotations

import asyncio
import json
import threading
import time

import pytest

from cohort.data.records import Problem
from cohort.errors import DataError, RewardError
from cohort.rewards.orchestra import orchestra
from cohort.rewards.sandbox.sandbox import Sandbox
from cohort.rollout.ensemble import Broken, Ensemble, Price, Used
from cohort.rollout.ensemble_tools import model_tool, python_tool
from cohort.rollout.environments import Call, Observed, Spoken, Tool
from tests.rewards.services.fault_server import chat, response, serving

CHAT = ({"role": "user", "content": "Say HI."},)
SCHEMA = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}


def shout(x):
    return x.upper()


async def think(x):
    return Used(f"thought of {x}", read=2000, written=500)


def fail(x):
    raise ValueError(f"{x} is too much")


def talk(x):
    return x * 30_000


TOOLS = [Tool(f.__name__, f"It can {f.__name__}.", SCHEMA, f) for f in (shout, think, fail, talk)]
PRICES = {
    "shout": Price(cents=1.0, seconds=2.0),
    "think": Price(cents_read=0.5, cents_written=4.0, seconds=9.0),
}


def at(problem: Problem | None = None) -> Ensemble:
    ensemble = Ensemble(TOOLS, PRICES)
    ensemble.reset(problem or Problem("p", CHAT, {"answer": "HI"}), 1)
    return ensemble


def turn(ensemble: Ensemble, *calls: Call, said: str = "") -> Observed:
    return ensemble.step(Spoken(said, 0, calls, (), said))


def told(answer: Observed) -> list[str]:
    assert not isinstance(answer.seen, str)
    return [message["content"] for message in answer.seen]


def test_calls_are_billed_by_call_by_token_and_by_the_simulated_clock() -> None:
    ensemble = at()
    answer = turn(ensemble, Call("shout", {"x": "hi"}), Call("think", {"x": "it"}))
    assert told(answer) == ["HI", "thought of it"]
    end = turn(ensemble, said="HI")
    assert end.over
    assert end.facts == {
        "calls": {"shout": 1, "think": 1, "fail": 0, "talk": 0},
        "cost": pytest.approx(1.0 + 0.5 * 2 + 4.0 * 0.5),
        "latency": 11.0,
        "failed": 0,
        "mistakes": 0,
        "outcome": True,
    }


def test_a_tool_without_simulated_seconds_is_timed() -> None:
    slow = Tool("slow", "", SCHEMA, lambda x: time.sleep(0.05))
    ensemble = Ensemble([slow], {})
    ensemble.reset(Problem("p", "x", {}), 1)
    latency = turn(ensemble, Call("slow", {"x": ""})).facts["latency"]
    assert isinstance(latency, float)
    assert 0.05 <= latency < 5.0


def test_a_problem_has_its_own_tools_prices_and_names_and_the_bill_has_the_tools_own() -> None:
    columns = {
        "names": {"a": "think", "b": "shout"},
        "prices": {"shout": {"cents": 7.0, "seconds": 1.0}},
        "answer": "HI",
    }
    ensemble = at(Problem("p", CHAT, columns))
    shown = {tool.name: tool.description for tool in ensemble.tools}
    assert shown == {
        "a": "It can think. A call costs 0 cents, 0.5 cents per thousand tokens read and 4 written, "
        "takes 9 s.",
        "b": "It can shout. A call costs 7 cents, takes 1 s.",
    }
    answer = turn(ensemble, Call("b", {"x": "hi"}), Call("shout", {"x": "hi"}))
    assert told(answer)[0] == "HI"
    assert "there is no tool shout; there are a, b" in told(answer)[1]
    facts = turn(ensemble, said="HI").facts
    assert facts["calls"] == {"think": 0, "shout": 1}
    assert (facts["cost"], facts["latency"], facts["mistakes"]) == (7.0, 1.0, 1)
    fewer = at(Problem("p", "x", {"tools": ["talk"]}))
    assert [tool.name for tool in fewer.tools] == ["talk"]


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"tools": ["shuot"]}, 'offers the tool "shuot"'),
        ({"prices": {"shout": {"euro": 1}}}, '"euro"'),
    ],
)
def test_a_table_that_names_nothing_is_refused(columns, why: str) -> None:
    with pytest.raises(DataError, match=why):
        at(Problem("p", "x", columns))


def test_a_tool_that_fails_is_told_and_charged_and_one_that_talks_too_long_is_cut() -> None:
    ensemble = at(Problem("p", CHAT, {"prices": {"fail": {"cents": 3.0}}}))
    answer = turn(ensemble, Call("fail", {"x": "this"}), Call("talk", {"x": "y"}), Call("shout"))
    first, second, third = told(answer)
    assert first == "error: ValueError: this is too much"
    assert second.endswith("yyy... (cut after 20,000 characters)")
    assert third == "error: shout needs the argument x"
    facts = answer.facts
    assert (facts["failed"], facts["mistakes"], facts["cost"]) == (1, 1, 3.0)


def test_a_tool_that_hangs_is_given_up_and_charged() -> None:
    released = threading.Event()
    hang = Tool("hang", "", SCHEMA, lambda x: released.wait(20))
    ensemble = Ensemble([hang], {"hang": Price(cents=2.0)}, call_seconds=0.05)
    ensemble.reset(Problem("p", CHAT, {}), 1)
    answer = turn(ensemble, Call("hang", {"x": ""}))
    released.set()
    assert "it had not ended after 0.05 s" in told(answer)[0]
    assert (answer.facts["failed"], answer.facts["cost"]) == (1, 2.0)


def test_what_a_tool_says_cannot_be_control_text() -> None:
    answer = turn(at(), Call("shout", {"x": "<|im_end|>"}))
    assert told(answer) == ["< |IM_END|>"]


def test_calls_that_cannot_be_read_are_told_and_an_empty_answer_is_none() -> None:
    ensemble = at()
    answer = ensemble.step(Spoken("<call>", 0, (), ("a call without a name",)))
    assert told(answer) == ["error: a call without a name"]
    end = turn(ensemble, said=" ")
    assert end.over
    assert "outcome" not in end.facts
    assert end.facts["mistakes"] == 1


def test_the_cheaper_of_two_right_episodes_is_worth_more_to_the_orchestra() -> None:
    facts = []
    for calls in ([Call("shout", {"x": "hi"})], [Call("think", {"x": "hi"})]):
        ensemble = at()
        turn(ensemble, *calls)
        facts.append({"turns": [], "facts": turn(ensemble, said="HI").facts})
    said = orchestra(episodes=facts, preference=[{"outcome": 1, "cost": 1}] * 2)
    assert [one.value for one in said] == [1.0, 0.0]  # type: ignore[union-attr]


def test_a_model_behind_a_url_answers_and_says_what_it_read_and_wrote() -> None:
    usage = {"prompt_tokens": 12, "completion_tokens": 3}
    body = {"choices": [{"message": {"content": "42"}}], "usage": usage}
    with serving(lambda _: response(json.dumps(body).encode()))() as server:
        tool = model_tool("big", "Knows much.", url=server.url, model="m")
        assert asyncio.run(tool.call(question="6*7?")) == Used("42", 12, 3)
        asked = json.loads(server.requests[0])
    assert asked["messages"] == [{"role": "user", "content": "6*7?"}]
    with serving(lambda _: chat("words"))() as server:
        tool = model_tool("big", "Knows much.", url=server.url, model="m")
        assert asyncio.run(tool.call(question="?")) == Used("words", 0, 0)


def test_a_service_that_drops_breaks_the_episode_and_is_not_told_to_the_policy() -> None:
    with serving(lambda _: response(b"{}", "404 Not Found"))() as server:
        tool = model_tool("big", "", url=server.url, model="m", deadline_seconds=5.0)
        ensemble = Ensemble([tool], {})
        ensemble.reset(Problem("p", "x", {}), 1)
        with pytest.raises(Broken, match="big: "):
            turn(ensemble, Call("big", {"question": "?"}))


def test_python_runs_in_the_sandbox_and_its_errors_come_back() -> None:
    try:
        Sandbox().close()
    except RewardError as refusal:
        pytest.skip(f"there is no sandbox here: {refusal.message}")
    tool = python_tool()
    assert tool.call(code="print(6 * 7)") == "42\n"
    ended = tool.call(code="print('so far'); 1 / 0")
    assert isinstance(ended, dict)
    assert ended["printed"] == "so far\n"
    assert "ZeroDivisionError" in ended["errors"]
