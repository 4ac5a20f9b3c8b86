"""What an update saw of each token is in the store: ratios, entropies, what was clipped, what was in none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.train.runs import REINFORCE, metrics, rows, run

KEPT = (
    "SELECT ratios, entropies, clipped, logprobs, advantage FROM rollouts JOIN groups ON id = group_id "
    "WHERE step = 1"
)
CLIP = 0.05


def looked(folder: Path, **changes: Any) -> list[tuple[Any, ...]]:
    """What is kept of each answer of the first step: float arrays, None where it was in no update."""
    run(folder, {**REINFORCE, "steps": 1, **changes})
    return [
        (
            ratios and (of(ratios), of(entropies), np.frombuffer(clipped, "u1")),
            len(logprobs) // 4,
            a,
        )
        for ratios, entropies, clipped, logprobs, a in rows(folder, KEPT)
    ]


def of(blob: bytes) -> np.ndarray:
    return np.frombuffer(blob, "<f2").astype(np.float64)


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, ...]]:
    algorithm = {"name": "grpo", "clip_low": CLIP, "clip_high": CLIP, "beta": 0.0}
    fast = {"learning_rate": 0.02, "warmup_steps": 0}
    folder = tmp_path_factory.mktemp("several") / "run"
    return looked(folder, updates_per_step=4, algorithm=algorithm, optimizer=fast)


def test_with_one_update_every_ratio_is_1_and_entropies_are_those_measured(tmp_path: Path) -> None:
    found = [own for own, _, _ in looked(tmp_path / "run") if own]
    assert all((ratios == 1.0).all() and not clipped.any() for ratios, _, clipped in found)
    entropies = np.concatenate([own for _, own, _ in found])
    assert entropies.mean() == pytest.approx(
        metrics(tmp_path / "run", stage=0)["entropy"], rel=1e-3
    )


def test_there_is_a_value_for_each_sampled_token_and_none_for_answers_that_teach_nothing(
    several: list[tuple[Any, ...]],
) -> None:
    assert any(own is None for own, _, _ in several)
    for own, tokens, advantage in several:
        assert (own is None) == (advantage == 0.0)
        assert own is None or [len(part) for part in own] == [tokens] * 3


def test_what_is_clipped_is_what_the_loss_lets_go_of(several: list[tuple[Any, ...]]) -> None:
    seen = 0
    for own, _, advantage in several:
        if own is None:
            continue
        ratios, _, clipped = own
        far = ratios > 1 + CLIP if advantage > 0 else ratios < 1 - CLIP
        sure = np.abs(np.abs(ratios - 1) - CLIP) > 1e-3  # half precision cannot say of the others
        assert (clipped.astype(bool) == far)[sure].all()
        seen += int(clipped.sum())
    assert seen, "nothing was clipped: the test says nothing"
