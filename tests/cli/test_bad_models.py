"""A model that cannot be trained, as a person meets it: one clear message, whichever command was given."""

import json
import re
import shutil
import sys

import pytest
from transformers import T5Config, T5ForConditionalGeneration

from cohort.cli.main import run as run_command
from cohort.errors import ModelError
from cohort.policy.load import save_policy
from cohort.policy.new import new_tokenizer
from cohort.policy.pretrained import by_library
from tests.hostile_folders import honest_folder, spoilt
from tests.tiny import PIECES, tiny_policy

RECIPE = """
model = "model"
[[stage]]
kind = "reinforce"
problems = "problems.jsonl"
rewards = { correct = 1.0 }
steps = 2
prompts_per_step = 2
rollouts_per_prompt = 2
max_new_tokens = 4
"""
CHAT = [{"role": "user", "content": "1"}]


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    return honest_folder(tmp_path_factory.mktemp("models") / "honest")


def _folder(path, honest):
    path.mkdir()
    (path / "notes.txt").write_text("of no model")


def _encoder_decoder(path, honest):
    sizes = {"d_model": 16, "d_ff": 16, "d_kv": 8, "num_layers": 1, "num_heads": 2}
    T5ForConditionalGeneration(T5Config(vocab_size=40, **sizes)).save_pretrained(path)
    new_tokenizer(PIECES).save_pretrained(path)


def _with_tokenizer(pieces):
    def make(path, honest):
        shutil.copytree(honest, path)
        new_tokenizer([f"<{n}>" for n in range(pieces)]).save_pretrained(path)

    return make


def _spoilt(name):
    return lambda path, honest: spoilt(honest, path, name)


MODELS = {
    "a folder that is no model": (_folder, "holds no config.json"),
    "a model with code of its own": (_spoilt("auto_map"), "names code.*never run.*remove"),
    "a tokenizer with code of its own": (_spoilt("auto_map of the tokenizer"), "never run"),
    "a pickle": (_spoilt("pickle"), "pickles run code.*safetensors.*convert.*save_pretrained"),
    "a tokenizer in a pickle": (_spoilt("vocabulary in a pickle"), "pickle.*tokenizer.json"),
    "an encoder-decoder": (_encoder_decoder, "encoder-decoder.*decoder-only"),
    "a tokenizer that is too large": (_with_tokenizer(200), "embeddings.*belong to the model"),
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    (tmp_path / "recipe.toml").write_text(RECIPE)
    rows = [{"prompt": CHAT, "answer": str(n)} for n in range(9)]
    (tmp_path / "problems.jsonl").write_text("\n".join(map(json.dumps, rows)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _refused(monkeypatch, capsys, *arguments):
    """What is said on stderr by a command that is refused, as one line."""
    monkeypatch.setattr(sys, "argv", ["cohort", *arguments])
    with pytest.raises(SystemExit) as ended:
        run_command()
    text = capsys.readouterr().err
    lines = text.strip().splitlines()
    assert ended.value.code == 2, text
    assert lines[0].startswith("error: "), text
    assert lines[-1].startswith("hint: ") and len(lines) <= 3, text  # noqa: PT018  # as one
    return " ".join(lines)


@pytest.mark.parametrize("name", MODELS)
def test_every_command_refuses_it_with_the_remedy(name, place, honest, monkeypatch, capsys):
    make, expected = MODELS[name]
    make(place / "model", honest)
    sums = ("--problems", "problems.jsonl", "--rewards", "correct")
    for command in (
        ("train", "recipe.toml", "--quiet"),
        ("train", "recipe.toml", "--dry-run"),
        ("plan", "recipe.toml"),
        ("sample", "model", "1 2"),
        ("eval", "model", *sums),
    ):
        said = _refused(monkeypatch, capsys, *command)
        assert re.search(expected, said), (command, said)
    assert not (place / "runs").exists()
    assert not (place / "canary").exists()


def test_a_name_on_the_hub_whose_library_asks_for_consent_to_run_code_gets_none():
    def ask():
        raise ValueError("The repository a/b contains custom code. Set `trust_remote_code=True`.")

    with pytest.raises(ModelError, match="code of its own, which is never run") as refused:
        by_library("a/b", ask)
    assert "trust_remote_code" not in str(refused.value)


def test_chats_for_a_model_without_a_template_are_refused(place, monkeypatch, capsys):
    save_policy(tiny_policy()[0], place / "model")
    said = _refused(monkeypatch, capsys, "train", "recipe.toml", "--quiet")
    assert re.search("prompts are chats.*no chat template.*instruction-tuned", said)
    assert not (place / "runs").exists()


@pytest.mark.parametrize("command", ["plan", "train"])
@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        ("1MiB", "does not fit into 1 MiB.*more than there is.*more memory"),
        ("lots", "'lots'.*16GiB"),
    ],
)
def test_memory_that_is_too_small_says_what_is_missing(
    command, memory, expected, place, honest, monkeypatch, capsys
):
    shutil.copytree(honest, place / "model")
    said = _refused(monkeypatch, capsys, command, "recipe.toml", "--memory", memory)
    assert re.search(expected, said), said
    assert not (place / "runs").exists()
