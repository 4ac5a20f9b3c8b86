"""Sampling from a model in which answers cannot share their prompt, through transformers' own `generate`.

All answers to a problem are a batch with one prompt, so that nothing is padded. Which token comes next is
Cohort's choice: by the answer's own uniforms, with its log-probability, as everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList
from transformers.modeling_utils import PreTrainedModel

from cohort.data import keyed
from cohort.data.records import Rollout
from cohort.policy.policy import Policy
from cohort.rollout.choice import drawn, likeliest
from cohort.rollout.request import Request, Sampling


def plain_round(
    policy: Policy,
    requests: Sequence[Request],
    sampling: Sampling,
    progress: Callable[[int, int], None],
) -> list[list[Rollout]]:
    """`rollouts_per_prompt` answers to each request, as many side by side as there are slots."""
    found: list[list[Rollout]] = []
    total = len(requests) * sampling.rollouts_per_prompt
    for request in requests:
        group: list[Rollout] = []
        for first in range(0, sampling.rollouts_per_prompt, sampling.slots):
            members = range(first, min(first + sampling.slots, sampling.rollouts_per_prompt))
            group += _answers(policy, request, sampling, members)
            progress(len(found) * sampling.rollouts_per_prompt + len(group), total)
        found.append(group)
    return found


def _answers(policy: Policy, request: Request, sampling: Sampling, members: range) -> list[Rollout]:
    """These members' answers to one request."""
    room = min(sampling.max_new_tokens, policy.context - len(request.prompt))
    heats = [sampling.temperatures[m % len(sampling.temperatures)] for m in members]
    choice = _Choice(policy, request, sampling, members, room)
    prompt = torch.from_numpy(request.prompt.astype(np.int64)).to(policy.device)
    rows = prompt.expand(len(members), -1)
    options = GenerationConfig(
        max_new_tokens=room, do_sample=False, num_beams=1,
        eos_token_id=sorted(policy.ends) or None, pad_token_id=0,
    )  # fmt: skip
    _generate(policy.model, rows, options, choice)
    made = []
    for place, heat in enumerate(heats):
        tokens, logprobs, ended = _cut(*choice.line(place), policy, sampling)
        made.append(
            Rollout(
                tokens=tokens,
                logprobs=logprobs,
                stop="end" if ended else "length",
                text=policy.text(tokens),
                version=policy.version,
                temperature=heat,
            )
        )
    return made


def _generate(
    model: PreTrainedModel, rows: Tensor, options: GenerationConfig, choice: LogitsProcessor
) -> None:
    """Go through `generate`, without what the model's own options would do to its logits."""
    own, model.generation_config = model.generation_config, GenerationConfig()
    try:
        model.generate(  # type: ignore[operator]  # every causal model has it
            rows,
            attention_mask=torch.ones_like(rows),
            generation_config=options,
            logits_processor=LogitsProcessorList([choice]),
        )
    finally:
        model.generation_config = own


def _cut(
    tokens: NDArray[np.int32], logprobs: NDArray[np.float32], policy: Policy, sampling: Sampling
) -> tuple[NDArray[np.int32], NDArray[np.float32], bool]:
    """An answer up to its end: the first token that ends it, or that completes a text which does."""
    ends = np.flatnonzero(np.isin(tokens, sorted(policy.ends)))
    count, ended = (int(ends[0]) + 1, True) if len(ends) else (len(tokens), False)
    text = policy.text(tokens[:count])
    places = [text.find(stop) + len(stop) for stop in sampling.stop if stop in text]
    if places:
        count, ended = policy.token_at(tokens[:count], min(places)) + 1, True
    return tokens[:count].copy(), logprobs[:count].copy(), ended


class _Choice(LogitsProcessor):
    """Takes the place of generate's choice: leaves one token possible."""

    def __init__(
        self, policy: Policy, request: Request, sampling: Sampling, members: range, room: int
    ) -> None:
        device, self._policy, self._greedy = policy.device, policy, sampling.greedy
        heats = [sampling.temperatures[m % len(sampling.temperatures)] for m in members]
        self._heats = torch.tensor(heats, device=device)
        self._heated = any(heat != 1.0 for heat in heats)
        draws = [keyed.uniforms(room, *request.key, member) for member in members]
        self._uniforms = torch.from_numpy(np.stack(draws)).to(device)
        self._chosen: list[tuple[Tensor, Tensor]] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        logits = scores[:, : self._policy.vocabulary].float().contiguous()
        if self._greedy:
            tokens, logprobs = likeliest(logits)
        else:
            uniforms = self._uniforms[:, len(self._chosen)].contiguous()
            tokens, logprobs = drawn(logits, self._heats, uniforms, heated=self._heated)
        self._chosen.append((tokens, logprobs))
        only = torch.full_like(scores, -torch.inf)
        return only.scatter_(1, tokens[:, None].long(), 0.0)

    def line(self, place: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """What was chosen for one answer, its end and what generate put behind it included."""
        tokens = torch.stack([tokens[place] for tokens, _ in self._chosen])
        logprobs = torch.stack([logprobs[place] for _, logprobs in self._chosen])
        return tokens.cpu().numpy().astype(np.int32), logprobs.float().cpu().numpy()
