"""Text of others that stays text, whatever it spells.

A chat template's text is tokenised as a whole, so `<|im_end|>` in what a user or a tool said would become
the very token that ends a turn. Here each place where a text of others would become such a token is
marked before the template is rendered, and the rendered text is taken apart at the marks: what was
said stays what was said, letter by letter, in tokens of its own. Texts without such places are
tokenised as ever.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cohort.errors import ModelError

TRUSTED = ("system", "developer", "assistant")
"""Roles whose text may write control tokens: who writes a system message writes for the template."""
PRIVATE = range(0xF0000, 0xFFFFE)
"""Characters that nothing means; one that no text holds stands for the letter that it marks."""
MARKUP = re.compile(r"[<>\[\]{}|\uff5c]")
"""What an added token that is not special holds if it is a tag, and no run of spaces, no word."""
ROUNDS = 8
"""Of looking for places in one text: a mark may uncover another token beneath."""


@dataclass(slots=True)
class Marked:
    """Messages with their marks, and the letter that each mark stands for."""

    messages: list[dict[str, Any]]
    letters: dict[str, str] = field(default_factory=dict)

    def unmarked(self, text: str) -> str:
        """A text with its letters back."""
        return text.translate({ord(mark): letter for mark, letter in self.letters.items()})


class Verbatim:
    """Of one tokenizer: which of its tokens no text of others may become."""

    def __init__(self, tokenizer: Any) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise ModelError(
                "the tokenizer cannot say which letters a token is of",
                "use a model with a tokenizer.json",
            )
        self._tokenizer = tokenizer
        added = tokenizer.added_tokens_decoder
        tags = {token for token, what in added.items() if MARKUP.search(what.content)}
        known = {token for token, what in added.items() if what.special}
        nothing = {tokenizer.unk_token_id}  # what it does not know is no control
        self._special = (known | set(tokenizer.all_special_ids)) - nothing
        self._added = (self._special | tags) - nothing

    def marked(self, messages: Sequence[Mapping[str, Any]]) -> Marked:
        """Messages, marked where they would become control tokens: of tools, any added token;
        of others special ones alone, since who asks may speak of `<think>`."""
        made = Marked([dict(message) for message in messages])
        marks: Iterator[str] | None = None
        for message in made.messages:
            if message.get("role") in TRUSTED or not isinstance(message.get("content"), str):
                continue
            control = self._added if message.get("role") == "tool" else self._special
            for _ in range(ROUNDS):
                places = self._places(message["content"], control)
                if not places:
                    break
                marks = marks or _unused(messages)
                message["content"] = _mark(message["content"], places, made.letters, marks)
        return made

    def tokens(
        self, text: str, marked: Marked, before: int | None = None, *, goes_on: bool = False
    ) -> tuple[list[int], str]:
        """The tokens of a rendered text, and the text itself without marks.

        before: the token that stands before it, which the tokenizer may look at. goes_on: whether the
        text begins in the middle of another, as `following` has it.
        """
        marks = "".join(marked.letters)
        first, *more = re.split(f"(?<=[{marks}])", text) if marks else [text]
        begins = marked.unmarked(first)
        ids = self.following(begins, before) if goes_on else self._after(begins, before)
        for piece in more:
            ids = ids + self.following(marked.unmarked(piece), ids[-1] if ids else before)
        if more and self._controls(ids) != self._controls(self._after(text, before)):
            raise ModelError(
                "a text of others cannot be told from the tokenizer's control tokens",
                "use another tokenizer, or answers without such text",
            )
        return ids, marked.unmarked(text)

    def following(self, text: str, before: int | None = None) -> list[int]:
        """The tokens of a text that goes on after others: such that decode to nothing but that text,
        without the space that some tokenizers put before whatever they read; else the tokenizer's own."""
        lead = [] if before is None else [before]
        plain = self._ids(text)
        exact = self._decoded(lead) + text
        if self._decoded(lead + plain) == exact:
            return plain
        known = {
            exact,
            self._decoded(lead) + self._decoded(plain),
        }  # which may swallow ends of lines
        for letter in ("\n", "a", "0"):
            first, both = self._ids(letter), self._ids(letter + text)
            rest = both[len(first) :]
            if both[: len(first)] == first and self._decoded(lead + rest) in known:
                return rest
        return plain

    def _after(self, text: str, before: int | None) -> list[int]:
        """As the tokenizer itself reads a text after a token: some of them take in what follows."""
        if before is None:
            return self._ids(text)
        token = str(self._tokenizer.convert_ids_to_tokens(before))
        both = self._ids(token + text)
        return both[1:] if both[:1] == [before] else self._ids(text)

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _decoded(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))

    def _controls(self, ids: Sequence[int]) -> list[int]:
        return [token for token in ids if token in self._added]

    def _places(self, text: str, control: set[int]) -> list[int]:
        """Where the first letter of each control token in a text is."""
        if not text:
            return []
        read = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        spans = zip(read["input_ids"], read["offset_mapping"], strict=True)
        found = [span for token, span in spans if token in control]
        return [
            begin + len(text[begin:end]) - len(text[begin:end].lstrip()) for begin, end in found
        ]


def _unused(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Characters that no message holds."""
    said = {c for m in messages for c in str(m.get("content", "")) if ord(c) >= PRIVATE[0]}
    return (chr(code) for code in PRIVATE if chr(code) not in said)


def _mark(text: str, places: Sequence[int], letters: dict[str, str], unused: Iterator[str]) -> str:
    """A text with a mark at each place, one mark for each letter that is there."""
    known = {letter: mark for mark, letter in letters.items()}
    made = list(text)
    for place in places:
        letter = text[place]
        if letter in letters:  # a mark already, of an earlier round
            continue
        if letter not in known:
            known[letter] = next(unused)
            letters[known[letter]] = letter
        made[place] = known[letter]
    return "".join(made)
