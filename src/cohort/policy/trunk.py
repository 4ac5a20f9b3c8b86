"""The trunk of a Llama-like decoder written out: the very same weights, fewer and larger operations.

Query, key and value are one matrix product, gate and up another: their weights are laid side by side
in one piece of memory of which the model's own parameters are views, so nothing is copied and an
optimizer's update is seen at once. Known: Llama, Mistral, Qwen2 and Qwen3 with plain linear layers.
Whatever else a model is or has become (adapters, biases behind the residual stream), `trunk_of` says
None and its own modules are used; `probe` compares the two before anything is trained.

    T tokens of a row, d hidden width, f feed-forward width, Hq query and Hk key heads of width D.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding
from transformers.modeling_utils import PreTrainedModel
from transformers.models.llama import modeling_llama as llama
from transformers.models.mistral import modeling_mistral as mistral
from transformers.models.qwen2 import modeling_qwen2 as qwen2
from transformers.models.qwen3 import modeling_qwen3 as qwen3

from cohort.policy.attention import Heads, Layout, WholeLayout
from cohort.policy.elementwise import gated, rms_norm
from cohort.policy.heads import asked
from cohort.policy.panels import LayerPanels, Panels, laid_out
from cohort.policy.products import Weights
from cohort.policy.recompute import recomputed
from cohort.policy.selective import gate_into, joint_after_norm

MISTRAL = (
    mistral.MistralForCausalLM,
    mistral.MistralForSequenceClassification,
    mistral.MistralForTokenClassification,
)
KNOWN = (
    llama.LlamaForCausalLM,
    llama.LlamaForSequenceClassification,
    llama.LlamaForTokenClassification,
    *MISTRAL,
    qwen2.Qwen2ForCausalLM,
    qwen2.Qwen2ForSequenceClassification,
    qwen2.Qwen2ForTokenClassification,
    qwen3.Qwen3ForCausalLM,
    qwen3.Qwen3ForSequenceClassification,
    qwen3.Qwen3ForTokenClassification,
)
"""Exactly these classes: a subclass may do something else."""

STEADY_ROTATIONS = ("default", "linear", "llama3", "yarn")
"""Kinds of rotary embedding whose angles depend on the position alone, not on the longest one."""


class Joint:
    """Linear layers that read the same input, as one: weights [sum of rows, d] and their biases."""

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        self.weights = [layer.weight for layer in layers]
        self.biases = [layer.bias for layer in layers if layer.bias is not None]
        self.joined = Weights(_beside(self.weights))
        self.bias = _beside(self.biases) if self.biases else None

    def after_norm(self, x: Tensor, norm: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
        """What all say of `rms_norm(x)`, and x as the residual stream goes on: [T, d] -> [T, sum of rows]."""
        moved = self.weights[0].data_ptr() != self.joined.plain.data_ptr()
        assert not moved, "the model's weights were moved: give it to the policy again"
        if not torch.is_grad_enabled():
            return self.joined.product(rms_norm(x, norm, epsilon), self.bias), x
        return joint_after_norm(
            x, (norm, epsilon), (self.joined.plain, self.bias), (self.weights, self.biases)
        )


def _beside(parameters: Sequence[Tensor]) -> Tensor:
    """The parameters in one piece of memory, of which they become views; where they lie so, nothing moves."""
    first = parameters[0].data
    end, together = first.data_ptr(), True
    for parameter in parameters:
        together &= parameter.data_ptr() == end and parameter.is_contiguous()
        end += parameter.numel() * parameter.element_size()
    shape = (sum(p.shape[0] for p in parameters), *first.shape[1:])
    if together and first.untyped_storage().data_ptr() + first.untyped_storage().nbytes() >= end:
        return torch.as_strided(first, shape, first.stride())
    joined = torch.cat([p.data for p in parameters])
    for parameter, part in zip(
        parameters, joined.split([p.shape[0] for p in parameters]), strict=True
    ):
        parameter.data = part
    return joined


@dataclass(frozen=True, slots=True)
class _Layer:
    before_attention: Tensor
    query_key_value: Joint
    heads: Heads
    output: Weights
    before_feed_forward: Tensor
    gate_up: Joint
    down: Weights
    window: int


_Attend = Callable[[int, _Layer, Tensor], Tensor]
"""A layer's number, the layer, its joint projection [T, (Hq + 2 Hk) D] -> what was seen, [T, Hq D]."""


class Trunk:
    """The decoder below its head."""

    def __init__(self, model: PreTrainedModel) -> None:
        base, config = cast(Any, model).model, model.config
        self._embeddings = base.embed_tokens.weight
        self._pad = base.embed_tokens.padding_idx  # whose embedding transformers does not train
        self._last_norm = base.norm.weight
        self._epsilon = float(base.norm.variance_epsilon)
        self._rotary = base.rotary_emb
        self._tables: tuple[Tensor, Tensor] | None = None
        everywhere = config.sliding_window if type(model) in MISTRAL else None
        shape = int(config.num_attention_heads), int(config.num_key_value_heads)
        self._layers = [_layer(layer, shape, everywhere) for layer in base.layers]
        self.window = min((layer.window for layer in self._layers if layer.window), default=0)
        """The shortest sliding window of a layer; 0: none has one."""
        self.recompute = False
        """Keep what goes into a layer alone for its gradient, and go through it once more then."""

    def hidden(self, tokens: Tensor, positions: Tensor, layout: Layout) -> Tensor:
        """The last hidden state of every token of one row: [T], [T] -> [T, d]."""
        epsilon = self._epsilon
        x = embedding(tokens, self._embeddings, self._pad)
        if layout.takes_all:
            return cast(WholeLayout, layout).step(x, positions)
        seen_by = self._attends(positions, layout, x)
        for number, layer in enumerate(self._layers):
            if self.recompute and torch.is_grad_enabled():
                x = recomputed(self._through, number, layer, seen_by, x)
            else:
                x = self._through(number, layer, seen_by, x)
        return rms_norm(x, self._last_norm, epsilon)

    def _through(self, number: int, layer: _Layer, seen_by: _Attend, x: Tensor) -> Tensor:
        """One layer: [T, d] -> [T, d]."""
        mixed, x = layer.query_key_value.after_norm(x, layer.before_attention, self._epsilon)
        seen = seen_by(number, layer, mixed)
        x = layer.output.added(x, seen.reshape(len(x), -1))
        wide, x = layer.gate_up.after_norm(x, layer.before_feed_forward, self._epsilon)
        return _gate_into(x, wide, layer.down)

    def _attends(self, positions: Tensor, layout: Layout, like: Tensor) -> _Attend:
        """What a layer's attention is: norms and rotation here, the rest in the layout."""
        rotation = self._rotation(positions, layout.longest, like)
        return partial(self._attend, rotation, layout)

    @staticmethod
    def _attend(
        rotation: tuple[Tensor, Tensor],
        layout: Layout,
        number: int,
        layer: _Layer,
        mixed: Tensor,
    ) -> Tensor:
        query, key, value = asked(mixed, layer.heads, rotation)
        return layout.attend(
            number, query, key, value, scale=layer.heads.scale, window=layer.window
        )

    @property
    def weights(self) -> list[Weights]:
        """Every matrix of the layers."""
        return [
            weights
            for layer in self._layers
            for weights in (
                layer.query_key_value.joined, layer.output, layer.gate_up.joined, layer.down,
            )
        ]  # fmt: skip

    def panels(self, longest: int) -> Panels:
        """What a compiled decode step over so many positions reads."""
        return Panels(
            [_panels(layer) for layer in self._layers],
            self._last_norm.float(),
            self._epsilon,
            self._layers[0].heads,
            self._layers[0].down.plain.shape[1],
            self._tables_to(longest, self._last_norm.device),
            narrow=self._last_norm.dtype == torch.bfloat16,
        )

    @property
    def width(self) -> int:
        """Of a head."""
        return self._layers[0].heads.width

    @property
    def shape(self) -> tuple[int, Heads]:
        """How many layers there are, and the heads of each."""
        return len(self._layers), self._layers[0].heads

    @property
    def steady(self) -> bool:
        """Whether a position's rotation depends on nothing else."""
        return self._rotary.rope_type in STEADY_ROTATIONS

    def _rotation(self, positions: Tensor, longest: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Cosine and signed sine of each token's angles, [T, 1, D] each, in the type of the weights."""
        if not self.steady:
            return _signed(*self._rotary(like, positions[None]))
        cosine, sine = self._tables_to(longest, positions.device)
        return cosine[positions].to(like.dtype), sine[positions].to(like.dtype)

    def _tables_to(self, longest: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Cosine and signed sine of the first `longest` positions at least, float32 [.., 1, D]."""
        assert self.steady, "there are no tables of rotations that depend on more than the position"
        tables = self._tables  # read once: rows are computed by several threads
        if tables is None or len(tables[0]) < longest:
            every = torch.arange(longest, device=device)
            with torch.inference_mode(False), torch.no_grad():
                wide = torch.empty(0, device=device)  # float32, whatever the weights are
                tables = self._tables = _signed(*self._rotary(wide, every[None]))
        return tables


def _gate_into(stream: Tensor, wide: Tensor, down: Weights) -> Tensor:
    if torch.is_grad_enabled():
        return gate_into(stream, wide, down.plain)
    return down.added(stream, gated(wide))


def trunk_of(model: PreTrainedModel) -> Trunk | None:
    """The written-out trunk of a model whose layers are all known, else None."""
    if type(model) not in KNOWN or len({p.dtype for p in model.parameters()}) > 1:
        return None
    for layer in cast(Any, model).model.layers:
        attention, feed_forward = layer.self_attn, layer.mlp
        joined = (
            (attention.q_proj, attention.k_proj, attention.v_proj),
            (feed_forward.gate_proj, feed_forward.up_proj),
        )
        into_stream = (attention.o_proj, feed_forward.down_proj)
        if any(type(part) is not nn.Linear for part in (*joined[0], *joined[1], *into_stream)):
            return None
        if any(part.bias is not None for part in into_stream):
            return None
        if any(len({part.bias is None for part in parts}) > 1 for parts in joined):
            return None
        if model.config.hidden_act not in ("silu", "swish"):
            return None
    return Trunk(model)


def _layer(layer: Any, shape: tuple[int, int], everywhere: int | None) -> _Layer:
    attention, feed_forward = layer.self_attn, layer.mlp
    query_norm, key_norm = getattr(attention, "q_norm", None), getattr(attention, "k_norm", None)
    heads = Heads(
        query=shape[0],
        key=shape[1],
        width=int(attention.head_dim),
        query_norm=None if query_norm is None else query_norm.weight,
        key_norm=None if key_norm is None else key_norm.weight,
        epsilon=float(layer.input_layernorm.variance_epsilon),
        scale=float(attention.scaling),
    )
    return _Layer(
        before_attention=layer.input_layernorm.weight,
        query_key_value=Joint((attention.q_proj, attention.k_proj, attention.v_proj)),
        heads=heads,
        output=Weights(attention.o_proj.weight),
        before_feed_forward=layer.post_attention_layernorm.weight,
        gate_up=Joint((feed_forward.gate_proj, feed_forward.up_proj)),
        down=Weights(feed_forward.down_proj.weight),
        window=int(getattr(attention, "sliding_window", everywhere) or 0),
    )


def _panels(layer: _Layer) -> LayerPanels:
    bias, heads = layer.query_key_value.bias, layer.heads
    return LayerPanels(
        layer.before_attention.float(),
        laid_out(layer.query_key_value.joined.plain),
        None if bias is None else bias.float(),
        None if heads.query_norm is None else heads.query_norm.float(),
        None if heads.key_norm is None else heads.key_norm.float(),
        laid_out(layer.output.plain),
        layer.before_feed_forward.float(),
        laid_out(layer.gate_up.joined.plain),
        None if layer.gate_up.bias is None else layer.gate_up.bias.float(),
        laid_out(layer.down.plain),
    )


def _signed(cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor]:
    """[1, T, D] each -> [T, 1, D], the sine's first half negated, as `rotate` wants them."""
    half = sine.shape[-1] // 2
    sine = torch.cat((-sine[..., :half], sine[..., half:]), dim=-1)
    return cosine[0][:, None], sine[0][:, None]
