"""A decoder that says numbers instead of tokens: a critic, a reward model.

It is a sequence- or token-classification model of transformers with one output, so that its folder
loads anywhere; its rows are packed like a policy's, each prompt once. A value is read where a policy
would predict a token: the value before a sampled token, which is that of the state it was sampled in.
The value after a whole answer is read with one more token behind it, which is never fed in.

    T tokens of a row, S sampled tokens, d hidden width.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification
from transformers.modeling_utils import PreTrainedModel
from transformers.utils import logging

from cohort.data.packing import Family, Row, cut, pack
from cohort.errors import ModelError
from cohort.policy import attention
from cohort.policy.attention import Packed
from cohort.policy.load import whole
from cohort.policy.policy import Policy, hidden_states
from cohort.policy.pretrained import settle
from cohort.policy.trunk import trunk_of

Reads = Literal["sequence", "token"]
"""Whether the saved model says one number of a sequence, or one of each token."""

CLASSES: dict[str, Any] = {
    "sequence": AutoModelForSequenceClassification,
    "token": AutoModelForTokenClassification,
}


class Valued:
    """A decoder with a linear head of one output, and the tokenizer that it reads with."""

    def __init__(self, model: PreTrainedModel, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.version = 0
        """Optimizer updates made so far."""
        self._model = model
        attention.install()
        model.set_attn_implementation(attention.NAME)
        model.eval()
        self._trunk = trunk_of(model)

    @property
    def model(self) -> PreTrainedModel:
        """The model; its parameters are what is trained."""
        return self._model

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.head.weight.device

    @property
    def head(self) -> nn.Linear:
        """From hidden states to a number."""
        return cast(nn.Linear, cast(Any, self._model).score)

    def values(self, row: Row) -> Tensor:
        """The value before each of a row's sampled tokens, in the row's order: float32 [S]."""
        device = self.device
        hidden = hidden_states(
            self._model,
            self._trunk,
            torch.from_numpy(row.tokens).to(device),
            torch.from_numpy(row.positions).to(device),
            Packed(row, device),
        )
        chosen = hidden.index_select(0, torch.from_numpy(row.predictor).to(device))
        return cast(Tensor, self.head(chosen))[:, 0].float()

    @torch.no_grad()
    def values_of(self, families: Sequence[Family], *, tokens_per_row: int) -> NDArray[np.float32]:
        """The value before every token of all members, nothing to be learned from, at their flat places."""
        size = sum(len(member.tokens) for family in families for member in family.members)
        flat = np.zeros(size, dtype=np.float32)
        for piece in cut(families, tokens_per_row=tokens_per_row):
            row = pack(piece)
            flat[row.flat] = self.values(row).cpu().numpy()
        return flat

    def save(self, folder: Path) -> None:
        """An ordinary folder that transformers' classes load."""
        logging.disable_progress_bar()
        self._model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


def valued_from(policy: Policy, reads: Reads) -> Valued:
    """A model with the policy's layers, copied, and a head that says 0 of everything."""
    if policy.plain:
        raise ModelError(
            f"a critic or a reward model shares prompts, and {policy.plain}",
            "use a model whose answers share their prompt, or an algorithm without one",
        )
    base = whole(policy)
    config = copy.deepcopy(base.config)
    config.num_labels = 1
    if config.pad_token_id in policy.ends:  # transformers would read the value before it
        config.pad_token_id = None
    for name in ("classifier_dropout", "hidden_dropout"):
        if hasattr(config, name) or name == "classifier_dropout":
            setattr(config, name, 0.0)
    with torch.random.fork_rng(devices=[]):
        model = CLASSES[reads].from_config(config, dtype=base.dtype)
    model.base_model.load_state_dict(base.base_model.state_dict())
    head = cast(Any, model).score
    nn.init.zeros_(head.weight)
    if head.bias is not None:
        nn.init.zeros_(head.bias)
    return Valued(model.to(policy.device), policy.tokenizer)


def load_valued(folder: Path, reads: Reads, tokenizer: Any, *, device: str = "cpu") -> Valued:
    """What `Valued.save` wrote; loading draws no random number that training would miss."""
    logging.disable_progress_bar()
    with torch.random.fork_rng(devices=[]):
        model = CLASSES[reads].from_pretrained(folder, local_files_only=True)
    settle(model)
    return Valued(model.to(device), tokenizer)


def with_an_end(tokens: NDArray[np.int32], end: int) -> NDArray[np.int32]:
    """An answer with one token more, so that the value after its last one can be read."""
    return np.append(tokens, np.int32(end))
