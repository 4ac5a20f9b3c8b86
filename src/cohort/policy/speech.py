"""How a model speaks, where the recipe says more than its folder: ends, its template, its thoughts.

Further ends and what a template is told are written into the model and its tokenizer, so they are saved
with them: who serves the result asks it as it was trained. Tags of thoughts that are tokens of their own
(`[THINK]`) are shown as `<think>` and `</think>`, which is what rewards, reports and calls know; the tokens
stay as they are. Refused is what would be ignored: an end that is no token, a variable that the template
never reads, a tag of several tokens.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from transformers.modeling_utils import PreTrainedModel

from cohort.config.lookup import nearest
from cohort.errors import ModelError, legible

OPEN, CLOSE = "<think>", "</think>"
"""As everybody else reads them."""
KNOWN = (
    ("[THINK]", "[/THINK]"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<seed:think>", "</seed:think>"),
    (OPEN, CLOSE),
)
"""Looked for in a tokenizer, in this order: Magistral, Command A, Seed-OSS, and most others."""
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
GIVEN = ("messages", "tools", "documents", "add_generation_prompt")
"""What every template is told anyway."""


def end_with(model: PreTrainedModel, tokenizer: Any, ends: Sequence[str | int]) -> None:
    """Let these tokens end an answer too. Raises ModelError for what is no token."""
    if not ends:
        return
    named = getattr(model.generation_config, "eos_token_id", None)
    named = tokenizer.eos_token_id if named is None else named
    every = [*(named if isinstance(named, list) else [named])]
    every += [_token(end, tokenizer) for end in ends]
    model.generation_config.eos_token_id = list(dict.fromkeys(e for e in every if e is not None))


def _token(end: str | int, tokenizer: Any) -> int:
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    if isinstance(end, int):
        if end in vocabulary.values():
            return end
        raise ModelError(
            f"model.ends names the token {end}, and the tokenizer's ids end at "
            f"{max(vocabulary.values())}",
            "name a token by its text, or by an id that it has",
        )
    if end in vocabulary:
        return vocabulary[end]
    added = [token.content for token in tokenizer.added_tokens_decoder.values()]
    near = nearest(end, added)
    raise ModelError(
        f"model.ends names {legible(end)!r}, which is no token of this tokenizer",
        f"did you mean {near!r}?" if near else "a text of several tokens is a stage's `stop`",
    )


def tell_template(tokenizer: Any, variables: Mapping[str, Any]) -> None:
    """Give these variables to the chat template unless somebody gives them otherwise.

    Raises ModelError for a tokenizer without a template, and for a variable that it never reads.
    """
    if not variables:
        return
    template = getattr(tokenizer, "chat_template", None)
    if not template:
        raise ModelError(
            "model.template_variables is for a chat template, and this tokenizer has none",
            "leave it out, or use an instruction-tuned model",
        )
    texts = template if isinstance(template, dict) else {"default": template}
    for name in variables:
        if not NAME.fullmatch(name) or name in GIVEN:
            raise ModelError(f"model.template_variables: {legible(name)!r} is no name to be given")
        if not any(re.search(rf"\b{name}\b", str(text)) for text in texts.values()):
            raise ModelError(
                f"the chat template never reads {name!r}: model.template_variables would be ignored",
                "look into chat_template.jinja or tokenizer_config.json for what it reads",
            )
    told = {name: _beginning(variables, str(text)) + str(text) for name, text in texts.items()}
    tokenizer.chat_template = told if isinstance(template, dict) else told["default"]


def _beginning(variables: Mapping[str, Any], template: str) -> str:
    """What is put before a template; it writes nothing itself."""
    made = "".join(
        f"{{%- if {name} is not defined %}}{{%- set {name} = {json.dumps(value)} %}}{{%- endif %}}"
        for name, value in variables.items()
    )
    return made + "\n" * template.startswith(
        "\n"
    )  # a template's environment eats one behind a block


@dataclass(frozen=True, slots=True)
class Thoughts:
    """The tags that a model puts around its thoughts; `tokens`: as what each is shown, by its id."""

    opening: str = OPEN
    closing: str = CLOSE
    tokens: Mapping[int, str] = field(default_factory=dict)

    def text(self, ids: Sequence[int], decode: Callable[[Sequence[int]], str]) -> str:
        """An answer as text, its tags as everybody reads them."""
        if not self.tokens:
            return decode(ids)
        parts, begin = [], 0
        for place, token in enumerate(ids):
            if token in self.tokens:
                parts += [decode(ids[begin:place]), self.tokens[token]]
                begin = place + 1
        return "".join((*parts, decode(ids[begin:])))

    def own(self, text: str) -> str:
        """A text that says `<think>` in the model's own tags."""
        return text.replace(OPEN, self.opening).replace(CLOSE, self.closing)

    def opened(self, prompt: str) -> str:
        """What a prompt's text has begun of the answer: an open thought, or nothing."""
        kept = prompt.rstrip()
        return OPEN + prompt[len(kept) :] if kept.endswith(self.opening) else ""


def _special(tokenizer: Any) -> set[int]:
    """Tokens that are left out of an answer's text."""
    added = tokenizer.added_tokens_decoder.items()
    return {*tokenizer.all_special_ids, *(number for number, token in added if token.special)}


def thoughts_of(tokenizer: Any, tags: Sequence[str] = ()) -> Thoughts:
    """The tags of a tokenizer, or these. Raises ModelError where they are asked for and are no tokens."""
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    for opening, closing in [tuple(tags)] if tags else KNOWN:
        if opening in vocabulary and closing in vocabulary:
            pair = {vocabulary[opening]: OPEN, vocabulary[closing]: CLOSE}
            as_they_are = opening == OPEN and not _special(tokenizer) & pair.keys()
            return Thoughts(opening, closing, {} if as_they_are else pair)
        if tags:
            lacking = opening if opening not in vocabulary else closing
            raise ModelError(
                f"model.thinking names {legible(lacking)!r}, which is no token of this tokenizer",
                "tags of several tokens are text, which rewards read as it is",
            )
    return Thoughts()
