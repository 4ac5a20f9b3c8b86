"""The reward model of an earlier stage as a reward: `rewards = { "stage:NAME" = 1.0 }`.

It is read as any classifier is, from the folder that the stage left; the run says where that is when
the stage that asks begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

from cohort.rewards.classifier import Classifier
from cohort.rewards.outcome import Outcome
from cohort.rewards.reading import Text


@final
class StageModel:
    """What the model that stage `stage` left says of answers."""

    in_process = True
    """It needs torch, and its weights are worth loading once."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self.path: Path | None = None
        """The model's folder, from when it is there."""
        self._classifier = Classifier()

    def __call__(
        self,
        *,
        completions: Sequence[Text],
        prompts: Sequence[Text] | None = None,
        device: str = "cpu",
        tokens_at_once: int = 16_384,
        **_: Any,
    ) -> list[Outcome]:
        """What the model says of every prompt with its completion."""
        assert self.path is not None, f"stage {self.stage} has not left its model yet"
        return self._classifier(
            completions=completions,
            prompts=prompts,
            path=str(self.path),
            device=device,
            tokens_at_once=tokens_at_once,
        )
