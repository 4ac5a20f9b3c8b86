"""Recipes that take a second or two and have everything in them that a run can be made of."""

from __future__ import annotations

from pathlib import Path

HEAD = """
seed = 5
threads = 1
[model]
dtype = "{dtype}"
[model.new]
hidden = 32
layers = 2
heads = 2
key_value_heads = 1
feed_forward = 48
[checkpoints]
every_steps = {every}
"""
SUPERVISED = """
[[stage]]
kind = "supervised"
problems = "chain"
steps = {steps}
rows_per_step = 8
optimizer = {{ learning_rate = 3e-3, schedule = "cosine" }}
"""
EVALUATE = """
[[stage]]
kind = "evaluate"
problems = {{ source = "chain", held_out_problems = 8 }}
rewards = {{ correct = 1.0 }}
samples_per_problem = 2
max_new_tokens = 10
"""
REINFORCE = """
[[stage]]
kind = "reinforce"
problems = "chain"
steps = {steps}
prompts_per_step = 4
rollouts_per_prompt = 4
max_new_tokens = 10
optimizer = {{ learning_rate = 1e-3, warmup_steps = 2 }}
"""
SELECT = """
[[stage]]
kind = "select"
name = "keep"
problems = "chain"
rewards = {{ format = 0.5, length = {{ words = 3 }} }}
steps = {steps}
prompts_per_step = 4
rollouts_per_prompt = 4
max_new_tokens = 10
cut = "keep"
best_of = 3
"""
KEPT = """
[[stage]]
kind = "supervised"
name = "rft"
steps = {steps}
rows_per_step = 8
[[stage.problems.mix]]
source = "stage:keep"
share = 3.0
[[stage.problems.mix]]
source = "chain"
share = 1.0
"""
PREFERENCE = """
[[stage]]
kind = "preference"
problems = "chain"
steps = {steps}
prompts_per_step = 4
rollouts_per_prompt = 4
pairs_per_prompt = 2
max_new_tokens = 10
optimizer = {{ learning_rate = 1e-3 }}
rewards = {{ format = 0.5, length = {{ words = 3 }} }}
"""
LENGTH = """rewards = { length = { words = 3 }, format = 0.5 }
"""
MEMORY = '''"""A reward that remembers: it pays for what is longer than what it has seen so far."""


class Longer:
    def __init__(self):
        self.seen, self.mean = 0, 0.0

    def __call__(self, completions, **_):
        values = []
        for completion in completions:
            values.append(len(completion) - self.mean)
            self.seen += 1
            self.mean += (len(completion) - self.mean) / self.seen
        return values

    def state_dict(self):
        return {"seen": self.seen, "mean": self.mean}

    def load_state_dict(self, state):
        self.seen, self.mean = state["seen"], state["mean"]


longer = Longer()
'''

_ADAPTIVE = (
    '{ name = "grpo", beta = 0.1, adaptive_beta = "proportional", reference = "moving-average" }'
)


def recipes(folder: Path, *, steps: int = 6, every: int = 1) -> dict[str, Path]:
    """The files of the recipes by name, written into a folder."""
    (folder / "memory.py").write_text(MEMORY)
    head = HEAD.format(dtype="float32", every=every)
    half = HEAD.format(dtype="bfloat16", every=every)
    first, plain = SUPERVISED.format(steps=steps), REINFORCE.format(steps=steps)
    small = REINFORCE.format(steps=max(2, steps // 2))
    texts = {
        "supervised": head + SUPERVISED.format(steps=2 * steps) + EVALUATE.format(),
        "grpo": head + SUPERVISED.format(steps=2) + plain + LENGTH + EVALUATE.format(),
        "updates": head
        + small
        + LENGTH
        + f"updates_per_step = 2\nminibatches_per_step = 2\nalgorithm = {_ADAPTIVE}\n",
        "bfloat16": half + first + small + LENGTH,
        "adapters": head.replace("[checkpoints]", "[model.lora]\nrank = 4\n[checkpoints]")
        + first
        + plain
        + LENGTH,
        "selection": head
        + SUPERVISED.format(steps=2)
        + SELECT.format(steps=max(2, steps // 2))
        + KEPT.format(steps=max(2, steps // 2))
        + PREFERENCE.format(steps=max(2, steps // 2)),
        "memory": head + plain + 'rewards = { "memory.py:longer" = 0.1, format = 1.0 }\n',
    }
    files = {}
    for name, text in texts.items():
        files[name] = folder / f"{name}.toml"
        files[name].write_text(text)
    return files
