"""A sequence-classification model as a reward: its score, or the probability of one of its labels.

It runs in the training process, where torch is, and is loaded from its folder at the first call. It
reads with its own tokenizer, and a chat by its own template with the answer as the last message. Rows
of equal length go through together and no row is padded, so that no answer's score depends on the
others but for rounding. An answer that holds one of the model's control tokens is not scored: it
could write the turns of its own judge.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cohort.errors import ModelError, RewardError
from cohort.rewards.classifier_model import Loaded, load_classifier
from cohort.rewards.outcome import Failed, Outcome, Scored, Unscorable
from cohort.rewards.reading import Text, text_of


class Classifier:
    """The reward `classifier`. It keeps the models that it has loaded."""

    in_process = True
    """It needs torch, and its weights are worth loading once."""

    def __init__(self) -> None:
        self._loaded: dict[tuple[str, str], Loaded] = {}

    def __call__(
        self,
        *,
        completions: Sequence[Text],
        prompts: Sequence[Text] | None = None,
        path: str = "",
        label: str = "",
        device: str = "cpu",
        tokens_at_once: int = 16_384,
        **_: object,
    ) -> list[Outcome]:
        """What the model in the folder `path` says of every prompt with its completion.

        label: the one whose probability is the reward; none for a model with a single output, whose
        score is. tokens_at_once: in one forward pass. Raises RewardError and ModelError.
        """
        if not isinstance(path, str) or not path:
            raise RewardError("the classifier has no path", "give the folder that the model is in")
        if type(tokens_at_once) is not int or tokens_at_once < 1:
            raise RewardError(f"tokens_at_once is {tokens_at_once!r:.40}", "it is from 1 on")
        if (path, device) not in self._loaded:
            self._loaded[path, device] = load_classifier(path, device)
        loaded = self._loaded[path, device]
        output = _output(loaded.model.config, label)
        asked: Sequence[Text] = [""] * len(completions) if prompts is None else prompts
        rows = [_row(loaded, p, c) for p, c in zip(asked, completions, strict=True)]
        outcomes = [row for row in rows if not isinstance(row, list)]
        values: Mapping[int, float] = dict(_scores(loaded, rows, output, tokens_at_once))
        unread = iter(outcomes)
        return [_said(values[n]) if n in values else next(unread) for n in range(len(rows))]


classifier = Classifier()


def _said(value: float) -> Outcome:
    if math.isfinite(value):
        return Scored(value)
    return Failed("invalid", f"the classifier says {value}")


def _output(config: Any, label: str) -> int:
    """Which of the model's outputs is the reward; -1 for the only one."""
    labels = {int(number): str(name) for number, name in config.id2label.items()}
    there = ", ".join(list(labels.values())[:12])
    if len(labels) == 1:
        if label:
            raise RewardError(
                f"the classifier has one output, and label is {label!r:.40}", "remove label"
            )
        return -1
    for number, name in labels.items():
        if name == label:
            return number
    raise RewardError(
        f"the classifier has the labels {there:.200}; label is {label!r:.40}",
        "name the one whose probability is the reward",
    )


def _row(loaded: Loaded, prompt: Text, completion: Text) -> list[int] | Outcome:
    """The tokens that the model reads; or why it does not."""
    answer = text_of(completion)
    for token in loaded.tokenizer.all_special_tokens:
        if token in answer:
            return Unscorable(f"the answer holds {token!r:.40}, a control token of the classifier")
    if isinstance(prompt, str) and isinstance(completion, str):
        ids = loaded.tokenizer(prompt + completion)["input_ids"]
    else:
        turns = [] if isinstance(prompt, str) else list(prompt)
        said = [{"role": "assistant", "content": answer}]
        try:
            text = loaded.chats.text([*turns, *said], "an answer with its prompt")
        except ModelError as error:
            return Failed("invalid", error.message)
        ids = loaded.tokenizer(text, add_special_tokens=False)["input_ids"]
    if not 0 < len(ids) <= loaded.most_tokens:
        return Unscorable(
            f"the answer has {len(ids):,} tokens with its prompt, the classifier reads from 1 to "
            f"{loaded.most_tokens:,}"
        )
    return [int(token) for token in ids]


def _scores(
    loaded: Loaded, rows: Sequence[list[int] | Outcome], output: int, tokens_at_once: int
) -> Iterator[tuple[int, float]]:
    """The reward of every row that is one, with its place; rows of equal length go together."""
    import torch

    config, device = loaded.model.config, loaded.model.device
    for places in _together(rows, tokens_at_once):
        ids = torch.tensor([rows[n] for n in places], device=device)
        with torch.inference_mode():
            logits = loaded.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.float()
        if output < 0:
            values = logits[:, 0]
        elif config.problem_type == "multi_label_classification":
            values = logits.sigmoid()[:, output]
        else:
            values = logits.softmax(-1)[:, output]
        yield from zip(places, values.tolist(), strict=True)


def _together(rows: Sequence[list[int] | Outcome], tokens_at_once: int) -> Iterator[list[int]]:
    """Places of rows of one length, no more of them than have so many tokens."""
    by_length: dict[int, list[int]] = {}
    for place, row in enumerate(rows):
        if isinstance(row, list):
            by_length.setdefault(len(row), []).append(place)
    for length, places in sorted(by_length.items()):
        count = max(1, tokens_at_once // length)
        yield from (places[begin : begin + count] for begin in range(0, len(places), count))
