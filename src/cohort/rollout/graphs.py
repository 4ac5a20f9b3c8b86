"""Decode steps recorded as CUDA graphs: a thousand small kernels with one call.

A graph is recorded for each number of groups and span of answers, both rounded up to powers of two, at
the second step of that shape; the first is done as it is, which sets up the libraries. Graphs are kept
for as long as weights and lanes stay where they are in memory: training updates weights in place.
Elsewhere than on CUDA a step is done as it is, always.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from cohort.policy.policy import Policy
from cohort.rollout.grouped import Choosing, Lanes, Shape, step

LEAST_SPAN = 64


class Recorded:
    """The steps over one set of lanes."""

    def __init__(self, policy: Policy, lanes: Lanes, choosing: Choosing) -> None:
        self.lanes, self.choosing = lanes, choosing
        self.addresses = _addresses(policy)
        self._policy = policy
        self._seen: set[tuple[int, int]] = set()
        self._graphs: dict[tuple[int, int], torch.cuda.CUDAGraph] = {}
        self.warmup_seconds = 0.0
        """Spent on the first steps of a shape, compiling among them, and on recording."""
        on_gpu = lanes.device.type == "cuda"
        self._stream = torch.cuda.Stream(lanes.device) if on_gpu else None
        self._pool = torch.cuda.graph_pool_handle() if on_gpu else None

    def serves(self, policy: Policy, shape: Shape, choosing: Choosing) -> bool:
        """Whether what is here can be used for answers of this shape."""
        own = self.lanes.shape
        fits = own.members == shape.members and own.groups >= shape.groups
        fits = fits and own.prompt >= shape.prompt and own.answer >= shape.answer
        return fits and choosing == self.choosing and self.addresses == _addresses(policy)

    def rounded(self, groups: int, span: int) -> tuple[int, int]:
        """The shape of the step that so many groups with so long answers take part in."""
        shape = self.lanes.shape
        span = max(LEAST_SPAN, _power(span))
        return min(_power(groups), shape.groups), min(span, shape.answer)

    def __call__(self, groups: int, span: int) -> None:
        """A step of a rounded shape."""
        key = (groups, span)
        if key in self._graphs:
            self._graphs[key].replay()
        elif key not in self._seen:
            self._seen.add(key)
            with self._warming():
                self._first(key)
        elif self._stream is None:
            step(self._policy, self.lanes, self.choosing, groups, span)
        else:
            with self._warming():
                self._record(key)
            self._graphs[key].replay()

    def _first(self, key: tuple[int, int]) -> None:
        """Done as it is: libraries and compilers set themselves up, and nothing is recorded of that."""
        if self._stream is None:
            step(self._policy, self.lanes, self.choosing, *key)
            return
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            step(self._policy, self.lanes, self.choosing, *key)
        torch.cuda.current_stream().wait_stream(self._stream)

    def _record(self, key: tuple[int, int]) -> None:
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
            step(self._policy, self.lanes, self.choosing, *key)
        self._graphs[key] = graph

    @contextmanager
    def _warming(self) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.warmup_seconds += time.perf_counter() - began


def recorded(policy: Policy, shape: Shape, choosing: Choosing) -> Recorded:
    """Steps for answers of this shape: those that the policy keeps, or else new ones in their place."""
    kept = policy.kept.get(Recorded)
    if isinstance(kept, Recorded) and kept.serves(policy, shape, choosing):
        return kept
    policy.kept.pop(Recorded, None)  # its memory is free before new memory is asked for
    del kept
    made = Recorded(policy, Lanes(policy, shape), choosing)
    policy.kept[Recorded] = made
    return made


def warmup_seconds(policy: Policy) -> float:
    """What recording and compiling have taken of the steps that a policy keeps."""
    kept = policy.kept.get(Recorded)
    return kept.warmup_seconds if isinstance(kept, Recorded) else 0.0


def _addresses(policy: Policy) -> tuple[int, ...]:
    return tuple(parameter.data_ptr() for parameter in policy.model.parameters())


def _power(count: int) -> int:
    """The smallest power of two that is not less."""
    return 1 << (count - 1).bit_length()


