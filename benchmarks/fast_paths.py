"""The two fast paths against the obvious ones, as ratios measured in one run.

    python benchmarks/fast_paths.py [--json]

Sampling: the native sampler against transformers' `generate` with the prompt repeated per answer.
Update: packed rows, each prompt once, against padded rows, one per answer, and full logits. Same
model, same tokens; the two take turns (A B B A) and the medians are compared. The log-probabilities
of the two updates must agree, or there is no ratio. An absolute time says nothing here.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from cohort.data.packing import Family, Member, pack
from cohort.policy.load import take_over
from cohort.policy.new import new_tokenizer
from cohort.rollout.request import Request, Sampling
from cohort.rollout.sampler import sample

PROMPTS, ANSWERS, ANSWER_TOKENS, ROUNDS = 8, 8, 64, 3
VOCABULARY = 80


def main() -> None:
    """Measure both prompt lengths and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    results = {f"prompt_{length}": measure(length) for length in (8, 256)}
    if as_json:
        print(json.dumps(results))
        return
    print(f"{'':12}{'sampling':>10}{'update':>10}   (how many times faster than the obvious way)")
    for name, row in results.items():
        print(f"{name:12}{row['sampling_ratio']:>9.2f}x{row['update_ratio']:>9.2f}x")


def measure(prompt_tokens: int) -> dict[str, float]:
    """The ratios for one prompt length, with the seconds they come from."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=128, intermediate_size=344, num_hidden_layers=4,
        num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=512,
        bos_token_id=None, eos_token_id=1, pad_token_id=0,
    )  # fmt: skip
    plain = LlamaForCausalLM(config).eval()
    policy = take_over(copy.deepcopy(plain), new_tokenizer([str(n) for n in range(VOCABULARY - 3)]))
    policy.ends = frozenset()  # every answer has the same length, so both do the same work
    draw = np.random.default_rng(0)
    prompts = draw.integers(3, VOCABULARY, (PROMPTS, prompt_tokens)).astype(np.int32)
    requests = [Request(str(i), prompt, (1, i)) for i, prompt in enumerate(prompts)]
    options = Sampling(rollouts_per_prompt=ANSWERS, max_new_tokens=ANSWER_TOKENS)
    repeated = torch.from_numpy(prompts.repeat(ANSWERS, axis=0).astype(np.int64))

    def native() -> None:
        sample(policy, requests, options)

    def generate() -> None:
        plain.generate(
            repeated, attention_mask=torch.ones_like(repeated), do_sample=True, eos_token_id=None,
            max_new_tokens=ANSWER_TOKENS, min_new_tokens=ANSWER_TOKENS, pad_token_id=0,
        )  # fmt: skip

    answers = draw.integers(3, VOCABULARY, (PROMPTS, ANSWERS, ANSWER_TOKENS)).astype(np.int32)
    row = pack([_family(p, a, i) for i, (p, a) in enumerate(zip(prompts, answers, strict=True))])
    rows = torch.cat((repeated, torch.from_numpy(answers.reshape(-1, ANSWER_TOKENS)).long()), dim=1)

    def packed() -> torch.Tensor:
        logprobs, _ = policy.logprobs(row)
        logprobs.sum().backward()
        return logprobs.detach()

    def padded() -> torch.Tensor:
        logits = plain(rows, use_cache=False).logits[:, prompt_tokens - 1 : -1]
        targets = rows[:, prompt_tokens:, None]
        logprobs = logits.log_softmax(-1).gather(2, targets)[..., 0]
        logprobs.sum().backward()
        return logprobs.detach().flatten()

    gap = float((packed()[torch.from_numpy(row.flat).argsort()] - padded()).abs().max())
    assert gap < 1e-4, f"the two updates differ by {gap}: a speed would mean nothing"
    fast, slow = paired(native, generate)
    fast_update, slow_update = paired(packed, padded)
    return {
        "sampling_ratio": slow / fast,
        "update_ratio": slow_update / fast_update,
        "native_seconds": fast,
        "generate_seconds": slow,
        "packed_seconds": fast_update,
        "padded_seconds": slow_update,
        "largest_gap": gap,
    }


def paired(one: Callable[[], object], other: Callable[[], object]) -> tuple[float, float]:
    """Median seconds of each, taken in turns so that a slow moment of the machine hits both."""
    seconds: dict[int, list[float]] = {0: [], 1: []}
    for _ in range(ROUNDS):
        for which in (0, 1, 1, 0):
            began = time.perf_counter()
            (one, other)[which]()
            seconds[which].append(time.perf_counter() - began)
    return statistics.median(seconds[0]), statistics.median(seconds[1])


def _family(prompt: np.ndarray, answers: np.ndarray, number: int) -> Family:
    start = number * answers.size
    members = (Member(a, start + i * len(a)) for i, a in enumerate(answers))
    return Family(prompt, tuple(members))


if __name__ == "__main__":
    main()
