"""A policy: a model in Cohort's hands, its tokenizer, and what both agree on.

It turns prompts into tokens, and rows of tokens into log-probabilities. It does not know what a
reward or an advantage is.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad
from transformers.modeling_utils import PreTrainedModel

from cohort.data.packing import Row
from cohort.data.records import Problem
from cohort.errors import DataError, ModelError
from cohort.policy import native
from cohort.policy.attention import Heads, Layout, Packed, laid_out
from cohort.policy.bounded import Chats
from cohort.policy.head import Shaped, token_logprobs
from cohort.policy.panels import Panels
from cohort.policy.plain import plain_states
from cohort.policy.products import LEAST_WEIGHTS, ROWS_TOGETHER, Weights, packed, product
from cohort.policy.recompute import recompute_layers
from cohort.policy.speech import thoughts_of
from cohort.policy.trunk import Trunk, trunk_of
from cohort.policy.turns import Turns

ROW_TOKENS = {"cpu": 2048}
"""Tokens of a row on a device whose activations should stay in its cache; 8,192 elsewhere."""

SHORTEST = ({"role": "user", "content": "1 + 1"},)
"""A chat that every chat template renders."""


class Policy:
    """A causal language model whose attention goes through Cohort's layouts."""

    def __init__(
        self, model: PreTrainedModel, tokenizer: Any, *, made_here: bool = False, plain: str = ""
    ) -> None:
        self.plain = plain
        """Why answers do not share their prompt in this model; empty where they do."""
        self.model = model
        self.tokenizer = tokenizer
        self.made_here = made_here
        """Whether the tokenizer was made from a task's vocabulary, and knows no other pieces."""
        self.saved_merged = False
        """Whether adapters are added to the weights when the policy is saved."""
        self.chats = Chats(tokenizer)
        """Chats as text, by the tokenizer's own template."""
        self.thoughts = thoughts_of(tokenizer)
        """Which of its tokens are tags around thoughts."""
        self.version = 0
        """Optimizer updates made so far."""
        self.ends = frozenset(_end_tokens(model, tokenizer))
        """Token ids that end an answer."""
        self.context = int(getattr(model.config, "max_position_embeddings", 0) or 1 << 30)
        """The longest sequence the model can hold, in tokens."""
        self.vocabulary = vocabulary_of(model, tokenizer)
        """Tokens that there are: rows of the head beyond them are padding, and never sampled."""
        self.kept: dict[object, object] = {}
        """What its users keep from one time to the next, by their own keys: memory, recorded steps."""

    @property
    def model(self) -> PreTrainedModel:
        """The model; its parameters are what is trained."""
        return self._model

    @model.setter
    def model(self, model: PreTrainedModel) -> None:
        self._model = model
        self._trunk = None if self.plain else trunk_of(model)
        self._shaped = Shaped.of(model.config.get_text_config())
        self._head: Weights | None = None

    @functools.cached_property
    def turns(self) -> Turns:
        """Chats as tokens, by the same template, without tools. Raises ModelError for a tokenizer that
        cannot tell text from control tokens."""
        return Turns(self.tokenizer, self.chats, self.ends)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return embeddings(self.model).device

    @property
    def head(self) -> tuple[Tensor, Tensor | None]:
        """The output projection of the tokens that there are: weight [V, d] and bias [V] or None."""
        layer = self.model.get_output_embeddings()
        weight, bias = layer.weight, getattr(layer, "bias", None)
        if len(weight) == self.vocabulary:
            return weight, bias
        return weight[: self.vocabulary], None if bias is None else bias[: self.vocabulary]

    @contextmanager
    def packed(self) -> Iterator[None]:
        """For as long as no weight changes: sampling from copies of them that products read faster."""
        self._head = Weights(self.head[0])
        weights = [self._head]
        if self._trunk is not None and not native.suits(self.head[0]):
            weights += self._trunk.weights
        try:
            with packed(weights):
                yield
        finally:
            self._head = None

    def logits(self, hidden: Tensor) -> Tensor:
        """Of every token after these hidden states, not to be differentiated: [B, d] -> [B, V].

        Whoever else is sampled changes no bit of an answer's own.
        """
        weight, bias = self.head
        rows, small = len(hidden), weight.numel() < LEAST_WEIGHTS
        missing = -rows % ROWS_TOGETHER
        if small and missing and hidden.device.type == "cpu":
            hidden = pad(hidden, (0, 0, 0, missing))
        if self._head is None or small:
            return self._shaped(product(hidden, weight, bias)[:rows])
        return self._shaped(self._head.product(hidden, bias))

    def recompute(self) -> None:
        """From here on keep less for gradients, and compute it a second time."""
        if self._trunk is not None:
            self._trunk.recompute = True
        else:
            recompute_layers(self.model)

    @property
    def written_out(self) -> bool:
        """Whether the layers are Cohort's own, on the model's weights."""
        return self._trunk is not None

    @property
    def steps_have_fixed_shapes(self) -> bool:
        """Whether a decode step can be the same operations on the same memory every time."""
        trunk = self._trunk
        return trunk is not None and trunk.steady and not 0 < trunk.window < self.context

    def layers_and_heads(self) -> tuple[int, Heads]:
        """How many layers there are, and the heads of each; of a written-out trunk alone."""
        assert self._trunk is not None, "this model's layers are its own"
        return self._trunk.shape

    def row_tokens(self, asked: int) -> int:
        """The most tokens of a forward pass: as asked, or for 0 as many as suit the device."""
        return asked or ROW_TOKENS.get(self.device.type, 8192)

    def panels(self, longest: int) -> Panels | None:
        """What a compiled decode step over so many positions reads; None where there is no such step."""
        trunk = self._trunk
        if trunk is None or not trunk.steady or 0 < trunk.window < longest:
            return None
        if not native.suits(self.head[0]) or trunk.width > native.WIDEST:
            return None
        return trunk.panels(longest)

    def hidden(self, tokens: Tensor, positions: Tensor, layout: Layout) -> Tensor:
        """The last hidden state of every token of one row: [T], [T] -> [T, d]."""
        return hidden_states(self.model, self._trunk, tokens, positions, layout)

    def logprobs(self, row: Row, *, temperature: Tensor | float = 1.0) -> tuple[Tensor, Tensor]:
        """Log-probability and entropy of a row's sampled tokens, [S] each, float32.

        temperature is one for all, or one per sampled token, [S].
        """
        return self.logprobs_from(self.states(row), row, temperature=temperature)

    def states(self, row: Row) -> Tensor:
        """The hidden state that each of a row's sampled tokens is predicted from: [S, d]."""
        device = self.device
        if self.plain:
            hidden = plain_states(self.model, row, device)
        else:
            hidden = self.hidden(
                torch.from_numpy(row.tokens).to(device),
                torch.from_numpy(row.positions).to(device),
                Packed(row, device),
            )
        return hidden.index_select(0, torch.from_numpy(row.predictor).to(device))

    def logprobs_from(
        self, states: Tensor, row: Row, *, temperature: Tensor | float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """`logprobs`, given what `states` said of the row."""
        sampled = torch.from_numpy(row.sampled).to(self.device)
        return token_logprobs(
            states, *self.head, sampled, temperature=temperature, shaped=self._shaped
        )

    def prompt_tokens(self, problem: Problem) -> NDArray[np.int32]:
        """The prompt as the policy sees it; chats go through the tokenizer's own template, and no text of
        a user's becomes a control token of it.

        Raises DataError for a prompt without tokens, ModelError for a chat without a template or
        with one that does not render it.
        """
        if isinstance(problem.prompt, str):
            tokens = self.tokenizer(problem.prompt)["input_ids"]
        else:
            if not getattr(self.tokenizer, "chat_template", None):
                raise ModelError(
                    "the prompts are chats and this tokenizer has no chat template",
                    "use an instruction-tuned model, or a text prompt",
                )
            of = f"the prompt of problem {problem.id!r}"
            tokens = self.turns.prompt(problem.prompt, of).tokens
        if not len(tokens):
            raise DataError(f"the prompt of problem {problem.id!r} has no tokens")
        return np.asarray(tokens, dtype=np.int32)

    def begun(self, problem: Problem) -> str:
        """What the chat template writes of the answer to a problem: `<think>`, where it opens a thought.

        Empty where the prompt is text, or ends with the beginning of the answer itself.
        """
        if isinstance(problem.prompt, str) or problem.prompt[-1]["role"] == "assistant":
            return ""
        return self._begun

    @functools.cached_property
    def _begun(self) -> str:
        if not getattr(self.tokenizer, "chat_template", None):
            return ""  # an agent may be asked in chats by a tokenizer that has no template
        return self.thoughts.opened(self.chats.text(SHORTEST, "one turn of a user"))

    def completion_tokens(self, text: str, of: Problem | None = None) -> NDArray[np.int32]:
        """An answer to imitate, as tokens with the end token after it.

        What the template writes of the answer to `of` is in the prompt already, and not said twice.
        """
        begun = "" if of is None else self.begun(of)
        text = text.removeprefix(begun if text.startswith(begun) else begun.rstrip())
        tokens = self.tokenizer(self.thoughts.own(text), add_special_tokens=False)["input_ids"]
        return np.asarray([*tokens, self.tokenizer.eos_token_id], dtype=np.int32)

    def seen_tokens(self, text: str) -> NDArray[np.int32]:
        """What is shown within an answer, as tokens: no special ones around it."""
        tokens = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return np.asarray(tokens, dtype=np.int32)

    def text(self, tokens: NDArray[np.int32]) -> str:
        """An answer's tokens as text, without special tokens; tags of thoughts are kept."""
        return self.thoughts.text(
            tokens.tolist(), lambda ids: str(self.tokenizer.decode(ids, skip_special_tokens=True))
        )

    def token_at(self, tokens: NDArray[np.int32], end: int) -> int:
        """The place of the token that completes the first `end` characters of an answer's text."""
        least, most = 1, len(tokens)
        while least < most:
            middle = (least + most) // 2
            if len(self.text(tokens[:middle])) >= end:
                most = middle
            else:
                least = middle + 1
        return least - 1


def hidden_states(
    model: PreTrainedModel, trunk: Trunk | None, tokens: Tensor, positions: Tensor, layout: Layout
) -> Tensor:
    """The last hidden state of every token of one row, by the trunk where there is one: [T, d]."""
    if trunk is not None:
        return trunk.hidden(tokens, positions, layout)
    with laid_out(layout) as told:
        out = model.base_model(
            input_ids=tokens[None], position_ids=positions[None], use_cache=False, **told
        )
    return cast(Tensor, out.last_hidden_state[0])


def embeddings(model: PreTrainedModel) -> Tensor:
    """The input embeddings of a model: [V, d]."""
    weight = model.get_input_embeddings().weight
    assert isinstance(weight, Tensor), f"{type(model).__name__} has no embedding matrix"
    return weight


def vocabulary_of(model: PreTrainedModel, tokenizer: Any) -> int:
    """One more than the tokenizer's highest id; the model's rows, where it has no more of them."""
    return min(len(embeddings(model)), 1 + max(tokenizer.get_vocab().values()))


def _end_tokens(model: PreTrainedModel, tokenizer: Any) -> set[int]:
    ends = {int(tokenizer.eos_token_id)}
    configured = getattr(model.generation_config, "eos_token_id", None)
    if isinstance(configured, int):
        ends.add(configured)
    elif configured is not None:
        ends.update(int(token) for token in configured)
    return ends
