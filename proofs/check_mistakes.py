"""`cohort check` on recipes with a planted mistake each: it names every one. It is silent on right ones.

Each case is a recipe, a file of problems and a file of rewards in a folder of its own. A mistake is
named when the finding of its name is there, with exit code 1 where it must be mended. Shipped recipes
must give no finding and exit code 0. The models are new ones, or a small one of stories; its tokenizer
is spoilt for three of the cases.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
import tempfile
import tomllib
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cohort.cli.main import run
from cohort.config.load import packaged_recipes
from proofs.command import main

STORIES = Path(__file__).parents[2] / "shared" / "models" / "stories260K" / "hf"
GSM8K = Path(__file__).parents[2] / "shared" / "data" / "gsm8k" / "train.jsonl"

SECONDS = "15"
WORDS = ("Lily", "Tom", "Max", "Sue", "Ben", "Anna", "Sam", "Mia", "Tim", "Zoe", "Jack", "Amy")
CHILDREN = (
    [{"prompt": f"Once upon a time there was a child called {w[0]}. The friend of {w[0]} was",
      "answer": f"{w}{n}"}
     for n, w in enumerate(WORDS * 4)]
)  # fmt: skip

GOOD = """
def correct(*, completions, answer, **_):
    texts = [c if isinstance(c, str) else c[-1]["content"] for c in completions]
    said = [t.rpartition("<answer>")[2].partition("</answer>")[0].strip().casefold() for t in texts]
    return [float(s == a.strip().casefold()) + 0.01 * (len(t) % 2)
            for s, a, t in zip(said, answer, texts)]
"""
"""A reward without a mistake, with a little difference between answers so that groups have some."""


@dataclass(frozen=True, slots=True)
class Case:
    """One recipe: the mistake that is to be named, "" for none, and what makes it."""

    label: str
    finding: str
    reward: str = GOOD
    rows: list[dict[str, str]] = field(default_factory=lambda: CHILDREN)
    problems: str = ""
    stage: str = "max_new_tokens = 256"
    spoil: str = ""
    exit_code: int = 1


def reward_of(value: str, more: str = "") -> str:
    """A reward whose value for a text t with the gold a is an expression; right answers stand bare."""
    return (
        f"import random, time\nCALLS = []\n{more}\n"
        "def correct(*, completions, answer, **_):\n"
        "    texts = [c if isinstance(c, str) else c[-1]['content'] for c in completions]\n"
        "    right = [a.strip().casefold() in t.casefold() for t, a in zip(texts, answer)]\n"
        f"    return [{value} for n, (t, a, r) in enumerate(zip(texts, answer, right))]\n"
    )


def mistakes() -> list[Case]:
    """The planted mistakes, each in a recipe that is right otherwise."""
    jitter = "+ 0.01 * (len(t) % 2)"
    leaked = [{**row, "prompt": f"{row['prompt']} {row['answer']}?"} for row in CHILDREN]
    upper = [{**row, "answer": f"{row['answer']} "} for row in CHILDREN]
    strict = "1.0 if t == a else 0.0"
    return [
        Case("pays for an empty answer", "pays for nothing", reward_of("float(r or not t.strip())")),
        Case("pays for the form alone", "pays for form", 
             reward_of("float('<answer>' in t and '</answer>' in t)")),
        Case("pays for length", "pays for length", reward_of("float(r) + len(t.split()) / 500")),
        Case("draws at random", "impure", reward_of("float(r) + random.random() / 10")),
        Case("depends on the order", "depends on order", reward_of("float(r) + (n % 7) / 50")),
        Case("changes the answers", "changes what it is given", reward_of(f"float(r) {jitter}").replace(
            "    return", "    completions[0] = 'x'; answer.sort()\n    return")),
        Case("hangs on a hostile answer", "hangs", reward_of(f"float(r) {jitter}").replace(
            "    return", "    while any('9**9' in t for t in texts): time.sleep(0.1)\n    return")),
        Case("raises on an empty answer", "raises", reward_of(f"float(r) * ord(t[0]) / ord(t[0]) {jitter}")),
        Case("another column is the gold", "reads another column", problems="columns = { answer = 'level' }",
             rows=[{"prompt": row["prompt"], "solution": row["answer"], "level": f"{n % 3} of 5"}
                   for n, row in enumerate(CHILDREN)],
             reward=reward_of(f"float(r) {jitter}")),
        Case("the prompt holds the answer", "gold in the prompt", rows=leaked),
        Case("every answer gets the same", "constant", reward_of("0.5")),
        Case("some values are NaN", "is no number",
             reward_of("float('nan') if '\\\\boxed' in t else float(r)")),
        Case("spaces around a right answer make it wrong", "strict about spaces", reward_of(strict + jitter)),
        Case("the gold has a space behind it", "pays no right answer", rows=upper,
             reward=reward_of("float(t.strip() == a)")),
        Case("case makes a right answer wrong", "strict about case", exit_code=0,
             reward=reward_of(f"float(a.strip() in t) {jitter}")),
        Case("answers are cut", "cut", stage="max_new_tokens = 3"),
        Case("slower than a step", "slow", reward_of(f"float(r) {jitter}").replace(
            "    return", "    time.sleep(0.03 * len(texts))\n    return"),
            stage="max_new_tokens = 12"),
        Case("no sampled group differs", "no spread", reward_of("float(r)")),
        Case("the template opens no turn", "the template", problems="chat = true", spoil="no turn"),
        Case("the template ends no turn", "the template", problems="chat = true", spoil="no end"),
        Case("the tokenizer has no end", "the model", spoil="no end token"),
    ]  # fmt: skip


def right_ones() -> list[Case]:
    """Recipes without a mistake: the one that the others were made from, and a chat."""
    return [
        Case("nothing planted", "", exit_code=0),
        Case("nothing planted, a chat", "", problems="chat = true", exit_code=0),
    ]


TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'user' %}{{ 'U: ' + m.content + '\n' }}{% else %}"
    "{{ 'A: ' + m.content }}END{% endif %}{% endfor %}OPEN"
)


def _model(folder: Path, spoil: str) -> Path:
    """A copy of the small model with a chat template, spoilt as asked."""
    copy = folder / "model"
    shutil.copytree(STORIES, copy)
    file = copy / "tokenizer_config.json"
    told: dict[str, Any] = json.loads(file.read_text())
    end = "" if spoil == "no end" else "{{ eos_token }}"
    opened = "" if spoil == "no turn" else "{% if add_generation_prompt %}{{ 'A: ' }}{% endif %}"
    told["chat_template"] = TEMPLATE.replace("END", end).replace("OPEN", opened)
    if spoil == "no end token":
        told.pop("eos_token", None)
        for name in ("special_tokens_map.json", "generation_config.json"):
            (copy / name).unlink(missing_ok=True)
    file.write_text(json.dumps(told))
    return copy


def _write(case: Case, folder: Path) -> list[str]:
    """The recipe's folder, and the arguments of the command."""
    (folder / "rewards.py").write_text(case.reward)
    rows = "\n".join(json.dumps(row) for row in case.rows)
    (folder / "rows.jsonl").write_text(rows + "\n")
    source = f"[stage.problems]\nsource = 'rows.jsonl'\n{case.problems}\n"
    recipe = (
        f"threads = 1\n[model]\npath = '{_model(folder, case.spoil)}'\n"
        f"[[stage]]\nkind = 'reinforce'\nsteps = 2\nrewards = {{ 'rewards.py:correct' = 1.0 }}\n"
        f"{case.stage}\n{source}"
    )
    (folder / "recipe.toml").write_text(recipe)
    return [str(folder / "recipe.toml"), "--seconds", SECONDS]


def _checked(arguments: list[str]) -> tuple[int, dict[str, Any]]:
    """The command's exit code and what it printed; in this process, for torch takes long to load."""
    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["cohort", "check", "--json", *arguments]
    code = 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            run()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    try:
        return code, json.loads(out.getvalue())
    except ValueError:
        return code, {"mend": [], "look": [], "said": err.getvalue()[-600:]}


def _tried(case: Case) -> dict[str, Any]:
    """What the command said of a case."""
    with tempfile.TemporaryDirectory() as name:
        code, said = _checked(_write(case, Path(name)))
    found = [one["name"] for one in [*said["mend"], *said["look"]]]
    wanted = {case.finding} - {""}
    held = wanted <= set(found) and bool(wanted or not found) and code == case.exit_code
    return {
        "label": case.label,
        "held": held,
        "code": code,
        "found": found,
        "said": said.get("said"),
    }


ALLOWED = {"gsm8k": {"no spread", "cut"}}
"""What may be said of a packaged recipe with the model of stories: it solves no word problem."""


def _packaged(name: str) -> dict[str, Any]:
    """What the command says of a packaged recipe."""
    recipe = tomllib.loads(packaged_recipes()[name].read_text(encoding="utf-8"))
    changes = ["--set", f"model.path={STORIES}"] if "path" in recipe["model"] else []
    if name == "gsm8k":
        changes += ["--set", f"stage.0.problems.source={GSM8K}"]
    code, said = _checked([name, *changes])
    found = [one["name"] for one in [*said["mend"], *said["look"]]]
    held = set(found) <= ALLOWED.get(name, set()) and code == int(bool(found))
    return {"label": name, "held": held, "code": code, "found": found, "said": said.get("said")}


def prove(short: bool, seed: int) -> dict[str, object]:
    """Every planted mistake, and every recipe that has none; nothing where the small model is not there."""
    if not STORIES.is_dir():
        reason = f"there is no model in {STORIES.name}"
        return {"name": "cohort check", "asked": 0, "held": 0, "skipped": reason, "failures": []}
    planted = mistakes()[:: 7 if short else 1]
    named = [_tried(case) for case in planted]
    silent = [_tried(case) for case in right_ones()[: 1 if short else None]]
    shipped = [] if short else [_packaged(name) for name in packaged_recipes()]
    every = [*named, *silent, *shipped]
    return {
        "name": "cohort check",
        "seed": seed,
        "asked": len(every),
        "held": sum(one["held"] for one in every),
        "planted": len(named),
        "named": sum(one["held"] for one in named),
        "silent": f"{sum(one['held'] for one in silent)} of {len(silent)}",
        "shipped": {one["label"]: one["found"] for one in shipped},
        "found": {one["label"]: one["found"] for one in named},
        "failures": [one for one in every if not one["held"]],
    }


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv, seed=1)))
