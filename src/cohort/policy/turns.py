"""What a conversation shows after a turn of the policy, as tokens of the model's chat template.

Tokens are the truth: what was sampled is never tokenised again. The template is rendered with a word in
the place of the turn and the new messages after it; what it writes behind that turn's end is what is
shown, and it is all that is taken from it. So the tokens of an episode are the prompt's, then by turns what
was sampled and what was shown, whatever the template would make of the whole conversation later on.

Many templates rewrite what was said: they strip thoughts of earlier turns, or the space around a text.
`rewrites` names what a template does so; the recorded tokens are kept all the same.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cohort.errors import ModelError, legible
from cohort.policy.bounded import Chats
from cohort.policy.verbatim import Verbatim

Messages = Sequence[Mapping[str, Any]]
"""Of a chat: role and content; of the assistant perhaps `tool_calls`, of a tool name and id."""

PROBES = {
    "answers": "an answer",
    "thoughts": "<think>\nfirst\n</think>\n\nan answer",
    "space around answers": " an answer \n",
}
"""What a policy may have said, by what it shows of a template."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What is shown after a turn: int32 [n], and the same as text."""

    tokens: NDArray[np.int32]
    text: str


class Turns:
    """Conversations by one tokenizer's template, with the tools that it tells of.

    ends: tokens that end a turn. tools: entries for the template's `tools`.
    """

    def __init__(
        self,
        tokenizer: Any,
        chats: Chats,
        ends: Collection[int],
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self._tokenizer, self._chats = tokenizer, chats
        self._verbatim = Verbatim(tokenizer)
        self._tools = tuple(tools)
        self._ends = {str(tokenizer.convert_ids_to_tokens(end)): end for end in sorted(ends)}

    def prompt(self, messages: Messages, of: str) -> Shown:
        """The prompt of an episode; `of` names it in a refusal.

        A last turn of the assistant is how its answer begins: written as it is, control tokens too,
        for it is the asking side's.

        Raises ModelError where the template does not render it, or leaves out a tool.
        """
        begun = len(messages) > 1 and messages[-1]["role"] == "assistant"
        marked = self._verbatim.marked(messages[:-1] if begun else messages)
        text = self._chats.text(marked.messages, of, self._tools)
        text += str(messages[-1]["content"]) if begun else ""
        for tool in self._tools:
            name = tool["function"]["name"]
            if name not in text:
                raise ModelError(
                    f"the chat template does not show the tool {legible(name)} to the policy",
                    "describe the tools in a message of the prompt, and name the form of calls",
                )
        return self._shown(*self._verbatim.tokens(text, marked))

    def shown(self, before: Messages, seen: Messages, of: str, *, ended: bool = True) -> Shown:
        """What stands after a turn: the messages seen, and all that leads to the next turn.

        before: the messages until then, the turn itself last. ended: whether the turn's last token
        ends it; the template's own end is shown too where it does not.

        Raises ModelError where the template does not render it, or shows no place where the turn ends.
        """
        assert before[-1]["role"] == "assistant", before[-1]["role"]
        marked = self._verbatim.marked(seen)
        tail, end = self._tail(before, marked.messages, of, ended)
        return self._shown(*self._verbatim.tokens(tail, marked, end))

    def text_shown(self, text: str, last: int | None) -> Shown:
        """What is shown where the prompt is text: a text as it is, after the token `last`."""
        marked = self._verbatim.marked([{"role": "user", "content": text}])
        content = marked.messages[0]["content"]
        return self._shown(*self._verbatim.tokens(content, marked, last, goes_on=True))

    def rewrites(self) -> tuple[str, ...]:
        """What of earlier turns the template shows otherwise than it was said; none, at best."""
        asked, more = ({"role": "user", "content": text} for text in ("a question", "another"))
        one = self._chats.text([asked], "a question", self._tools)
        found = []
        for name, said in PROBES.items():
            turns = [asked, {"role": "assistant", "content": said}]
            tail = self.shown(turns, [more], "a question", ended=False).text
            both = self._chats.text([*turns, more], "two questions", self._tools)
            if both != one + said + tail:
                found.append(name)
        return tuple(found)

    def _tail(
        self, before: Messages, seen: Messages, of: str, ended: bool
    ) -> tuple[str, int | None]:
        """What the template writes behind a turn: with its calls as data, and where the template has
        no place for them, as text."""
        word = _unused_word([*before, *seen])
        turns = [*before[:-1], _stand_in(before[-1], word)]
        plain = [{k: v for k, v in turn.items() if k != "tool_calls"} for turn in turns]
        if plain != turns:
            try:
                return self._behind(word, [*turns, *seen], of, ended)
            except ModelError:
                pass
        return self._behind(word, [*plain, *seen], of, ended)

    def _behind(
        self, word: str, messages: Messages, of: str, ended: bool
    ) -> tuple[str, int | None]:
        """The text behind the end of the turn that a word stands for, and the token of that end."""
        text = self._chats.text(messages, of, self._tools)
        place = text.rfind(word)
        tail = text[place + len(word) :]
        called = any("tool_calls" in message for message in messages)
        ends = sorted((tail.find(name), name) for name in self._ends if name in tail)
        if ends and not called and tail[: ends[0][0]].strip():
            ends = []  # it is another turn's: this one ends without a token
        if place < 0 or (called and not ends):
            raise ModelError(
                f"the chat template does not show where the turn before {of} ends",
                "use a template that shows every turn of the assistant",
            )
        if not ends:
            return tail, None
        begin, name = ends[0]
        return (tail[begin + len(name) :], self._ends[name]) if ended else (tail[begin:], None)

    def _shown(self, ids: Sequence[int], text: str) -> Shown:
        return Shown(np.asarray(ids, dtype=np.int32), text)


def _stand_in(message: Mapping[str, Any], word: str) -> dict[str, Any]:
    """A turn with a word for all that it said; its calls keep their names, which a template may
    repeat beside their results, and have the word in their arguments."""
    made = {**message, "content": word}
    if message.get("tool_calls"):
        made["tool_calls"] = [
            {**call, "function": {**call["function"], "arguments": {word: 0}}}
            for call in message["tool_calls"]
        ]
    return made


def _unused_word(messages: Messages) -> str:
    """A word that no message holds."""
    everything = json.dumps([dict(message) for message in messages], ensure_ascii=False)
    return next(word for n in itertools.count() if (word := f"turn{n}said") not in everything)
