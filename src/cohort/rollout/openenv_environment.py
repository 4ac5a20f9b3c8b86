"""An environment that an OpenEnv server plays, one session over a WebSocket for each episode.

A server answers `reset` and `step` with an observation, a reward, and whether it is over. What an
observation is as text, and what of a turn is an action, is the environment's own; the defaults suit those
with one text. An action that the server finds invalid is the policy's mistake and is told to it; every other
error of the server, or of the connection, is a failure of the episode.

Servers have one session by default. A group needs as many as it has rollouts, at the same time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cohort.data.records import Problem
from cohort.errors import legible
from cohort.rewards.json_schema import NotJson, read_json
from cohort.rollout.environments import VERSION, Observed, Prompt, Spoken
from cohort.rollout.messages import with_text
from cohort.rollout.told import told
from cohort.rollout.websocket import WebSocket

ASIDE = ("done", "reward", "metadata")
"""What of an observation is no observation."""
MOST_CHARACTERS = 8000
"""Of an observation that are shown."""

Describe = Callable[[Mapping[str, Any]], str]
Act = Callable[[Spoken], Mapping[str, Any]]


class InvalidAction(ValueError):
    """What a turn says is no action; the text is for the policy. Also for `act` to raise."""


def described(observation: Mapping[str, Any]) -> str:
    """Its text where it has one field and that is text; else what it has, as JSON."""
    own = {name: value for name, value in observation.items() if name not in ASIDE}
    only = next(iter(own.values()), "")
    if len(own) <= 1 and isinstance(only, str):
        return only
    return json.dumps(own, ensure_ascii=False)


def as_message(spoken: Spoken) -> dict[str, Any]:
    """The arguments of a turn's first call, or else its text as the field `message`."""
    if spoken.calls:
        return dict(spoken.calls[0].arguments)
    return {"message": (spoken.content or spoken.text).strip()}


class OpenEnvEnvironment:
    """One session. url: of the server, as ws://HOST:PORT or http://HOST:PORT.

    describe: an observation as text. act: a turn as an action. columns: of the problem that go to the
    server's `reset`, beside the seed. seconds: that one answer of the server may take.
    """

    protocol = VERSION

    def __init__(
        self,
        url: str,
        *,
        describe: Describe = described,
        act: Act = as_message,
        columns: Sequence[str] = (),
        seconds: float = 60.0,
    ) -> None:
        self._url = url if url.rstrip("/").endswith("/ws") else f"{url.rstrip('/')}/ws"
        self._describe, self._act, self._columns = describe, act, tuple(columns)
        self._seconds = seconds
        self._socket: WebSocket | None = None
        self._counts = {"steps": 0, "mistakes": 0}
        self._is_chat = False
        self._state = ""

    def reset(self, problem: Problem, seed: int) -> Prompt:
        """The problem's prompt, and after it the server's first observation."""
        self.close()
        self._socket = WebSocket(self._url, seconds=self._seconds)
        own = {name: problem.columns[name] for name in self._columns}
        first = self._asked("reset", {"seed": seed % 2**31, **own})
        text = told(self._describe(first["observation"]), MOST_CHARACTERS)
        self._state = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        self._is_chat = not isinstance(problem.prompt, str)
        if isinstance(problem.prompt, str):
            return problem.prompt + text
        return with_text(problem.prompt, text)

    def state_hash(self) -> str:
        """Of what was observed first; a server's own state holds the number of its session."""
        return self._state

    def step(self, spoken: Spoken) -> Observed:
        """What the server makes of a turn."""
        try:
            came = self._asked("step", dict(self._act(spoken)))
        except InvalidAction as wrong:
            self._counts["mistakes"] += 1
            return Observed(self._seen(f"error: {wrong}"), facts=dict(self._counts))
        self._counts["steps"] += 1
        reward = came.get("reward")
        return Observed(
            self._seen(self._describe(came["observation"])),
            reward=None if reward is None else float(reward),
            over=bool(came.get("done")),
            facts=dict(self._counts),
        )

    def close(self) -> None:
        """End the session."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _seen(self, text: str) -> Prompt:
        shown = told(text, MOST_CHARACTERS)
        return ({"role": "user", "content": shown},) if self._is_chat else f"\n{shown}\n"

    def _asked(self, kind: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """The data of the server's answer. Raises InvalidAction and ConnectionError."""
        assert self._socket is not None, f"{kind} before reset"
        self._socket.send(json.dumps({"type": kind, "data": dict(request)}))
        try:
            answer = read_json(self._socket.receive())
        except NotJson as error:
            raise ConnectionError(f"the server's answer to {kind} is no JSON: {error}") from error
        data: Any = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, dict):
            raise ConnectionError(f"the server answers {kind} with {legible(repr(answer))}")
        if answer.get("type") == "error":
            said = f"{legible(str(data.get('message')), 300)} ({legible(str(data.get('code')))})"
            if data.get("code") == "VALIDATION_ERROR" and kind == "step":
                raise InvalidAction(said)
            raise ConnectionError(f"the server refuses {kind}: {said}")
        if not isinstance(data.get("observation"), dict):
            raise ConnectionError(f"the server's answer to {kind} has no observation")
        return data
