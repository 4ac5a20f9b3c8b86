"""Randomness as a function of a key, never a stream: every draw can be made again from its name.

A key is a tuple of strings and integers, beginning with the run's seed and a purpose, for example
(seed, "rollout", step, problem id, rollout index). The order in which draws are made, the number
of workers and a restart cannot change them, and nothing has to be saved to continue exactly.
The generator is Philox4x64-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"),
its 128-bit key the BLAKE2b hash of the tuple.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Part = str | int
T = TypeVar("T")


def digest(*key: Part) -> int:
    """A 128-bit integer that depends on every part of the key and on where the parts begin."""
    framed = "".join(f"{type(part).__name__}{len(str(part))}:{part};" for part in key)
    return int.from_bytes(hashlib.blake2b(framed.encode(), digest_size=16).digest(), "little")


def generator(*key: Part) -> np.random.Generator:
    """The generator that belongs to a key; two calls with equal keys give equal draws."""
    return np.random.Generator(np.random.Philox(key=digest(*key)))


def uniforms(count: int, *key: Part) -> NDArray[np.float64]:
    """The first `count` uniforms in [0, 1) of a key: float64 [count]."""
    return generator(*key).random(count)


def shuffled(items: Sequence[T], names: Sequence[str], *key: Part) -> list[T]:
    """The items in an order that depends on their names and the key, not on where they stood."""
    ranks = {name: digest(*key, name) for name in names}
    return [item for _, item in sorted(zip(names, items, strict=True), key=lambda p: ranks[p[0]])]
