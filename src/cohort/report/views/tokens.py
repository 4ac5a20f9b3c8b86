"""The tokens of a group's answers as words to colour: text, log-probability, advantage, ratio, entropy.

The store keeps ids. Their text needs the run's tokenizer, looked for in its folder and then where its recipe
says the model is; without one, a token is shown by its number. Of an episode, tokens that the
policy was shown are among them and have no log-probability.
"""

from __future__ import annotations

import json
import sqlite3
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cohort.data.records import JudgedStep
from cohort.report.text import showable
from cohort.report.views.curves import rounded
from cohort.report.views.episodes import told

MOST_TOKENS = 40_000
"""Tokens of one group that are told; answers after that many are told without them."""

TOKENIZER = "tokenizer.json"
MOST_TOKENIZER_BYTES = 64 << 20

LATER = ("steps", "episode", "ratios", "entropies", "clipped")
"""Columns that runs of earlier schemas do not have."""

Words = Callable[[Sequence[int]], list[str]]
"""Token ids to the text that each adds."""


def tokens(db: sqlite3.Connection, group: int, words: Words) -> dict[str, object]:
    """Each answer's tokens, by the number of the answer; those beyond MOST_TOKENS are None."""
    known = {row["name"] for row in db.execute("PRAGMA table_info(rollouts)")}
    found: dict[str, object] = {}
    left = MOST_TOKENS
    for row in db.execute("SELECT * FROM rollouts WHERE group_id = ? ORDER BY number", (group,)):
        left -= len(row["tokens"]) // 4
        kept = {name: row[name] if name in known else None for name in LATER}
        found[str(row["number"])] = None if left < 0 else _answer(row, kept, words)
    return {"answers": found, "decoded": words is not numbered}


def _answer(row: sqlite3.Row, kept: Mapping[str, Any], words: Words) -> dict[str, object]:
    ids: NDArray[np.int32] = np.frombuffer(row["tokens"], "<i4")
    logprobs: NDArray[np.float32] = np.frombuffer(row["logprobs"], "<f4")
    sampled = np.ones(len(ids), bool)
    if kept["episode"]:
        told_mask = told(kept["episode"]).sampled
        sampled[: len(told_mask)] = told_mask[: len(ids)]
    places = np.flatnonzero(sampled)
    learned: dict[str, object] = {}
    if kept["ratios"] is not None:  # the answer was in an update
        clipped = np.frombuffer(kept["clipped"], "u1")
        learned = {
            "ratio": _spread(np.frombuffer(kept["ratios"], "<f2"), places, len(ids)),
            "entropy": _spread(np.frombuffer(kept["entropies"], "<f2"), places, len(ids)),
            "clipped": places[: len(clipped)][clipped > 0].tolist(),
        }
    return {
        "text": [showable(word) for word in words(ids.tolist())],
        "logprob": _spread(logprobs, places, len(ids)),
        "advantage": _advantages(row["advantage"], kept["steps"], sampled),
        "seen": np.flatnonzero(~sampled).tolist(),
        **learned,
    }


def _spread(
    values: NDArray[np.floating], places: NDArray[np.int64], count: int
) -> list[float | None]:
    """Values of the sampled tokens in their places among all; None elsewhere."""
    full: list[float | None] = [None] * count
    for place, value in zip(places.tolist(), values.tolist(), strict=False):
        full[place] = rounded(value, 3)
    return full


def _advantages(
    whole: float | None, steps: str | None, sampled: NDArray[np.bool_]
) -> list[float] | float | None:
    """One number where all tokens of the answer have the same, else one a token."""
    if not steps:
        return rounded(whole, 4)
    own = np.full(len(sampled), 0.0)
    places, begin = np.flatnonzero(sampled), 0
    for judged in sorted((JudgedStep(*one) for one in json.loads(steps)), key=_last):
        own[places[begin : judged.last_token + 1]] = judged.advantage
        begin = max(begin, judged.last_token + 1)
    return [float(f"{value:.4g}") for value in own]


def _last(judged: JudgedStep) -> int:
    return judged.last_token


def numbered(ids: Sequence[int]) -> list[str]:
    """Tokens by their numbers, where there is no tokenizer."""
    return [f"⟨{number}⟩" for number in ids]


def words_of(run: Path) -> Words:
    """What turns a run's token ids into text; `numbered` where it has no tokenizer that can be read."""
    for path in _places(run):
        if path.is_file() and path.stat().st_size <= MOST_TOKENIZER_BYTES:
            found = _loaded(path, path.stat().st_mtime_ns)
            if found is not None:
                return found
    return numbered


def _places(run: Path) -> Iterator[Path]:
    yield run / TOKENIZER
    yield run / "model" / TOKENIZER
    yield from sorted(run.glob(f"checkpoints/*/{TOKENIZER}"))
    try:
        model = tomllib.loads((run / "recipe.toml").read_text(encoding="utf-8")).get("model")
    except (OSError, ValueError):
        return
    path = model.get("path") if isinstance(model, dict) else model
    if isinstance(path, str) and path:
        yield Path(path) / TOKENIZER


@lru_cache(maxsize=2)
def _loaded(path: Path, changed: int) -> Words | None:
    """The words of a tokenizer file as it was when it changed last; None for a file that is none."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception:  # noqa: BLE001 - the library raises a bare Exception for a file it cannot read
        return None
    return lambda ids: _words(tokenizer, ids)


def _words(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """What each token adds to the text; one that ends within a letter adds nothing yet."""
    from tokenizers.decoders import DecodeStream

    stream = DecodeStream(skip_special_tokens=False)
    return [stream.step(tokenizer, number) or "" for number in ids]
