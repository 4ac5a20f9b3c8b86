"""Bad input, as a person meets it: six lines at most, the remedy, exit code 2, nothing written."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from cohort.cli.main import run as run_command
from cohort.policy.load import save_policy
from tests.tiny import tiny_policy

RECIPE = """
threads = 1
[model]
path = "model"
[[stage]]
kind = "reinforce"
problems = "problems.jsonl"
rewards = { correct = 1.0 }
steps = 2
prompts_per_step = 2
rollouts_per_prompt = 2
max_new_tokens = 4
"""

GOOD = [{"prompt": f"{a}+{b}=", "answer": "3"} for a in range(3) for b in range(4)]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "model"
    save_policy(tiny_policy()[0], folder)
    return folder


@pytest.fixture
def place(tmp_path, model, monkeypatch):
    """A folder with a recipe, problems and a model that train; tests spoil one of them."""
    (tmp_path / "model").symlink_to(model)
    (tmp_path / "recipe.toml").write_text(RECIPE)
    (tmp_path / "problems.jsonl").write_text("\n".join(map(json.dumps, GOOD)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _train(monkeypatch, capsys, *changes):
    monkeypatch.setattr(sys, "argv", ["cohort", "train", "recipe.toml", "--quiet", *changes])
    code = 0
    try:
        run_command()
    except SystemExit as end:
        code = end.code or 0
    return code, capsys.readouterr().err


def test_the_unspoilt_recipe_trains(place, monkeypatch, capsys):
    assert _train(monkeypatch, capsys)[0] == 0
    assert (place / "runs" / "recipe" / "model" / "model.safetensors").is_file()


DATA = {
    "broken line": ('{"prompt": "1+1=", "answer": "2"}\n{"prompt": ', r"problems\.jsonl, line 2"),
    "not an object": ('["1+1="]', r"line 1"),
    "no rows": ("\n", r"problems\.jsonl"),
    "no prompt column": ('{"question": "1", "answer": "2"}', r"question, answer"),
    "empty prompt": ('{"prompt": "  ", "answer": "2"}', r"line 1"),
    "prompt of another type": ('{"prompt": 7, "answer": "2"}', r"line 1"),
    "no answer column": ('{"prompt": "1+1="}', r'needs the column "answer"'),
    "too long": (
        json.dumps({"prompt": "1+" * 60, "answer": "2"}),
        r"context is 96",
    ),
}


@pytest.mark.parametrize("name", DATA)
def test_spoilt_problems_are_refused_with_the_place(name, place, monkeypatch, capsys):
    content, expected = DATA[name]
    (place / "problems.jsonl").write_text(content)
    _refused(_train(monkeypatch, capsys), expected)
    assert not (place / "runs").exists()


OPTIONS = {
    "unknown option": ("stage.0.stepz=3", r"did you mean stage\.0\.steps"),
    "wrong type": ('stage.0.steps="many"', r"many"),
    "group of one": ("stage.0.rollouts_per_prompt=1", r"a group of one has no advantage"),
    "missing file": ("stage.0.problems=problem.jsonl", r"problems\.jsonl"),
    "unknown reward": ("stage.0.rewards={corect=1.0}", r'did you mean "correct"'),
    "unknown algorithm": ("stage.0.algorithm=grop", r"'grpo'"),
    "an option of another algorithm": ("stage.0.algorithm.ratio_max=3", r"does not read ratio_max"),
    "an entry that is in no table": ("stage.0.algorithm.surrogate=gspo", r"sequence-clip"),
    "a reader without its KL": ("stage.0.algorithm={name='dapo', kl='k2'}", r"give beta"),
    "unknown choice": ("stage.0.algorithm.bta=0.1", r"'beta'"),
    "unknown task": ("stage.0.problems=chian", r'did you mean "chain"'),
    "an argument of another type": ('stage.0.rewards={length={words="many"}}', r"words: int"),
    "a name of the algorithm itself": ("stage.0.algorithm.title=x", r"stage reinforce: .*'title'"),
    "an option called self": ("stage.0.algorithm.self=1", r"has no choice 'self'"),
    "a choice that is a list": ("stage.0.algorithm.surrogate=[1]", r"surrogate is \[1\]"),
    "missing model": ("model.path=models/none", r"models/none"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_spoilt_options_are_refused_with_the_nearest(name, place, monkeypatch, capsys):
    change, expected = OPTIONS[name]
    _refused(_train(monkeypatch, capsys, "--set", change), expected)
    assert not (place / "runs").exists()


@pytest.mark.parametrize("steps", ["0", "-1", "many", "1.5", "1"])
def test_a_profile_of_no_steps_or_too_many_is_refused_in_two_lines(
    steps, place, monkeypatch, capsys
):
    for further in ([], ["--dry-run"]):
        code, text = _train(monkeypatch, capsys, "--profile", steps, *further)
        _refused((code, text), "at least 1|needs 3 steps.*stage reinforce has 2")
        assert len(text.splitlines()) == 2
    assert not (place / "runs").exists()


TOKENIZERS = {
    "no end": ("eos_token", r"no end-of-sequence token"),
    "too large": (None, r"embeddings"),
}


@pytest.mark.parametrize("name", TOKENIZERS)
def test_spoilt_tokenizers_are_refused(name, place, model, monkeypatch, capsys):
    key, expected = TOKENIZERS[name]
    own = place / "own"
    own.mkdir()
    for file in model.iterdir():
        (own / file.name).write_bytes(file.read_bytes())
    tokenizer = AutoTokenizer.from_pretrained(own)
    if key is None:
        tokenizer.add_tokens([f"<{n}>" for n in range(30)])
    else:
        setattr(tokenizer, key, None)
        for file in (own / "config.json", own / "generation_config.json"):
            file.write_text(json.dumps(json.loads(file.read_text()) | {"eos_token_id": None}))
    tokenizer.save_pretrained(own)
    _refused(_train(monkeypatch, capsys, "--set", "model.path=own"), expected)
    assert not (place / "runs").exists()


REWARDS = {
    "raises": ("raise KeyError('gold')", r"KeyError.*gold"),
    "too few": ("return [1.0]", r"1 .*4|4 .*1"),
    "strings": ("return ['a', 'b', 'c', 'd']", r"'a'"),
    "NaN": ("return [0.0, float('nan'), 0.0, 0.0]", r"nan"),
    "infinity": ("return [0.0, 0.0, float('inf'), 0.0]", r"inf"),
    "not a list": ("return 1.0", r"1\.0|float"),
}


@pytest.mark.parametrize("name", REWARDS)
def test_spoilt_rewards_are_refused_by_name(name, place, monkeypatch, capsys):
    body, expected = REWARDS[name]
    (place / "mine.py").write_text(f"def judge(completions, **kwargs):\n    {body}\n")
    code, text = _train(monkeypatch, capsys, "--set", 'stage.0.rewards={"mine.py:judge"=1.0}')
    _refused((code, text), expected)
    assert "judge" in text


def test_a_folder_with_another_recipes_run_is_refused_and_kept(place, monkeypatch, capsys):
    assert _train(monkeypatch, capsys, "--run", "there")[0] == 0
    before = (place / "there" / "run.db").read_bytes()
    _refused(
        _train(monkeypatch, capsys, "--run", "there", "--set", "stage.0.steps=3"), "another recipe"
    )
    assert (place / "there" / "run.db").read_bytes() == before


def test_ctrl_c_says_how_far_it_got_and_leaves_the_store_readable(place):
    scored = place / "scored"
    scored.touch()
    (place / "mine.py").write_text(
        "import time\n\n\ndef slow(completions, **kwargs):\n"
        f"    open({str(scored)!r}, 'a').write('x')\n"
        "    time.sleep(0.3)\n    return [0.0, 1.0, 0.0, 1.0]\n"
    )
    code = "import sys; sys.argv[0] = 'cohort'; from cohort.cli.main import run; run()"
    changes = ["--set", 'stage.0.rewards={"mine.py:slow"=1.0}', "--set", "stage.0.steps=500"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, "train", "recipe.toml", *changes],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=place, env={**os.environ},
    )  # fmt: skip
    while scored.stat().st_size < 3:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130
    assert re.search(r"error: stopped in stage reinforce after step \d+ of 500", stderr)
    assert "Traceback" not in stderr
    shown = subprocess.run(
        [sys.executable, "-c", code, "report", "runs/recipe", "--json"],
        capture_output=True, text=True, cwd=place, check=True,
    )  # fmt: skip
    summary = json.loads(shown.stdout)
    assert summary["status"] == "interrupted"
    assert summary["stages"][0]["steps"] >= 2


def _refused(result, expected):
    code, text = result
    lines = text.strip().splitlines()
    assert code == 2, text
    assert len(lines) <= 6, text
    assert lines[0].startswith("error: "), text
    assert any(line.startswith("hint: ") for line in lines), text
    assert re.search(expected, text, re.DOTALL), text


def test_the_recipes_folder_is_where_its_own_files_are_looked_for(place, monkeypatch, capsys):
    (place / "sub").mkdir()
    (place / "recipe.toml").rename(place / "sub" / "recipe.toml")
    Path("problems.jsonl").rename(place / "sub" / "problems.jsonl")
    monkeypatch.setattr(sys, "argv", ["cohort", "train", "sub/recipe.toml", "--quiet"])
    with pytest.raises(SystemExit, match="0"):
        run_command()
    assert (place / "runs" / "recipe" / "run.db").is_file()


def test_answers_to_imitate_are_looked_for_in_every_row_before_a_model_is(
    place, monkeypatch, capsys
):
    rows = [{"prompt": "a", "answer": "b"}, {"prompt": "c", "answer": None}]
    Path("problems.jsonl").write_text("\n".join(map(json.dumps, rows)))
    stage = (
        '[{kind="supervised", problems={source="problems.jsonl", completion="answer"}, steps=1}]'
    )
    recipe = f'model = "none"\nstage = {stage}'
    Path("recipe.toml").write_text(recipe.replace("=", " = "))
    _refused(_train(monkeypatch, capsys, "--dry-run"), r"problems\.jsonl, line 2 has no text")


def test_a_link_without_a_suffix_behind_it_is_read_by_its_own_name(place, monkeypatch, capsys):
    Path("problems.jsonl").rename("blob")
    Path("problems.jsonl").symlink_to("blob")
    assert _train(monkeypatch, capsys, "--dry-run")[0] == 0


def test_nothing_in_a_refusal_reaches_the_terminal_as_a_command(place, monkeypatch, capsys):
    change = 'stage.0.problems="\\u001b[2J' + "\\n" * 20 + "x" * 5000 + '"'
    code, text = _train(monkeypatch, capsys, "--set", change)
    assert code == 2
    assert "\x1b" not in text
    assert len(text.splitlines()) <= 6
    assert max(map(len, text.splitlines())) <= 600


def test_a_dry_run_looks_at_the_models_folder_too(place, monkeypatch, capsys):
    (place / "empty").mkdir()
    arguments = ("--dry-run", "--set", "model.path=empty")
    _refused(_train(monkeypatch, capsys, *arguments), "holds no config.json")


def test_a_models_name_longer_than_any_path_is_refused(place, monkeypatch, capsys):
    arguments = ("--dry-run", "--set", f"model.path={'u' * 5000}")
    _refused(_train(monkeypatch, capsys, *arguments), "there is no model folder")
