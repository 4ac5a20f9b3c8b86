"""The reward model of an earlier stage as a reward: `rewards = { "stage:NAME" = 1.0 }`.

It reads the tokens that were sampled, the one that ends the answer among them where it was sampled,
as it did in training; the answers to one prompt share its tokens in a row. What it says of an answer
is its value, and a probability (the sigmoid) where it was trained by cross-entropy: of a right
answer, or, as a process model, of each step being right.

An answer with a control token before its end is not scored: it could write the turns of its own judge.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from cohort.data.packing import Family, Member
from cohort.data.records import Problem
from cohort.errors import RewardError
from cohort.rewards.outcome import Failed, Outcome, Scored, Unscorable
from cohort.rewards.reading import Text, text_of
from cohort.rewards.step_ends import step_ends

if TYPE_CHECKING:  # both load torch, and what is known of rewards is asked without it
    from cohort.policy.policy import Policy
    from cohort.policy.valued import Reads, Valued

HEADS: dict[str, Reads] = {"outcome": "sequence", "process": "token"}
"""The kind of model that a supervision needs."""
READ = "reads.json"
"""Beside the model's folder: how its values are read."""

Ends = Callable[..., Sequence[Sequence[int]]]
"""Where the steps of each completion end, in characters, given what reward functions are given."""


@final
class StageModel:
    """What the model that stage `stage` left says of answers."""

    in_process = True
    """It needs torch, and its weights are worth loading once."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self._opened: tuple[Path, Policy, Ends | None] | None = None
        self._valued: Valued | None = None

    def open(self, folder: Path, policy: Policy, ends: Ends | None = None) -> None:
        """From here on, read the model in this folder. Its tokens are those of the policy that is
        scored; `ends` says where steps end if separators do not."""
        self._opened, self._valued = (folder, policy, ends), None

    def close(self) -> None:
        """Forget the weights."""
        self._valued = None

    def __call__(
        self,
        *,
        completions: Sequence[Text],
        prompts: Sequence[Text] | None = None,
        completion_ids: Sequence[Sequence[int]] | None = None,
        device: str = "",
        tokens_at_once: int = 16_384,
        **columns: Any,
    ) -> list[Outcome]:
        """What the model says of every prompt with its completion.

        device: where the model is; that of the policy where none is given. tokens_at_once: in one
        forward pass. Raises RewardError where the stage has not left its model yet.
        """
        if self._opened is None:
            raise RewardError(
                f"the reward model of stage {self.stage} is not there yet",
                "it can be asked in a run, after the stage that trains it",
            )
        folder, policy, ends = self._opened
        read = Read.of(folder)
        texts = [text_of(completion) for completion in completions]
        ids = completion_ids or [policy.completion_tokens(text).tolist() for text in texts]
        asked = _Asked(policy, prompts or [""] * len(texts), [np.asarray(o, np.int32) for o in ids])
        if self._valued is None:
            self._valued = read.load(folder, policy, device)
        values = asked.values(self._valued, tokens_at_once)
        if read.supervision == "outcome":
            return [
                own if isinstance(own, Unscorable) else _said(read.worth(own[-1])) for own in values
            ]
        given = {"completions": completions, "prompts": prompts, "completion_ids": ids, **columns}
        found = ends(**given) if ends else [step_ends(text, read.separators) for text in texts]
        return [
            own if isinstance(own, Unscorable) else asked.steps(number, found[number], own, read)
            for number, own in enumerate(values)
        ]


class Read(NamedTuple):
    """How the values of a stage's model are read."""

    supervision: str
    as_probability: bool
    separators: list[str]

    @classmethod
    def of(cls, folder: Path) -> Read:
        """What the stage wrote beside the model's folder."""
        return cls(**json.loads((folder.parent / READ).read_text(encoding="utf-8")))

    def load(self, folder: Path, policy: Policy, device: str) -> Valued:
        """The model."""
        from cohort.policy.valued import load_valued

        return load_valued(
            folder, HEADS[self.supervision], policy.tokenizer, device=device or str(policy.device)
        )

    def worth(self, value: float) -> float:
        """What a value means: itself, or a probability."""
        if not self.as_probability:
            return float(value)
        return 1.0 / (1.0 + math.exp(-value)) if value > -700.0 else 0.0


class _Asked:
    """Answers as rows of tokens, and what cannot be read of them."""

    def __init__(
        self, policy: Policy, prompts: Sequence[Text], answers: Sequence[NDArray[np.int32]]
    ) -> None:
        self._policy, self._answers = policy, answers
        self._prompts: dict[str, NDArray[np.int32]] = {}
        self._of = [self._prompt(prompt) for prompt in prompts]
        tokenizer = policy.tokenizer
        special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}  # that stands for text
        self._refused = [
            self._reason(answer, self._prompts[key], special)
            for answer, key in zip(answers, self._of, strict=True)
        ]

    def values(self, valued: Valued, tokens_at_once: int) -> list[NDArray[np.float32] | Unscorable]:
        """The value before each token of each answer and after its last, [n + 1]."""
        members: dict[str, list[Member]] = {}
        offsets, offset = [], 0
        for number, answer in enumerate(self._answers):
            offsets.append(offset)
            if not self._refused[number]:
                tokens = np.append(answer, np.int32(0))  # never fed in
                members.setdefault(self._of[number], []).append(Member(tokens, offset))
                offset += len(tokens)
        families = [Family(self._prompts[key], tuple(own)) for key, own in members.items()]
        flat = valued.values_of(families, tokens_per_row=tokens_at_once)
        return [
            Unscorable(why) if why else flat[begin : begin + len(answer) + 1]
            for why, begin, answer in zip(self._refused, offsets, self._answers, strict=True)
        ]

    def steps(
        self, number: int, ends: Sequence[int], values: NDArray[np.float32], read: Read
    ) -> Outcome:
        """The steps of an answer that end so, each with its worth."""
        tokens = self._answers[number]
        found = [(end, read.worth(values[self._policy.token_at(tokens, end) + 1])) for end in ends]
        if not found:
            return Unscorable("it has no steps")
        return Scored(tuple(found)) if all(math.isfinite(v) for _, v in found) else _said(math.nan)

    def _prompt(self, prompt: Text) -> str:
        """The key of a prompt whose tokens are known from here on."""
        key = json.dumps(prompt)
        if key not in self._prompts:
            asked = prompt if isinstance(prompt, str) else tuple(prompt)
            self._prompts[key] = self._policy.prompt_tokens(Problem("of a reward model", asked))
        return key

    def _reason(
        self, answer: NDArray[np.int32], prompt: NDArray[np.int32], special: set[int]
    ) -> str:
        """Why an answer is not read; empty where it is."""
        ended = len(answer) > 0 and int(answer[-1]) in self._policy.ends
        inside = special & set(answer[: len(answer) - ended].tolist())
        if inside:
            token = self._policy.tokenizer.convert_ids_to_tokens(min(inside))
            return f"the answer holds {token!r:.40}, a control token"
        if len(prompt) + len(answer) > self._policy.context:
            return (
                f"the answer has {len(prompt) + len(answer):,} tokens with its prompt, the model reads "
                f"at most {self._policy.context:,}"
            )
        return ""


def _said(value: float) -> Outcome:
    return Scored(value) if math.isfinite(value) else Failed("invalid", f"the model says {value}")
