"""Model folders of strangers: refused before anything of them runs, honest ones left alone."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from cohort.cli.main import MOST_LINES
from cohort.config.recipe import Model
from cohort.errors import ModelError
from cohort.policy.bounded import Chats
from cohort.policy.load import load_policy
from cohort.policy.new import new_tokenizer
from tests.hostile_folders import CHATML, HOSTILE, honest_folder, speaks_of, spoilt
from tests.tiny import ARCHITECTURES, PIECES

STORIES = Path(__file__).parents[2].parent / "shared" / "models" / "stories260K" / "hf"


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    return honest_folder(tmp_path_factory.mktemp("honest") / "model")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_folder_is_refused_and_nothing_of_it_runs(name, honest, tmp_path):
    folder = spoilt(honest, tmp_path / "model", name)
    before = _tree(tmp_path)
    with pytest.raises(ModelError) as refusal:
        _load(folder)
    assert len(str(refusal.value).splitlines()) <= MOST_LINES
    assert refusal.value.hint
    assert speaks_of(str(refusal.value), name), refusal.value
    assert not (tmp_path / "canary").exists()
    assert _tree(tmp_path) == before


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_honest_folder_of_every_architecture_loads(architecture, tmp_path):
    policy = _load(honest_folder(tmp_path / "model", architecture))
    assert policy.text(policy.completion_tokens("1 2")) == "12"


def test_the_smallest_published_model_loads_where_it_is_there():
    for folder in [STORIES] if STORIES.is_dir() else []:
        assert len(_load(folder).tokenizer) == 512


def test_pickles_beside_safetensors_are_left_alone(honest, tmp_path):
    shutil.copytree(honest, tmp_path / "model")
    (tmp_path / "model" / "training_args.bin").write_bytes(b"\x80\x04.")
    _load(tmp_path / "model")


def test_weights_in_shards_load(honest, tmp_path):
    folder = Path(shutil.copytree(honest, tmp_path / "model"))
    whole = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    mapped = {}
    for number, names in enumerate((list(whole)[::2], list(whole)[1::2])):
        shard = f"model-0000{number + 1}-of-00002.safetensors"
        save_file({name: whole[name] for name in names}, folder / shard, {"format": "pt"})
        mapped |= dict.fromkeys(names, shard)
    index = {"metadata": {}, "weight_map": mapped}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    loaded = _load(folder).model.state_dict()
    assert all(torch.equal(loaded[name], whole[name]) for name in whole)


def test_a_folder_of_the_hubs_cache_may_link_to_its_blobs(honest, tmp_path, monkeypatch):
    entry = tmp_path / "hub" / "models--owner--name"
    snapshot = entry / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    shutil.copytree(honest, entry / "blobs")
    for file in (entry / "blobs").iterdir():
        (snapshot / file.name).symlink_to(f"../../blobs/{file.name}")
    _load(snapshot)
    (snapshot / "README.md").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_text("x")
    with pytest.raises(ModelError, match="link out"):
        _load(snapshot)


TEMPLATES = {
    "chatml": CHATML,
    "a beginning and cuts": (
        "{{- bos_token }}\n{%- for m in messages %}\n    {%- if loop.first and m.role == 'user' -%}\n"
        "first {% endif %}\n{{ m['content'] | trim }}{{ eos_token }}\n{%- endfor %}\n"
    ),
    "breaks and marks": (
        "{% for m in messages %}{% if loop.index > 1 %}{% break %}{% endif %}"
        "{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}"
    ),
    "json": "{{ messages | tojson(indent=2) }}{{ messages[0] | tojson }}{{ {'b': 'é'} | tojson }}",
    "recursion": (
        "{% macro f(n) %}{{ n }}{% if n %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}"
        "{% if tools is none and documents is none %}none{% endif %}{{ unknown }}"
    ),
    "namespaces and filters": (
        "{% set n = namespace(k=0) %}{% for m in messages %}{% set n.k = n.k + 1 %}{% endfor %}{{ n.k }}"
        "{{ messages | map(attribute='role') | join(',') }}{{ messages | selectattr('role', 'equalto', "
        "'user') | list | length }}{{ messages[-1].content.split(' ')[0] | upper }}{{ strftime_now('%Y') }}"
    ),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_chat_reads_as_transformers_renders_it(name):
    tokenizer = new_tokenizer(PIECES)
    tokenizer.chat_template = TEMPLATES[name]
    chats = Chats(tokenizer)
    for turns in (["1 2"], ["1", " <2>&é 😀\n", "a 'b' \"c\""]):
        roles = ["user", "assistant"] * 2
        messages = [{"role": r, "content": c} for r, c in zip(roles, turns, strict=False)]
        expected = tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=False
        )
        assert chats.text(messages, "a chat") == expected


def test_a_template_that_fails_for_one_chat_renders_the_next():
    tokenizer = new_tokenizer(PIECES)
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    bomb = "{% if messages[0].content == 'bomb' %}" + endless + "{% endif %}"
    tokenizer.chat_template = bomb + "{{ messages[0].content }}"
    chats = Chats(tokenizer)
    assert chats.text([{"role": "user", "content": "1"}], "this") == "1"
    with pytest.raises(ModelError, match=r"does not render this: .*needs more than 1 s"):
        chats.text([{"role": "user", "content": "bomb"}], "this")
    assert chats.text([{"role": "user", "content": "2"}], "this") == "2"


def test_a_tokenizer_without_a_json_of_its_own_loads(tmp_path, honest):
    """The two files of GPT-2's tokenizer, from before there was a tokenizer.json."""
    folder = honest_folder(tmp_path / "model", "gpt2")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    (folder / "vocab.json").write_text(json.dumps({"<|endoftext|>": 0, "a": 1, "b": 2, "ab": 3}))
    (folder / "merges.txt").write_text("#version: 0.2\na b\n")
    settings = {"tokenizer_class": "GPT2Tokenizer", "pad_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    assert _load(folder).completion_tokens("ab").tolist() == [3, 0]


def _load(folder):
    return load_policy(Model(path=str(folder)), vocabulary=[], seed=1)


def _tree(place):
    """Names, sizes and times of everything below a folder, links not followed."""
    found = {}
    for path in sorted(place.rglob("*")):
        status = os.lstat(path)
        found[str(path)] = (status.st_mode, status.st_size, status.st_mtime_ns)
    return found


def test_a_name_on_the_hub_is_a_folder_of_its_cache_and_checked_like_one(
    honest, tmp_path, monkeypatch
):
    entry = tmp_path / "models--owner--name"
    shutil.copytree(honest, entry / "snapshots" / "abc")
    (entry / "refs").mkdir()
    (entry / "refs" / "main").write_text("abc")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    _load("owner/name")
    with pytest.raises(ModelError, match="cannot be loaded: LocalEntryNotFound"):
        _load("owner/another")
    HOSTILE["auto_map"][0](entry / "snapshots" / "abc", tmp_path / "canary")
    with pytest.raises(ModelError, match="auto_map"):
        _load("owner/name")
