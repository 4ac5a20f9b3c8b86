"""What the fuzz of recipes begins with: every packaged recipe, and some with everything in them."""

from __future__ import annotations

import shutil
from pathlib import Path

from cohort.config.load import PACKAGED, packaged_recipes

MINE = """
def short(completions, *, words: int = 3, **_):
    return [-float(len(text.split())) for text in completions]


def steps(completions, answer, **_):
    return [[(1, 1.0)] for _ in completions]


def rows(count: int = 6):
    return [{"prompt": f"{n}+1=", "answer": str(n + 1), "n": n} for n in range(min(count, 99))]
"""

TASKS = """
seed = 7
threads = 1
[model.new]
hidden = 16
layers = 1
heads = 2
key_value_heads = 1
feed_forward = 32
context = 64

[[stage]]
kind = "supervised"
name = "cold"
problems = { source = "chain", options = { numbers = 3, worked_share = 0.5 }, held_out_problems = 20 }
steps = 2
rows_per_step = 4
tokens_per_microbatch = 512
[stage.optimizer]
learning_rate = 2e-3
schedule = "linear"
final_share = 0.1
beta2 = 0.95

[[stage]]
kind = "reinforce"
problems = { source = "countdown", options = { numbers = [3, 4] }, template = "{numbers}: {prompt}" }
algorithm = { name = "dapo", clip_high = 0.3 }
rewards = { correct = 1.0, format = 0.0, length = { weight = 0.1, words = 5 } }
temperature = { start = 1.0, end = 0.8, factors = [0.9, 1.1] }
steps = 2
prompts_per_step = 2
minibatches_per_step = 2
rollouts_per_prompt = 2
reward_bounds = [-1.0, 1.0]
max_new_tokens = 8

[[stage]]
kind = "evaluate"
problems = "chain"
rewards = { correct = 1.0, right_steps = 0.0 }
success_at = 0.5
samples_per_problem = 2
temperature = 0.7
max_new_tokens = 8
"""

FILES = """
model = "models/none"
[[stage]]
kind = "supervised"
problems = { source = "problems.csv", completion = "answer", too_long = "drop" }
steps = 1

[[stage]]
kind = "reinforce"
algorithm = "gspo"
steps = 3
rewards = { "mine.py:short" = { weight = 0.5, words = 2 }, correct = 1 }
[stage.problems]
source = "mine.py:rows"
options = { count = 8 }
columns = { gold = "n" }
system = "Répondez — 答えよ"
"""

NAMED = '''
model = { path = "models/none", dtype = "bfloat16" }
[[stage]]
name = "größer \\u4e00"
kind = "evaluate"
problems = { source = "problems.csv", held_out = "stories.jsonl", chat = true }
rewards = { mentions = { weight = 2, word = "happy" } }
success = "mentions"
success_at = 1
[[stage]]
kind = "reinforce"
problems = { source = "problems.csv", template = """
{prompt}
{{{answer}}}""" }
rewards."mine.py:steps" = 1.0
algorithm.name = "dr-grpo"
steps = 1_000
reward_scale = 0.5
show_every = 1
'''


def written_out(folder: Path) -> dict[str, str]:
    """The recipes by name; every file that one of them names is put into the folder."""
    for file in PACKAGED.iterdir():
        if file.suffix == ".jsonl":
            shutil.copyfile(file, folder / file.name)
    (folder / "gsm8k").mkdir()
    row = '{"question": "1+1", "answer": "#### 2"}\n'
    (folder / "gsm8k" / "train.jsonl").write_text(row * 6, encoding="utf-8")
    rows = [f"{n}+2=,{n + 2}" for n in range(6)]
    (folder / "problems.csv").write_text("\n".join(["prompt,answer", *rows]), encoding="utf-8")
    (folder / "mine.py").write_text(MINE, encoding="utf-8")
    (folder / "folder.toml").mkdir()
    packaged = {n: path.read_text(encoding="utf-8") for n, path in packaged_recipes().items()}
    return packaged | {"tasks": TASKS, "files": FILES, "named": NAMED}
