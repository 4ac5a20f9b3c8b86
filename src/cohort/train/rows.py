"""The gradient of an update's rows, shared out among threads that compute on one core each.

Torch splits every operation among its threads, and between two operations they wait for each other;
rows need no waiting. Each thread sums the gradients of its own rows, and the sums are added in
order, so the result is the same every time. A single thread does the same, one row after another.

A parameter's gradient is added to its thread's sum the moment it is there, and let go: a row's gradients
never exist all at once beside the sum.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Generic, TypeVar

import torch
from torch import Tensor

from cohort.data.packing import Family, Row, cut
from cohort.policy.buffers import kept

Seen = TypeVar("Seen")
Gradients = list[Tensor | None]


class Rows(Generic[Seen]):
    """Computes rows: `loss` says a row's share in the loss, and what else is to be kept of it."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self._parameters = list(parameters)
        self._pool: ThreadPoolExecutor | None = None
        self._of_thread = threading.local()
        self._only: Gradients | None = None

    def gradient(
        self, rows: Sequence[Row], loss: Callable[[Row], tuple[Tensor, Seen]]
    ) -> tuple[list[Gradients], list[Seen]]:
        """One gradient for each thread, to be added in order, and what was kept of each row."""
        shares = _shares(rows, workers(self._parameters[0].device))
        hooks = [p.register_hook(partial(self._take, n)) for n, p in enumerate(self._parameters)]
        try:
            found = self._shared_out(rows, shares, loss)
        finally:
            for hook in hooks:
                hook.remove()
        every = {n: seen for _, own in found for n, seen in own.items()}
        return [gradients for gradients, _ in found], [every[n] for n in range(len(rows))]

    def _shared_out(
        self,
        rows: Sequence[Row],
        shares: Sequence[Sequence[int]],
        loss: Callable[[Row], tuple[Tensor, Seen]],
    ) -> list[tuple[Gradients, dict[int, Seen]]]:
        if len(shares) == 1:
            # On a GPU torch's own thread takes the gradients, so it is not found by its thread.
            self._only = [None] * len(self._parameters)
            try:
                return [self._share(rows, shares[0], loss, self._only)]
            finally:
                self._only = None
        threads = torch.get_num_threads()
        self._pool = self._pool or ThreadPoolExecutor(threads, "cohort-rows")
        try:
            asked = [self._pool.submit(self._alone, rows, own, loss) for own in shares]
            return [one.result() for one in asked]
        finally:
            torch.set_num_threads(threads)

    def _alone(
        self, rows: Sequence[Row], own: Sequence[int], loss: Callable[[Row], tuple[Tensor, Seen]]
    ) -> tuple[Gradients, dict[int, Seen]]:
        torch.set_num_threads(1)
        self._of_thread.total = [None] * len(self._parameters)
        return self._share(rows, own, loss, self._of_thread.total)

    def _share(
        self,
        rows: Sequence[Row],
        own: Sequence[int],
        loss: Callable[[Row], tuple[Tensor, Seen]],
        total: Gradients,
    ) -> tuple[Gradients, dict[int, Seen]]:
        seen: dict[int, Seen] = {}
        with kept(max((len(rows[number].tokens) for number in own), default=0)):
            for number in own:
                value, seen[number] = loss(rows[number])
                # What it returns is what `_take` leaves in the gradients' places.
                torch.autograd.grad(value, self._parameters, allow_unused=True)
                del value
        return total, seen

    def _take(self, place: int, gradient: Tensor) -> Tensor:
        """Add a parameter's gradient to the sum of the thread that computed it; zeros go on, which
        take no memory."""
        total: Gradients = self._of_thread.total if self._only is None else self._only
        sofar = total[place]
        if sofar is None:
            # A copy: torch may have given the same tensor to two parameters.
            total[place] = gradient.to(
                torch.promote_types(gradient.dtype, torch.float32), copy=True
            )
        else:
            sofar.add_(gradient)
        return gradient.new_zeros(()).expand_as(gradient)


def workers(device: torch.device) -> int:
    """How many rows are computed at a time: one by each thread on a CPU, else one."""
    return torch.get_num_threads() if device.type == "cpu" else 1


def aimed_at(tokens_per_row: int, device: str) -> int:
    """How long rows are to be that may have so many tokens, on a kind of device."""
    return max(1, tokens_per_row // 2) if device == "cpu" else tokens_per_row


def even_cut(
    families: Sequence[Family], *, tokens_per_row: int, device: torch.device, whole: bool = False
) -> list[list[Family]]:
    """Families cut into rows of at most `tokens_per_row`, as many that each thread has its share.

    Rows come out about equally long, give or take half of a family, and on a CPU about half as long as
    they may be, which takes half of the memory and no more time (docs/LOG.md); only a longer family
    needs more. One that does not fit is split as `cut` does it, unless it has to stay whole.
    """
    threads = workers(device)
    total = sum(family.size for family in families)
    if not total:
        return list(cut(families, tokens_per_row=tokens_per_row, whole=whole))
    largest = max(family.size for family in families)
    aim = aimed_at(tokens_per_row, device.type)
    count = threads * -(-total // (threads * aim))
    even = max(-(-total // count) + largest // 2, largest)
    return list(cut(families, tokens_per_row=min(tokens_per_row, even), whole=whole))


def add(total: Tensor | None, gradient: Tensor | None) -> Tensor | None:
    """The sum so far and one gradient more, in float32 at least; the sum is changed in place."""
    if gradient is None:
        return total
    if total is None:
        return gradient.to(torch.promote_types(gradient.dtype, torch.float32))
    return total.add_(gradient)


def _shares(rows: Sequence[Row], threads: int) -> list[list[int]]:
    """Which thread computes which rows: the longest first, each to whoever has the least to do."""
    shares: list[list[int]] = [[] for _ in range(max(1, min(threads, len(rows))))]
    load = [0] * len(shares)
    for number in sorted(range(len(rows)), key=lambda n: (-len(rows[n].tokens), n)):
        least = load.index(min(load))
        shares[least].append(number)
        load[least] += len(rows[number].tokens)
    return [sorted(share) for share in shares]
