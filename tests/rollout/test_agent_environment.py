"""Agents that know a base URL: what they read and say is the episode, token by token, or it has failed."""

from __future__ import annotations

import dataclasses
import http.client
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from cohort.data.packing import Family, Member, pack
from cohort.data.records import Problem, Rollout
from cohort.errors import RecipeError
from cohort.policy.new import new_tokenizer
from cohort.policy.policy import Policy
from cohort.rollout.agent_environment import AgentEnvironment
from cohort.rollout.episodes import Episodes, Limits
from cohort.rollout.request import Request, Sampling
from cohort.rollout.sampler import sample
from cohort.rollout.voice import Voice
from tests.rollout.agents import ADD, ASK, ask, connected, said, turn, until, waiting
from tests.tiny import PIECES, tiny_policy

TEMPLATE = (
    "{% for m in messages %}{{ {'user': '1', 'assistant': '2'}[m.role] }} {{ m.content }}<end>"
    "{% endfor %}{% if add_generation_prompt %}2 {% endif %}"
)
USER = {"role": "user", "content": "12 13"}
SAMPLING = Sampling(rollouts_per_prompt=6, max_new_tokens=80)
Agent = Callable[[str, Problem], Any]


def chat_policy() -> Policy:
    policy, _ = tiny_policy()
    policy.tokenizer = new_tokenizer(PIECES)
    policy.tokenizer.chat_template = TEMPLATE
    return Policy(policy.model, policy.tokenizer)


def played(
    agent: Agent, *, limits: Limits | None = None, sampling: Sampling = SAMPLING, **options: Any
) -> tuple[Policy, Request, list[Rollout]]:
    """A group of an agent's episodes."""
    policy = chat_policy()
    limits = limits or Limits(turn_seconds=20.0)
    with Episodes(
        lambda: AgentEnvironment(agent, **options),
        [Problem("p", "1")],
        members=sampling.rollouts_per_prompt,
        voice=Voice(policy),
        limits=limits,
        key=(1,),
    ) as conversation:
        requests = [Request("p", conversation.prompts[0], (1, "p"))]
        (group,) = sample(policy, requests, sampling, conversation=conversation)
    return policy, requests[0], group


def chatty(base_url: str, problem: Problem, turns: int = 2, seen: Any = None) -> dict[str, Any]:
    """Says 14 after each turn."""
    messages: list[dict[str, Any]] = [USER]
    for _ in range(turns):
        messages += [said(base_url, messages), {"role": "user", "content": "14"}]
    if seen is not None:
        seen.append([m["content"] for m in messages[1::2]])
    return {"reward": 1.0, "heard": turns}


def failures(group: list[Rollout]) -> set[tuple[str, str]]:
    return {(r.stop, r.episode.failure[0]) for r in group if r.episode and r.episode.failure}


def reasons(group: list[Rollout]) -> str:
    return " ".join(r.episode.failure[1] for r in group if r.episode and r.episode.failure)


def test_what_an_agent_reads_is_what_was_sampled_with_the_trainers_logprobs() -> None:
    seen: list[list[str]] = []
    policy, request, group = played(lambda url, p: chatty(url, p, seen=seen))
    ended = [r for r in group if r.stop == "end"]
    assert len(ended) >= 2
    for rollout in ended:
        assert rollout.episode is not None
        assert rollout.episode.facts == {"reward": 1.0, "heard": 2}
        assert [turn.text for turn in rollout.episode.turns] in seen
        row = pack([Family(request.prompt, (Member(rollout.tokens, 0, rollout.sampled),))])
        with torch.no_grad():
            trained, _ = policy.logprobs(row)
        assert np.abs(trained.numpy() - rollout.logprobs).max() < 1e-5


def test_what_an_agent_is_told_of_tokens_is_what_is_recorded() -> None:
    told: list[tuple[Any, Any]] = []

    def agent(base_url: str, problem: Problem) -> None:
        answer = ask(base_url, messages=[USER], logprobs=True)
        content = answer["choices"][0]["logprobs"]["content"]
        told.append((answer["usage"], [one["logprob"] for one in content]))

    _, request, group = played(agent)
    recorded = [
        [len(request.prompt), len(r.logprobs), r.logprobs.tolist()]
        for r in group
        if r.stop == "end"
    ]
    heard = [[u["prompt_tokens"], u["completion_tokens"], found] for u, found in told]
    assert sorted(heard) == sorted(recorded) != []


def test_no_text_of_an_agents_user_becomes_a_control_token() -> None:
    def agent(base_url: str, problem: Problem) -> None:
        said(base_url, [{"role": "user", "content": problem.columns["text"]}])

    lengths = []
    for text in ("12", "12<end>"):
        policy = chat_policy()
        environment = AgentEnvironment(agent)
        problem = Problem("p", "1", {"text": text})
        prompt = environment.reset(problem, 1)
        environment.close()
        assert not isinstance(prompt, str)
        tokens = Voice(policy).prompt(dataclasses.replace(problem, prompt=prompt), ())
        lengths.append(sum(token in policy.ends for token in tokens.tolist()))
    assert lengths[0] == lengths[1]


def rewriting(base_url: str, problem: Problem) -> None:
    said(base_url, [USER])
    said(base_url, [USER, {"role": "assistant", "content": "other"}, USER])


def forking(base_url: str, problem: Problem) -> None:
    said(base_url, [USER])
    said(base_url, [USER])


def other_tools(base_url: str, problem: Problem) -> None:
    message = said(base_url, [USER])
    said(base_url, [USER, message, USER], tools=[ADD])


@pytest.mark.parametrize("agent", [rewriting, forking, other_tools])
def test_an_agent_that_does_not_go_on_with_what_was_said_is_refused(agent: Agent) -> None:
    seen: list[str] = []

    def told(base_url: str, problem: Problem) -> None:
        try:
            agent(base_url, problem)
        except RuntimeError as error:
            seen.append(str(error))

    _, _, group = played(told)
    assert failures([r for r in group if r.stop != "length"]) == {("failed", "invalid")}
    assert seen
    assert all("conversation" in text or "tools" in text for text in seen)


def quitting(base_url: str, problem: Problem) -> None:
    said(base_url, [USER])
    raise SystemExit(3)


def one_half(base_url: str, problem: Problem) -> float:
    said(base_url, [USER])
    return 0.5


def not_a_number(base_url: str, problem: Problem) -> dict[str, float]:
    said(base_url, [USER])
    return {"reward": float("nan")}


def idle(base_url: str, problem: Problem) -> None:
    said(base_url, [USER])
    time.sleep(2)


def silent(base_url: str, problem: Problem) -> None:
    return None


def early(base_url: str, problem: Problem) -> None:
    raise KeyError("no tools today")


FAULTY = {
    quitting: ("raised", "SystemExit: 3"),
    one_half: ("invalid", "returned float"),
    not_a_number: ("invalid", "JSON cannot say"),
    idle: ("deadline", "asked nothing for 0.2 s"),
    silent: ("raised", "ended before it asked"),
    early: ("raised", "no tools today"),
}


@pytest.mark.parametrize("agent", FAULTY)
def test_an_agent_that_fails_fails_its_episodes(agent: Agent) -> None:
    kind, why = FAULTY[agent]
    _, _, group = played(agent, seconds=0.2)
    group = [r for r in group if r.stop != "length"]
    assert failures(group) == {("failed", kind)}
    assert why in reasons(group)


def begun(base_url: str) -> http.client.HTTPConnection:
    """A request on its way."""
    connection = connected(base_url)
    path = "/" + base_url.split("/", 3)[3]
    body = json.dumps(ASK | {"messages": [USER]}).encode()
    connection.request("POST", f"{path}/chat/completions", body)
    return connection


def test_a_request_whose_client_has_gone_is_none() -> None:
    seen: list[str] = []

    def agent(base_url: str, problem: Problem) -> None:
        begun(base_url).close()
        seen.append(said(base_url, [USER])["content"])

    _, _, group = played(agent)
    ended = [r.text for r in group if r.stop == "end"]
    assert sorted(seen) == sorted(ended) != []


def test_an_agent_whose_connection_broke_asks_again_and_gets_the_same_turn() -> None:
    taken, closed, noticed = (threading.Event() for _ in range(3))

    def agent(base_url: str, problem: Problem) -> dict[str, Any]:
        connection = begun(base_url)
        taken.wait(10)
        connection.close()
        closed.set()
        noticed.wait(10)
        return {"heard": said(base_url, [USER])["content"]}

    environment = AgentEnvironment(agent)
    environment.reset(Problem("p", "1"), 1)
    taken.set()
    assert closed.wait(10)
    assert until(lambda: not waiting())
    noticed.set()
    assert environment.step(turn("3")).facts == {"heard": "3"}
    environment.close()


def test_an_episode_that_is_cut_refuses_its_agent_and_has_no_facts() -> None:
    codes: list[Any] = []

    def agent(base_url: str, problem: Problem) -> dict[str, float]:
        try:
            chatty(base_url, problem, turns=3)
        except (RuntimeError, http.client.HTTPException) as error:
            codes.append(str(error))
        return {"reward": 1.0}

    _, _, group = played(agent, limits=Limits(turns=2, turn_seconds=20.0))
    cut = [r for r in group if r.stop == "turns"]
    assert cut
    assert all(r.episode is not None and r.episode.facts == {} for r in cut)
    assert "episode is over" in codes[0]


def test_an_agent_may_be_a_coroutine() -> None:
    async def agent(base_url: str, problem: Problem) -> dict[str, Any]:
        return chatty(base_url, problem, turns=1)

    _, _, group = played(agent)
    assert any(r.episode and r.episode.facts.get("heard") == 1 for r in group)


def test_what_an_endpoint_cannot_ignore_is_refused() -> None:
    with pytest.raises(RecipeError, match="cannot ignore messages"):
        AgentEnvironment(silent, ignore=["messages"])
