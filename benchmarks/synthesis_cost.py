"""What a reference costs beside an answer of its group, as ratios measured in one run.

    python benchmarks/synthesis_cost.py [--json]

Compute as Teacher calls a synthesis about one more answer, and counts what is sampled. An anchor also
reads the answers: G of them for one that it writes. So there are three ratios, of one reference to one
answer: sampled tokens, floating-point operations (2 a weight and token, 4 a key and query), and seconds.
Sampling and anchor take turns (A B B A) on the same weights; medians are compared. No answer ends
early. Three shapes: that of the recipe `cat`; answers of 128 tokens shown whole; the same where the
anchor is shown the last 8 tokens of each. An absolute time says nothing here.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass

import numpy as np
import torch
from fast_paths import paired
from transformers import LlamaConfig, LlamaForCausalLM

from cohort.policy.load import take_over
from cohort.policy.new import new_tokenizer
from cohort.policy.policy import Policy
from cohort.rollout.request import Request, Sampling
from cohort.rollout.sampler import sample
from cohort.train.anchors import Asked, ModelAnchor

PIECES = [chr(code) for code in range(ord("a"), ord("z") + 1)]
ANSWERS = 8


@dataclass(frozen=True, slots=True)
class Shape:
    """A model and what is asked of it; lengths in tokens. shown: of each answer."""

    hidden: int
    layers: int
    prompts: int
    prompt: int
    answer: int
    shown: int

    @property
    def feed_forward(self) -> int:
        """The width of the feed-forward layers."""
        return 8 * self.hidden // 3

    def operations(self, read: int, written: int) -> float:
        """Those of a forward pass over `read` tokens and then `written` ones, one by one."""
        weights = self.layers * (4 * self.hidden**2 + 3 * self.hidden * self.feed_forward)
        tokens = read + written - 1  # the last one is never fed in
        attended = 4 * self.hidden * self.layers * tokens * (tokens + 1) / 2
        head = 2 * self.hidden * (len(PIECES) + 3) * written
        return 2 * weights * tokens + attended + head


SHAPES = {
    "cat": Shape(hidden=64, layers=4, prompts=32, prompt=13, answer=15, shown=13),
    "long, whole": Shape(hidden=256, layers=4, prompts=8, prompt=32, answer=128, shown=128),
    "long, the end": Shape(hidden=256, layers=4, prompts=8, prompt=32, answer=128, shown=8),
}


def main() -> None:
    """Measure every shape and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    results = {name: measure(shape) for name, shape in SHAPES.items()}
    if as_json:
        print(json.dumps(results))
        return
    print(f"{'':16}{'tokens':>9}{'operations':>12}{'seconds':>9}   (a reference over an answer)")
    for name, row in results.items():
        print(f"{name:16}{row['tokens']:>9.2f}{row['operations']:>12.2f}{row['seconds']:>9.2f}")


def measure(shape: Shape) -> dict[str, float]:
    """The ratios of one shape, with the seconds they come from."""
    policy = made(shape)
    draw = np.random.default_rng(0)
    texts = ["".join(draw.choice(PIECES, shape.prompt)) for _ in range(shape.prompts)]
    requests = [Request(t, policy.seen_tokens(t), (1, n)) for n, t in enumerate(texts)]
    slots = shape.prompts * ANSWERS
    options = Sampling(rollouts_per_prompt=ANSWERS, max_new_tokens=shape.answer, slots=slots)
    shown = ["".join(draw.choice(PIECES, ANSWERS * shape.shown)) for _ in range(shape.prompts)]
    asked = [Asked(f"{n}", f"{text}|", False) for n, text in enumerate(shown)]
    anchor = ModelAnchor(policy, 0.0)

    def answers() -> None:
        sample(policy, requests, options)

    def references() -> None:
        anchor.write(asked, shape.answer, (1,), whole=False)

    answers()
    _, sampled = anchor.write(asked, shape.answer, (1,), whole=False)
    one, other = paired(answers, references)
    read = len(policy.seen_tokens(asked[0].text))
    once = shape.operations(shape.prompt, 1)  # the prompt of a group is read once
    each = shape.operations(shape.prompt, shape.answer) - once
    return {
        "tokens": sampled / shape.prompts / shape.answer,
        "operations": shape.operations(read, shape.answer) / (each + once / ANSWERS),
        "seconds": other / (one / ANSWERS),
        "seconds_of_answers": one,
        "seconds_of_references": other,
    }


def made(shape: Shape) -> Policy:
    """A model with random weights that never ends an answer."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(PIECES) + 4, hidden_size=shape.hidden, num_hidden_layers=shape.layers,
        intermediate_size=shape.feed_forward, num_attention_heads=4, num_key_value_heads=4,
        max_position_embeddings=2048, bos_token_id=None, eos_token_id=1, pad_token_id=0,
    )  # fmt: skip
    policy = take_over(LlamaForCausalLM(config).eval(), new_tokenizer([*PIECES, "|"]))
    policy.ends = frozenset()
    return policy


if __name__ == "__main__":
    main()
