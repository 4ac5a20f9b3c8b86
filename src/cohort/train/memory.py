"""What a stage takes of memory, item by item: arithmetic on a model's sizes and a stage's counts.

    peak = what is always there  +  max(computing gradients, updating weights, sampling)

Nothing is loaded or measured here, so it can be asked of any machine. Counted is what the code keeps:
float32 sums of gradients for each thread, a checkpoint's copy in memory, the head's gradient while all
activations wait for theirs. Not counted: what an allocator holds on to.

    T tokens of a row, d hidden width, f feed-forward width, Hq query and Hk key heads of width D.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from cohort.policy.head import CHUNK_BYTES
from cohort.policy.native import whole_blocks
from cohort.policy.outline import Sizes
from cohort.train.optim import NORMED_TOGETHER
from cohort.train.optimizers import kept_of
from cohort.train.rows import aimed_at

SINGLE = 4
"""Bytes of a float32: masters, moments and sums of gradients are in it, and the CPU's keys and values."""
CHUNKS = 3
"""Copies of a chunk of logits that the head's gradient works on."""
PROCESS_BYTES = {"cpu": 450 << 20, "cuda": 1200 << 20}
"""Python, torch and its libraries, where they were not measured; on a GPU the context and its workspaces."""
MUON_BYTES = 12
"""Of a hidden matrix, by number: the update in float32, and in bfloat16 three of its products."""
EIGHT_BIT_BYTES = {"cpu": 20}
"""Both moments, the gradient and the root in float32, where no kernel does it in one pass."""
WORKER_BYTES = 60 << 20
"""A process in which rewards run."""

ALWAYS = (
    "weights",
    "optimizer",
    "reference",
    "beside",
    "checkpoint",
    "rewards' workers",
    "process",
)
LEARNING = ("gradients", "activations", "head")
UPDATING = ("gradients", "update")
SAMPLING = ("keys and values", "sampler's copies", "logits")
ITEMS = (*ALWAYS, *LEARNING, "update", *SAMPLING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a stage asks for: the longest prompt and answer in tokens, and how many there are at a time."""

    device: str = "cpu"
    learns: bool = True
    samples: bool = True
    prompt: int = 0
    answer: int = 0
    groups: int = 1
    members: int = 1
    row_tokens: int = 2048
    rows_at_once: int = 1
    slots: int = 64
    reference: bool = False
    optimizer: str = "adamw"
    rounding: str = "masters"
    """As the stage's optimizer has it; of what is trained beside the policy, AdamW's state is counted."""
    beside: int = 0
    """Further models of the same size that are trained: a critic of its own, a reward model."""
    recompute: bool = False
    copies_state: bool = True
    """Checkpoints are copied in memory."""
    workers: int = 0
    process_bytes: int = 0
    """Of Python and its libraries, as measured; 0: not known."""

    @property
    def row(self) -> int:
        """Tokens of the largest row, as `train.rows.even_cut` cuts a step; one answer's at least."""
        family = self.prompt + self.members * self.answer
        aim = aimed_at(self.row_tokens, self.device)
        count = self.rows_at_once * -(-self.tokens // (self.rows_at_once * aim))
        even = max(-(-self.tokens // count) + family // 2, family)
        return max(min(self.row_tokens, even, self.tokens), self.prompt + self.answer)

    @property
    def rows(self) -> int:
        """Rows that are computed at a time: not more than the step has."""
        return min(self.rows_at_once, -(-self.tokens // self.row))

    @property
    def tokens(self) -> int:
        """All of a step, each prompt once."""
        return max(1, self.groups * (self.prompt + self.members * self.answer))


def items(sizes: Sizes, load: Load) -> dict[str, int]:
    """Bytes by item; those that a stage has not are 0."""
    found = dict.fromkeys(ITEMS, 0) | _always(sizes, load)
    if load.learns:
        found |= _learning(sizes, load)
    if load.samples:
        found |= _sampling(sizes, load)
    return found


def peak(found: dict[str, int]) -> int:
    """The most that is there at a time."""
    return max(phases(found))


def phases(found: dict[str, int]) -> tuple[int, int, int]:
    """What is there while gradients are computed, while weights are updated, and while a stage samples."""
    always, learning, updating, sampling = (
        sum(found[name] for name in names) for names in (ALWAYS, LEARNING, UPDATING, SAMPLING)
    )
    return always + learning, always + updating, always + sampling


def state_bytes(sizes: Sizes, optimizer: str = "adamw", rounding: str = "masters") -> int:
    """What an optimizer keeps, and the float32 masters of weights in less precision."""
    masters = SINGLE if sizes.number_bytes < SINGLE and rounding == "masters" else 0
    kept = sum(
        size.numel() * dtype.itemsize
        for shape, hidden in sizes.shapes
        for what, (size, dtype) in kept_of(
            optimizer, torch.Size(shape), torch.float32, hidden=hidden
        ).items()
        if what != "step"
    )
    return kept + sizes.trained * masters


def update_bytes(sizes: Sizes, load: Load) -> int:
    """What an update takes for a moment, of the tensor that takes the most of it."""
    hidden = max((math.prod(shape) for shape, between in sizes.shapes if between), default=0)
    own = {
        "adafactor": SINGLE * sizes.largest,
        "muon": MUON_BYTES * hidden,
        "adamw-8bit": EIGHT_BIT_BYTES.get(load.device, 0) * sizes.largest,
    }.get(load.optimizer, 0)
    places = sizes.number_bytes < SINGLE and load.rounding != "masters"
    return own + SINGLE * sizes.largest * places + 2 * SINGLE * min(sizes.largest, NORMED_TOGETHER)


def activation_bytes(sizes: Sizes, *, recompute: bool) -> int:
    """Per token of a row: what forward passes keep for the gradient."""
    within = _layer_numbers(sizes) * sizes.number_bytes
    if sizes.number_bytes < SINGLE and sizes.written_out:  # attention keeps its own in float32
        within += SINGLE * sizes.width * (2 * sizes.query_heads + 2 * sizes.key_heads)
    ends = 3 * sizes.hidden * sizes.number_bytes
    if recompute:
        return ends + sizes.layers * sizes.hidden * sizes.number_bytes + within
    return ends + sizes.layers * within


def _layer_numbers(sizes: Sizes) -> int:
    queries, keys = sizes.query_heads * sizes.width, sizes.key_heads * sizes.width
    if sizes.written_out:
        # norms' inputs; queries and keys rotated, values, what was seen; gate and up (policy.selective)
        return 2 * sizes.hidden + 2 * queries + 2 * keys + 2 * sizes.feed_forward
    own = 6 * sizes.hidden + 3 * queries + 3 * keys + 4 * sizes.feed_forward
    return own + 2 * sizes.adapter_width


def _always(sizes: Sizes, load: Load) -> dict[str, int]:
    weights = sizes.parameters * sizes.number_bytes
    own = sizes.trained * sizes.number_bytes
    state = state_bytes(sizes, load.optimizer, load.rounding) if load.learns else 0
    held = own if load.reference else 0
    beside = load.beside * (weights + state_bytes(sizes))
    return {
        "weights": weights,
        "optimizer": state,
        "reference": held,
        "beside": beside,
        "checkpoint": _saved(sizes, load),
        "rewards' workers": load.workers * WORKER_BYTES,
        "process": load.process_bytes or PROCESS_BYTES.get(load.device, PROCESS_BYTES["cuda"]),
    }


def _saved(sizes: Sizes, load: Load) -> int:
    """What a checkpoint holds: a copy of it in memory stays until the next one, where it is made at all."""
    if not (load.learns and load.copies_state):
        return 0
    own = sizes.trained * sizes.number_bytes
    others = load.beside * (sizes.parameters * sizes.number_bytes + state_bytes(sizes))
    state = state_bytes(sizes, load.optimizer, load.rounding)
    return own * (1 + load.reference) + state + others


def _learning(sizes: Sizes, load: Load) -> dict[str, int]:
    head = sizes.vocabulary * sizes.hidden * SINGLE if sizes.head_is_trained else 0
    per_token = activation_bytes(sizes, recompute=load.recompute)
    transient = SINGLE * (3 * sizes.feed_forward + 4 * sizes.hidden)
    chunk = CHUNKS * min(
        CHUNK_BYTES.get(load.device, 512 << 20), load.row * sizes.vocabulary * SINGLE
    )
    one = load.row * (per_token + transient)
    alone = load.tokens <= load.rows * load.row
    # tied to the embeddings, its gradient waits for theirs; beside both is their sum of earlier rows
    waiting = (1 if alone else 2) * head if sizes.head_is_tied else 0
    return {
        "gradients": sizes.trained * SINGLE * load.rows,
        "activations": load.rows * one,
        "head": load.rows * max(head + chunk, waiting - one),
        "update": update_bytes(sizes, load),
    }


def _sampling(sizes: Sizes, load: Load) -> dict[str, int]:
    answers = load.groups * load.members
    lanes, places = min(load.slots, answers), min(load.slots, load.groups)
    number = SINGLE if load.device == "cpu" else sizes.number_bytes
    kept = places * whole_blocks(load.prompt) + lanes * whole_blocks(load.answer)
    per_token = 2 * sizes.layers * sizes.key_heads * sizes.width * number
    # compiled decode steps read panels of every matrix, in float32; other layers the head alone
    copied = sizes.met if sizes.written_out else sizes.vocabulary * sizes.hidden
    prefill = min(places, load.groups) * load.prompt * SINGLE * (
        4 * sizes.hidden + 3 * sizes.feed_forward + 4 * sizes.query_heads * sizes.width
    )  # fmt: skip
    return {
        "keys and values": kept * per_token,
        "sampler's copies": (copied * SINGLE if load.device == "cpu" else 0) + prefill,
        "logits": 2 * lanes * sizes.vocabulary * SINGLE + lanes * load.answer * 24,
    }
