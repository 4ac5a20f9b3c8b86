"""How an episode sounds to a policy: turns as text with the calls in them, what is shown as tokens.

A text prompt goes on as text. A chat goes on by the model's template, which is told of the tools that the
environment has; a turn is then a message of the assistant, its calls as data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cohort.data.records import Problem
from cohort.errors import ModelError
from cohort.policy.policy import Policy
from cohort.policy.turns import Shown, Turns
from cohort.rollout.calls import form_of, spoken
from cohort.rollout.environments import Prompt, Sampled, Spoken, Tool
from cohort.rollout.messages import said

Tokens = NDArray[np.int32]
ToolEntries = tuple[Mapping[str, Any], ...]
"""Entries of a chat template's `tools`."""
SHORT_CHARACTERS = 1_000_000
"""What is tokenised in no time."""


class Voice:
    """Of one policy. calls: how it writes calls, `auto` as its chat template does; `none`: it does not."""

    def __init__(self, policy: Policy, calls: str = "none") -> None:
        """Raises ModelError where the template shows no form of calls, and is asked for one."""
        self._policy = policy
        self._form = "" if calls == "none" else calls
        if calls == "auto":
            if not getattr(policy.tokenizer, "chat_template", None):
                raise ModelError(
                    "this tokenizer has no chat template that could show a form of calls",
                    'name the form: environment.calls = "json"',
                )
            self._form = form_of(policy.chats.template(with_tools=True))
        self._turns: dict[str, Turns] = {}
        self._longest = 0

    def prompt(self, problem: Problem, tools: ToolEntries) -> Tokens:
        """The prompt of an episode. Raises DataError and ModelError."""
        if isinstance(problem.prompt, str):
            return self._policy.prompt_tokens(problem)
        of = f"the prompt of problem {problem.id!r}"
        return self._by_template(tools).prompt(problem.prompt, of).tokens

    def heard(self, turn: Sampled, number: int) -> Spoken:
        """A turn of the policy."""
        return replace(spoken(self._policy.text(turn.tokens), number, self._form), sampled=turn)

    def read(self, tokens: Sequence[int]) -> str:
        """Tokens as text, special ones too."""
        return str(self._policy.tokenizer.decode(list(tokens), skip_special_tokens=False))

    def text(self, tokens: Tokens) -> str:
        """Tokens as text, without special ones."""
        return self._policy.text(tokens)

    @property
    def nothing(self) -> Tokens:
        """What stands for a prompt where there is none: one end token."""
        return np.array([min(self._policy.ends)], dtype=np.int32)

    def overflows(self, shown: Prompt) -> bool:
        """Whether a text is so long that it cannot be in the model's context, however it is tokenised;
        a short one is not looked at."""
        texts = [shown] if isinstance(shown, str) else [str(m.get("content")) for m in shown]
        length = sum(map(len, texts))
        if length <= SHORT_CHARACTERS:
            return False
        self._longest = self._longest or max(
            map(len, self._policy.tokenizer.get_vocab()), default=1
        )
        return length > self._policy.context * self._longest

    def fits(self, prompt: Tokens) -> bool:
        """Whether there is room for an answer behind it."""
        return len(prompt) < self._policy.context

    def shown(
        self,
        before: list[Mapping[str, Any]],
        turn: Spoken,
        seen: Prompt,
        last: int,
        tools: ToolEntries,
    ) -> Shown:
        """What stands after a turn, whose last token is `last`. before: the messages of a chat until
        the turn, which this one and the new ones are added to."""
        if isinstance(seen, str) and not before:
            return self._by_template(tools).text_shown(seen, last)
        if isinstance(seen, str):
            seen = ({"role": "user", "content": seen},)
        before.append(said(turn))
        ended = last in self._policy.ends
        found = self._by_template(tools).shown(
            before, seen, "what an environment shows", ended=ended
        )
        before.extend(seen)
        return found

    def afresh(
        self, seen: Prompt, tools: ToolEntries
    ) -> tuple[list[Mapping[str, Any]], Tokens, str]:
        """A context that stands in the place of everything before: the messages of a chat, its tokens,
        and those as text."""
        tokens = self.prompt(Problem("a context that an environment wrote anew", seen), tools)
        messages = [] if isinstance(seen, str) else list(seen)
        return messages, tokens, self._policy.text(tokens)

    def _by_template(self, tools: ToolEntries) -> Turns:
        policy, key = self._policy, json.dumps(tools)
        if key not in self._turns:
            self._turns[key] = Turns(policy.tokenizer, policy.chats, policy.ends, tools)
        return self._turns[key]


def entries_of(tools: Sequence[Tool | Mapping[str, Any]]) -> ToolEntries:
    """Tools as a chat template knows them."""
    return tuple(tool.schema if isinstance(tool, Tool) else tool for tool in tools)
