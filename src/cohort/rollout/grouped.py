"""Whole groups side by side, for a device that is not to be asked after every token.

A group has as many lanes as it has answers, one beside the other, until its last answer is done. So a
decode step has fixed shapes, attention to prompts needs no gathering, and all of it can be recorded as
a CUDA graph. A lane whose answer is done is computed on and changes nothing that counts.

The prompt's keys are read once for all answers of its group, as one matrix product; one softmax goes
over the scores of both parts, in float32.

    g groups of G answers, B = g G lanes, P and R the most tokens of a prompt and of an answer,
    Hq query and H key heads of width D.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from cohort.policy.policy import Policy
from cohort.rollout.choice import drawn, likeliest


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How many groups there is room for, answers of each, and tokens of a prompt and of an answer."""

    groups: int
    members: int
    prompt: int
    answer: int


class Lanes:
    """Everything that a decode step reads and writes, allocated once."""

    def __init__(self, policy: Policy, shape: Shape) -> None:
        self.shape, self.device = shape, policy.device
        layers, heads = policy.layers_and_heads()
        weight = policy.head[0]
        dtype = torch.float32 if self.device.type == "cpu" else weight.dtype
        count = shape.groups * shape.members
        sizes = (heads.key, -1, heads.width)

        def cache(places: int, length: int) -> Tensor:
            # Zeros: what is hidden is weighted with exactly 0, and 0 * NaN is NaN.
            return torch.zeros(
                layers, 2, places, sizes[0], length, sizes[2], dtype=dtype, device=self.device
            )

        self.prompts = cache(shape.groups, shape.prompt)
        self.answers = cache(count, shape.answer)
        self.ends = torch.tensor(sorted(policy.ends), device=self.device)

        def per_lane(dtype: torch.dtype, *widths: int) -> Tensor:
            return torch.zeros(count, *widths, dtype=dtype, device=self.device)

        # One column more than an answer can have: lanes that are done write there.
        self.tokens = per_lane(torch.long, shape.answer + 1)
        self.logprobs = per_lane(torch.float32, shape.answer + 1)
        self.uniforms = per_lane(torch.float64, shape.answer + 1)
        self.latest = per_lane(torch.long)
        self.length = per_lane(torch.long)
        self.limit = per_lane(torch.long)
        self.offset = per_lane(torch.long)
        self.alive = per_lane(torch.bool)
        self.temperature = per_lane(torch.float32).fill_(1.0)
        self._by_lane = (
            self.tokens, self.logprobs, self.uniforms, self.latest, self.length, self.limit,
            self.offset, self.alive, self.temperature,
        )  # fmt: skip

    def of_group(self, group: int) -> slice:
        """The lanes of a group."""
        return slice(group * self.shape.members, (group + 1) * self.shape.members)

    def move(self, source: int, target: int) -> None:
        """Copy one group over another."""
        here, there = self.of_group(source), self.of_group(target)
        self.prompts[:, :, target] = self.prompts[:, :, source]
        self.answers[:, :, there] = self.answers[:, :, here]
        for tensor in self._by_lane:
            tensor[there] = tensor[here]

    def record(self, lanes: slice, tokens: Tensor, logprobs: Tensor) -> None:
        """Give each of these lanes its next token; those that it ends are alive no longer."""
        length, alive = self.length[lanes], self.alive[lanes]
        at = length[:, None]
        self.tokens[lanes].scatter_(1, at, tokens[:, None])
        self.logprobs[lanes].scatter_(1, at, logprobs[:, None])
        latest = self.latest[lanes]
        latest.copy_(torch.where(alive, tokens, latest))
        length.add_(alive)
        ended = (tokens[:, None] == self.ends).any(-1)
        alive.logical_and_(~ended & (length < self.limit[lanes]))


class Together:
    """The layout of a decode step of the first `groups` groups, none of whose answers is past `span`."""

    takes_all = False

    def __init__(self, lanes: Lanes, groups: int, span: int, *, compiled: bool = False) -> None:
        self._lanes, self._groups, self._span = lanes, groups, span
        self._attention = compiled_attention() if compiled else attention
        self.longest = lanes.shape.prompt + lanes.shape.answer
        self._count = groups * lanes.shape.members
        length, offset = lanes.length[: self._count, None], lanes.offset[: self._count, None]
        self._last = (length - 1).clamp(min=0)
        own = torch.arange(span, device=lanes.device) < length
        theirs = torch.arange(lanes.shape.prompt, device=lanes.device) < offset
        lowest = torch.finfo(torch.float32).min  # not -inf: an empty lane has nothing else
        self._mask = torch.where(torch.cat((own, theirs), 1), 0.0, lowest)

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, *, scale: float, window: int
    ) -> Tensor:
        """See policy.attention.Layout."""
        assert not window, "a window and fixed shapes"
        lanes, count = self._lanes, self._count
        keys, values = lanes.answers[layer, :, :count]
        at = self._last[:, None, None].expand(-1, key.shape[1], -1, key.shape[2])
        keys.scatter_(2, at, key[:, :, None].to(keys.dtype))
        values.scatter_(2, at, value[:, :, None].to(values.dtype))
        seen = self._attention(
            query.to(keys.dtype),
            keys[:, :, : self._span],
            values[:, :, : self._span],
            *lanes.prompts[layer, :, : self._groups],
            self._mask,
            scale,
        )
        return seen.to(query.dtype)


def attention(
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    prompt_keys: Tensor,
    prompt_values: Tensor,
    mask: Tensor,
    scale: float,
) -> Tensor:
    """softmax(scale q k + mask) v over the keys of an answer and of its group's prompt together.

    query [B, Hq, D]; keys and values [B, H, span, D] of answers, [g, H, P, D] of prompts; mask
    [B, span + P], added -> [B, Hq, D].
    """
    (count, heads, span, width), (groups, _, longest, _) = keys.shape, prompt_keys.shape
    members, repeat = count // groups, query.shape[1] // heads
    sizes = (groups, members, heads, repeat)
    asked = query.reshape(count * heads, repeat, width)
    own = _scores(asked, keys.reshape(count * heads, span, width))
    by_prompt = asked.view(*sizes, width).transpose(1, 2)
    theirs = _scores(
        by_prompt.reshape(groups * heads, members * repeat, width), prompt_keys.flatten(0, 1)
    )
    theirs = theirs.view(groups, heads, members, repeat, longest).transpose(1, 2)
    scores = torch.cat((own.view(*sizes, span), theirs), -1)
    scores = torch.add(mask.view(groups, members, 1, 1, -1), scores, alpha=scale)
    shares = scores.softmax(-1).to(values.dtype)
    of_prompt = shares[..., span:].transpose(1, 2).reshape(groups * heads, -1, longest)
    seen = torch.bmm(of_prompt, prompt_values.flatten(0, 1))
    seen = seen.view(groups, heads, members, repeat, width).transpose(1, 2)
    out = torch.baddbmm(
        seen.reshape(count * heads, repeat, width),
        shares[..., :span].reshape(count * heads, repeat, span),
        values.reshape(count * heads, span, width),
    )
    return out.view(count, heads * repeat, width)


@cache
def compiled_attention() -> Callable[..., Tensor]:
    """The same through torch.compile, once for every shape of a step."""
    made: Callable[..., Tensor] = torch.compile(attention)
    return made


def _scores(query: Tensor, keys: Tensor) -> Tensor:
    """[n, q, D] x [n, k, D] -> float32 [n, q, k], not rounded on the way."""
    if query.dtype == torch.float32:
        return torch.bmm(query, keys.transpose(1, 2))
    return torch.bmm(query, keys.transpose(1, 2), out_dtype=torch.float32)


@dataclass(frozen=True, slots=True)
class Choosing:
    """How steps are done. heated: a temperature is not 1. compiled: attention by torch.compile."""

    greedy: bool
    heated: bool
    compiled: bool = False

    def __call__(self, lanes: Lanes, which: slice, logits: Tensor) -> None:
        """The next token of these lanes, from its logits [k, V]."""
        if self.greedy:
            lanes.record(which, *likeliest(logits))
            return
        uniforms = lanes.uniforms[which].gather(1, lanes.length[which, None])[:, 0]
        heat = lanes.temperature[which]
        lanes.record(which, *drawn(logits, heat, uniforms, heated=self.heated))


def step(policy: Policy, lanes: Lanes, choosing: Choosing, groups: int, span: int) -> None:
    """One token more for every live answer of the first `groups` groups."""
    which = slice(0, groups * lanes.shape.members)
    layout = Together(lanes, groups, span, compiled=choosing.compiled)
    positions = (lanes.offset[which] + lanes.length[which] - 1).clamp(min=0)
    hidden = policy.hidden(lanes.latest[which], positions, layout)
    choosing(lanes, which, policy.logits(hidden))
