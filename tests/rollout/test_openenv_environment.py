"""Environments of an OpenEnv server, over a WebSocket on the loopback address."""

import time

import pytest

from cohort.data.records import Problem
from cohort.errors import RecipeError
from cohort.rollout.calls import spoken
from cohort.rollout.environments import Observed
from cohort.rollout.openenv_environment import OpenEnvEnvironment, described
from tests.rollout.openenv_server import FAULTS, serving

CHAT = Problem("p", ({"role": "user", "content": "Guess. "},), {"level": 3})


def played(environment: OpenEnvEnvironment, text: str) -> Observed:
    return environment.step(spoken(text, 0))


def test_an_episode_is_a_session_of_the_server() -> None:
    with serving() as server:
        environment = OpenEnvEnvironment(server.url, columns=["level"])
        prompt = environment.reset(CHAT, 5)
        assert prompt[0]["content"].startswith("Guess. From 1 to 9")  # type: ignore[index]
        assert server.resets == [{"seed": 5, "level": 3}]
        turns = [played(environment, f" {guess}\n") for guess in range(1, 9)]
        right = next(turn for turn in turns if turn.over)
        assert (right.seen, right.reward) == (({"role": "user", "content": "right"},), 1.0)
        assert turns[-1].facts == {"steps": 8, "mistakes": 0}
        environment.close()


def test_members_of_a_group_have_sessions_of_their_own_and_one_state() -> None:
    with serving(sessions=3) as server:
        members = [OpenEnvEnvironment(server.url) for _ in range(3)]
        prompts = {str(member.reset(CHAT, 7)) for member in members}
        assert len(prompts) == len({member.state_hash() for member in members}) == 1
        over = [played(member, str(guess)).over for guess, member in enumerate(members, 1)]
        again = [played(member, str(guess)).over for guess, member in enumerate(members, 1)]
        assert over == again
        for member in members:
            member.close()


def test_an_invalid_action_is_told_to_the_policy() -> None:
    with serving() as server:
        environment = OpenEnvEnvironment(server.url)
        environment.reset(Problem("p", "Guess. "), 1)
        wrong = played(environment, "seven")
        assert wrong.seen == "\nerror: a guess is a number (VALIDATION_ERROR)\n"
        assert (wrong.over, wrong.reward, wrong.facts) == (False, None, {"steps": 0, "mistakes": 1})
        assert played(environment, "9").facts["steps"] == 1
        environment.close()


def test_a_server_without_a_session_left_says_so() -> None:
    with serving(sessions=1) as server:
        first, second = OpenEnvEnvironment(server.url), OpenEnvEnvironment(server.url)
        first.reset(CHAT, 1)
        with pytest.raises(ConnectionError, match="no session is left"):
            second.reset(CHAT, 1)
        first.close()
        second.close()


@pytest.mark.parametrize("fault", ["drop", "close", "large", "masked", *FAULTS])
def test_what_breaks_on_the_way_is_a_failure(fault: str) -> None:
    with serving(fault=fault) as server:
        environment = OpenEnvEnvironment(server.url)
        environment.reset(CHAT, 1)
        with pytest.raises(ConnectionError):
            played(environment, "3")
        environment.close()


def test_a_server_that_hangs_is_left_at_the_deadline() -> None:
    with serving(fault="hang") as server:
        environment = OpenEnvEnvironment(server.url, seconds=0.2)
        environment.reset(CHAT, 1)
        began = time.monotonic()
        with pytest.raises(ConnectionError, match="does not answer"):
            played(environment, "3")
        assert time.monotonic() - began < 2.0
        environment.close()


@pytest.mark.parametrize(
    ("fault", "said"), [("status", "opens no WebSocket"), ("key", "another key")]
)
def test_what_is_no_websocket_is_refused(fault: str, said: str) -> None:
    with serving(fault=fault) as server, pytest.raises(ConnectionError, match=said):
        OpenEnvEnvironment(server.url).reset(CHAT, 1)


def test_nobody_at_an_address_is_a_failure_and_no_address_a_refusal() -> None:
    with serving() as server:
        url = server.url
    with pytest.raises(ConnectionError, match="cannot be reached"):
        OpenEnvEnvironment(url).reset(CHAT, 1)
    with pytest.raises(RecipeError, match="is no address"):
        OpenEnvEnvironment("here").reset(CHAT, 1)


def test_an_observation_is_its_text_or_its_json() -> None:
    assert described({"text": "hello", "done": False, "reward": None}) == "hello"
    assert described({"a": 1, "text": "é", "metadata": {}}) == '{"a": 1, "text": "é"}'
    assert described({}) == ""
