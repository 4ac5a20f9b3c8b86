"""A small model made on the spot: a Llama with random weights, and a tokenizer of whole pieces.

The pieces are the task's vocabulary, longest first: whole numbers and tags are single tokens, so a
tiny model has no spelling to learn. Saved, both are an ordinary Hugging Face folder.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.modeling_utils import PreTrainedModel

from cohort.config.recipe import NewModel
from cohort.data import keyed
from cohort.errors import ModelError

PAD, END, UNKNOWN = "<pad>", "<end>", "<unknown>"


def new_tokenizer(pieces: Sequence[str]) -> PreTrainedTokenizerFast:
    """A tokenizer whose tokens are the given pieces, and a pad, an end and an unknown token."""
    special = (PAD, END, UNKNOWN)
    clash = [piece for piece in pieces if piece in special or not piece]
    if clash or len(set(pieces)) != len(pieces):
        raise ModelError(f"the vocabulary repeats a piece or holds {clash!r}")
    vocabulary = {piece: index for index, piece in enumerate((*special, *pieces))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    longest_first = sorted(pieces, key=lambda piece: (-len(piece), piece))
    pattern = "|".join(re.escape(piece) for piece in longest_first) + "|."
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        unk_token=UNKNOWN,
        clean_up_tokenization_spaces=False,
    )


def new_model(options: NewModel, tokenizer: PreTrainedTokenizerFast, seed: int) -> PreTrainedModel:
    """A Llama of the given size; its weights are a function of the seed alone, in float32."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=options.hidden,
        intermediate_size=options.feed_forward,
        num_hidden_layers=options.layers,
        num_attention_heads=options.heads,
        num_key_value_heads=options.key_value_heads,
        max_position_embeddings=options.context,
        initializer_range=options.initial_deviation,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(keyed.digest(seed, "new model") % 2**63)
        return LlamaForCausalLM(config)
