"""Commands whose exit code must be true: half of them can be done, the others cannot.

Each is a command line in a folder of its own, in which lie the files of `FILES` and a small model.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MODEL = """
seed = 3
threads = 1
[model.new]
hidden = 16
layers = 1
heads = 2
key_value_heads = 1
feed_forward = 32
context = 64
"""
COLD = """
[[stage]]
kind = "supervised"
problems = { source = "chain", options = { numbers = 2 }, held_out_problems = 5 }
steps = 2
rows_per_step = 2
"""
LEARN = """
[[stage]]
kind = "reinforce"
problems = { source = "chain", options = { numbers = 2 }, held_out_problems = 5 }
rewards = { correct = 1.0, length = 0.01 }
steps = 2
prompts_per_step = 2
rollouts_per_prompt = 2
max_new_tokens = 4
"""
MEASURE = """
[[stage]]
kind = "evaluate"
problems = { source = "chain", options = { numbers = 2 }, held_out_problems = 5 }
rewards = { correct = 1.0 }
samples_per_problem = 2
max_new_tokens = 4
"""
OF_FILES = """
threads = 1
model = "model"
[[stage]]
kind = "reinforce"
problems = "rows.jsonl"
rewards = { "mine.py:good" = 1.0 }
steps = 1
prompts_per_step = 2
rollouts_per_prompt = 2
max_new_tokens = 4
"""
MINE = """
import sys
import time


def good(completions, **_):
    return [float(n) for n in range(len(completions))]


def some(completions, **_):
    return [None if n % 2 else 1.0 * n for n in range(len(completions))]


def whole(completions, **_):
    return [n % 2 == 0 for n in range(len(completions))]


def raises(completions, **_):
    raise KeyError("gold")


def leaves(completions, **_):
    sys.exit(0)


def nothing(completions, **_):
    return [None for _ in completions]


def nan(completions, **_):
    return [float("nan") for _ in completions]


def few(completions, **_):
    return [1.0]


def words(completions, **_):
    return ["good" for _ in completions]


def slow(completions, **_):
    print("scoring", flush=True)
    time.sleep(0.3)
    return [float(n) for n in range(len(completions))]


def rows():
    return ["1+2=", "2+2=", "3+1=", "4+4=", "5+1=", "6+2="]


def empty():
    return []


def broken():
    raise ValueError("no rows today")
"""
ROWS = "".join(f'{{"prompt": "{n}+1=", "answer": "{n + 1}"}}\n' for n in range(1, 9))
FILES = {
    "cold.toml": MODEL + COLD,
    "learn.toml": MODEL + LEARN,
    "all.toml": MODEL + COLD + LEARN + MEASURE,
    "measure.toml": MODEL + COLD.replace("steps = 2", "steps = 1") + MEASURE,
    "files.toml": OF_FILES,
    "mine.py": MINE,
    "bad.py": "def good(:\n",
    "leaving.py": "raise SystemExit(0)\n",
    "rows.jsonl": ROWS,
    "rows.csv": "prompt,answer\n1+1=,2\n2+1=,3\n3+1=,4\n",
    "long.jsonl": ROWS + '{"prompt": "' + "1+" * 60 + '=", "answer": "2"}\n',
    "empty.jsonl": "",
    "blank.jsonl": "\n\n",
    "broken.jsonl": ROWS + '{"prompt": \n',
    "nan.jsonl": ROWS + '{"prompt": NaN}\n',
    "broken.toml": "seed = \n",
    "file": "",
    "hollow/config.json": "{}",
}
"""The files that lie in a scenario's folder."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One command and what is true of it.

    steps: of a run that can be done, the steps of each stage; then its folder is checked.
    says: what stdout holds, of a command that can be done, or stderr, of one that cannot.
    codes: the exit codes that are true; more than one where the reason could be given either way.
    """

    name: str
    arguments: tuple[str, ...]
    codes: tuple[int, ...] = (0,)
    steps: tuple[int, ...] = ()
    says: str = ""
    run: str = "out"
    further: dict[str, str] = field(default_factory=dict)


def _train(recipe: str, *changes: str) -> tuple[str, ...]:
    sets = [part for change in changes for part in ("--set", change)]
    return ("train", recipe, "--quiet", "--run", "out", *sets)


def _done(name: str, steps: tuple[int, ...], recipe: str, *changes: str) -> Scenario:
    return Scenario(name, _train(recipe, *changes), steps=steps)


def _says(name: str, says: str, *arguments: str) -> Scenario:
    return Scenario(name, arguments, says=says)


def _no(name: str, says: str, *arguments: str, codes: tuple[int, ...] = (2,)) -> Scenario:
    return Scenario(name, arguments, codes=codes, says=says)


def _no_run(name: str, says: str, recipe: str, *changes: str) -> Scenario:
    return Scenario(name, _train(recipe, *changes), codes=(2,), says=says)


def _reward(name: str) -> str:
    return 'stage.0.rewards={ "mine.py:' + name + '" = 1.0 }'


EVAL = ("eval", "model", "--problems", "rows.jsonl", "--max-new-tokens", "4", "--samples", "2")

PROPER = (
    _done("imitation", (2,), "cold.toml"),
    _done("imitation, one step", (1,), "cold.toml", "stage.0.steps=1"),
    _done("reinforcement", (2,), "learn.toml"),
    _done("reinforcement, three steps", (3,), "learn.toml", "stage.0.steps=3"),
    _done("all kinds of stage", (2, 2, 0), "all.toml"),
    _done("dapo", (1,), "learn.toml", "stage.0.algorithm=dapo", "stage.0.steps=1"),
    _done("with a reference", (1,), "learn.toml", "stage.0.algorithm.beta=0.1", "stage.0.steps=1"),
    _done("two updates a step", (2,), "learn.toml", "stage.0.updates_per_step=2"),
    _done("a changing temperature", (2,), "learn.toml", "stage.0.temperature.end=0.5"),
    _done("bfloat16", (1,), "learn.toml", "model.dtype=bfloat16", "stage.0.steps=1"),
    _done("rows of JSONL", (1,), "files.toml"),
    _done("rows of CSV", (1,), "files.toml", "stage.0.problems=rows.csv"),
    _done("rows of a function", (1,), "files.toml", "stage.0.problems=mine.py:rows"),
    _done("some answers without a reward", (1,), "files.toml", _reward("some")),
    _done("rewards that are true or false", (1,), "files.toml", _reward("whole")),
    _done(
        "too long rows left out",
        (1,),
        "files.toml",
        'stage.0.problems={ source = "long.jsonl", too_long = "drop" }',
    ),
    Scenario(
        "a folder within a folder", ("train", "cold.toml", "--run", "a/b"), steps=(2,), run="a/b"
    ),
    Scenario("a folder by the recipe's name", ("train", "cold.toml"), steps=(2,), run="runs/cold"),
    _says("a dry run", "rows_per_step = 2", "train", "cold.toml", "--dry-run"),
    _says("a packaged recipe, dry", "[model.new]", "train", "chain", "--dry-run"),
    _says("measured", "greedy", *EVAL, "--rewards", "correct"),
    _says("measured, as JSON", '"', *EVAL, "--rewards", "correct", "--json"),
    _says("an answer", "", "sample", "model", "1+2=", "--max-new-tokens", "4"),
    _says("a group of a run", "1", "show", "done"),
    _says("groups of a step", "1", "show", "done", "--step", "1", "--groups", "1"),
    _says("a report", "report.html", "report", "done"),
    _says("a report as JSON", '"finished"', "report", "done", "--json"),
    _says("the recipes", "chain", "recipes"),
    _says("a recipe copied", "mine.toml", "recipes", "copy", "chain", "mine.toml"),
    _says("the algorithms", "dapo", "algorithms"),
    _says("one algorithm", "gspo", "algorithms", "gspo"),
    _says("the version", "cohort", "--version"),
    _says("the help", "train", "--help"),
)
"""Commands that can be done."""

FAILING = (
    _no("no such command", "No such command", "trian", "cold.toml"),
    _no("no such option", "No such option", "train", "cold.toml", "--stpes", "3"),
    _no("no recipe at all", "no recipe is given", "train"),
    _no("a number that is none", "Invalid value", "sample", "model", "1+2=", "--count", "many"),
    _no("no such recipe", "there is no recipe", "train", "clod.toml"),
    _no("a folder for a recipe", "is a folder", "train", "hollow"),
    _no("a broken recipe", "broken.toml is not TOML", "train", "broken.toml"),
    _no_run("a misspelt option", "did you mean", "cold.toml", "stage.0.stpes=3"),
    _no_run("a wrong type", "expected a whole number", "cold.toml", "stage.0.steps=many"),
    _no_run("no such algorithm", "there is no algorithm", "learn.toml", "stage.0.algorithm=grop"),
    _no_run("no such reward", "there is no reward", "files.toml", "stage.0.rewards={ nice = 1.0 }"),
    _no_run("no such task", "there is no task", "cold.toml", "stage.0.problems=chian"),
    _no_run("no such file", "does not exist", "files.toml", "stage.0.problems=row.jsonl"),
    _no_run("an empty file", "holds no rows", "files.toml", "stage.0.problems=empty.jsonl"),
    _no_run("a blank file", "holds no rows", "files.toml", "stage.0.problems=blank.jsonl"),
    _no_run("a broken line", "line 9", "files.toml", "stage.0.problems=broken.jsonl"),
    _no_run("a prompt that is NaN", "line 9", "files.toml", "stage.0.problems=nan.jsonl"),
    _no_run("a function without rows", "no rows", "files.toml", "stage.0.problems=mine.py:empty"),
    _no_run("rows that raise", "no rows today", "files.toml", "stage.0.problems=mine.py:broken"),
    _no_run("too long prompts", "context is 64", "files.toml", "stage.0.problems=long.jsonl"),
    _no_run("no such model", "nowhere", "files.toml", "model.path=nowhere"),
    _no_run("a hollow model", "hollow", "files.toml", "model.path=hollow"),
    _no_run("a reward that raises", "KeyError", "files.toml", _reward("raises")),
    _no_run("a reward that leaves", "SystemExit", "files.toml", _reward("leaves")),
    _no_run("a reward that is NaN", "nan", "files.toml", _reward("nan")),
    _no_run("too few rewards", "1 values", "files.toml", _reward("few")),
    _no_run("rewards that are words", "good", "files.toml", _reward("words")),
    _no_run(
        "a file that is no Python", "bad.py", "files.toml", 'stage.0.rewards={"bad.py:good"=1}'
    ),
    _no_run(
        "a file that leaves", "leaving.py", "files.toml", 'stage.0.rewards={"leaving.py:good"=1}'
    ),
    _no("a taken folder", "another recipe", "train", "cold.toml", "--run", "done"),
    _no("a file for a folder", "file", "train", "cold.toml", "--run", "file", codes=(2, 7)),
    _no("a folder in a file", "file", "train", "cold.toml", "--run", "file/x", codes=(2, 7)),
    _no("a folder in /proc", "/proc", "train", "cold.toml", "--run", "/proc/x/y", codes=(2, 7)),
    _no("too long a profile", "no reinforce stage", "train", "cold.toml", "--profile", "3"),
    _no("no run to be shown", "nowhere", "show", "nowhere"),
    _no("no such step", "9", "show", "done", "--step", "9"),
    _no("no run to report", "hollow", "report", "hollow"),
    _no("nothing to measure", "nowhere", "eval", "nowhere", *EVAL[2:], "--rewards", "correct"),
    _no("measured by nothing", "there is no reward", *EVAL, "--rewards", "corect"),
    _no("too long a question", "context", "sample", "model", "1+" * 99),
    _no("copied over a file", "exists", "recipes", "copy", "chain", "cold.toml"),
    _no("no recipe to copy", "no packaged recipe", "recipes", "copy", "chian"),
    _no("no algorithm to list", "there is no algorithm", "algorithms", "grop"),
)
"""Commands that cannot be done."""
