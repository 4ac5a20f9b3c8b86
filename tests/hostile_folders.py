"""Model folders as an enemy would make them: an honest tiny one, and one change each.

A change is a function of the folder and of a canary, a file that any code of the folder would make
if it were run. Beside it stands what the refusal has to speak of.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cohort.policy.load import save_policy
from tests.tiny import tiny_policy

Change = Callable[[Path, Path], object]
WEIGHTS, CONFIG, INDEX = "model.safetensors", "config.json", "model.safetensors.index.json"
SETTINGS, TOKENIZER, TEMPLATE = "tokenizer_config.json", "tokenizer.json", "chat_template.jinja"
CHATML = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def honest_folder(folder: Path, architecture: str = "llama") -> Path:
    """A folder that trains."""
    policy, _ = tiny_policy(architecture)
    policy.tokenizer.chat_template = CHATML
    save_policy(policy, folder)
    return folder


def spoilt(honest: Path, folder: Path, name: str) -> Path:
    """A copy of an honest folder with one of the changes; the canary is beside it."""
    shutil.copytree(honest, folder)
    HOSTILE[name][0](folder, folder.parent / "canary")
    return folder


class Payload:
    """A pickle that makes the canary when it is loaded."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.canary}",)


def _pickled(name: str, *, keep: bool = False) -> Change:
    def change(folder: Path, canary: Path) -> None:
        if not keep:
            (folder / WEIGHTS).unlink()
        (folder / name).write_bytes(pickle.dumps(Payload(canary)))

    return change


def _json(name: str, **values: Any) -> Change:
    """Keys of a JSON file set, or removed where the value is `...`."""

    def change(folder: Path, canary: Path) -> None:
        file = folder / name
        content = json.loads(file.read_text()) if file.exists() else {}
        content.update(values)
        file.write_text(json.dumps({k: v for k, v in content.items() if v is not ...}))
        (folder / "evil.py").write_text(f"open({str(canary)!r}, 'w')\nclass Evil: ...\n")

    return change


def _text(name: str, text: str | bytes) -> Change:
    content = text if isinstance(text, bytes) else text.encode()
    return lambda folder, canary: (folder / name).write_bytes(content)


def _inserted(name: str, text: str) -> Change:
    """Text after the first brace of a JSON file."""
    return lambda folder, canary: (folder / name).write_text(
        "{" + text + (folder / name).read_text().lstrip()[1:]
    )


def _header(edit: Callable[[dict[str, Any]], object], name: str = WEIGHTS) -> Change:
    def change(folder: Path, canary: Path) -> None:
        header, body = _split(folder / name)
        made = edit(header)
        _join(folder / name, header if made is None else made, body)

    return change


def _split(file: Path) -> tuple[dict[str, Any], bytes]:
    raw = file.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def _join(file: Path, header: object, body: bytes) -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + body)


def _first(header: dict[str, Any]) -> dict[str, Any]:
    """The entry of the tensor at the beginning of the file."""
    tensors = [entry for name, entry in header.items() if name != "__metadata__"]
    return min(tensors, key=lambda entry: entry["data_offsets"])


def _moved(header: dict[str, Any], by: int) -> None:
    entry = _first(header)
    entry["data_offsets"] = [n + by for n in entry["data_offsets"]]


def _sharded(
    rename: Callable[[dict[str, str]], object] = lambda mapped: None, copies: int = 1
) -> Change:
    """The weights under the name of a shard, and an index that names it."""

    def change(folder: Path, canary: Path) -> None:
        header, _ = _split(folder / WEIGHTS)
        header.pop("__metadata__", None)
        names = [f"model-0000{n}.safetensors" for n in range(1, copies + 1)]
        for name in names:
            shutil.copy(folder / WEIGHTS, folder / name)
        (folder / WEIGHTS).unlink()
        mapped: Any = {tensor: names[n % copies] for n, tensor in enumerate(header)}
        mapped = rename(mapped) or mapped
        (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": mapped}))

    return change


def _numbers(value: bytes) -> Change:
    """The last number of the weights replaced by four bytes."""

    def change(folder: Path, canary: Path) -> None:
        raw = (folder / WEIGHTS).read_bytes()
        (folder / WEIGHTS).write_bytes(raw[:-4] + value)

    return change


def _lost(header: dict[str, Any]) -> None:
    name = next(name for name in header if "q_proj" in name)
    header["of_nobody.weight"] = header.pop(name)


def _instead(name: str, make: Callable[[Path], object]) -> Change:
    """Something else in the place of a file."""

    def change(folder: Path, canary: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return change


def _link_out(name: str) -> Change:
    def change(folder: Path, canary: Path) -> None:
        outside = folder.parent / f"outside-{name}"
        (folder / name).rename(outside)
        (folder / name).symlink_to(outside)

    return change


def _tokenizer(edit: Callable[[dict[str, Any]], object]) -> Change:
    def change(folder: Path, canary: Path) -> None:
        content = json.loads((folder / TOKENIZER).read_text())
        made = edit(content)
        (folder / TOKENIZER).write_text(json.dumps(content if made is None else made))

    return change


def _merges(content: dict[str, Any]) -> None:
    content["model"] = {
        "type": "BPE", "vocab": {str(n): n for n in range(30)}, "merges": ["1 2"] * 1_000_000,
    }  # fmt: skip


def _without_tokenizer(folder: Path, canary: Path) -> None:
    (folder / TOKENIZER).unlink()


def _both(*changes: Change) -> Change:
    return lambda folder, canary: [change(folder, canary) for change in changes]


def _silent(content: dict[str, Any]) -> None:
    """A decoder that leaves nothing of the digits, which are all the text there is."""
    content["decoder"] = {
        "type": "Sequence",
        "decoders": [
            {"type": "Replace", "pattern": {"String": str(digit)}, "content": ""}
            for digit in range(10)
        ],
    }


def _template(text: str) -> tuple[Change, str]:
    return _text(TEMPLATE, text), "chat template"


def _unsized(file: Path) -> None:
    with file.open("wb") as made:
        made.truncate(80 << 20)  # a hole: the size costs no disk


DEEP = "[" * 100_000 + "]" * 100_000
LONG_HEADER = (1 << 62).to_bytes(8, "little") + b"{}"
CLASSIFIER = ["LlamaForSequenceClassification"]
REMOTE = {"AutoConfig": "evil.Evil", "AutoModelForCausalLM": "evil.Evil"}

HOSTILE: dict[str, tuple[Change, str]] = {
    # what would run code
    "pickle": (_pickled("pytorch_model.bin"), "pickle"),
    "pickle in pieces": (_pickled("pytorch_model-00001-of-00001.bin"), "pickle"),
    "pickle .pt": (_pickled("model.pt"), "pickle"),
    "pickle .ckpt": (_pickled("model.ckpt"), "pickle"),
    "pickle named safetensors": (_pickled(WEIGHTS), "header"),
    "auto_map": (_json(CONFIG, auto_map=REMOTE), "auto_map"),
    "auto_map of an unknown type": (_json(CONFIG, auto_map=REMOTE, model_type="evil"), "auto_map"),
    "auto_map of a hub": (_json(CONFIG, auto_map={"AutoConfig": "a/b--evil.Evil"}), "auto_map"),
    "auto_map of the tokenizer": (
        _json(SETTINGS, auto_map={"AutoTokenizer": ["evil.Evil", None]}),
        "auto_map",
    ),
    "auto_map in a list": (_json(SETTINGS, auto_map=["evil.Evil", "evil.Evil"]), "auto_map"),
    "auto_map of a processor": (
        _json("processor_config.json", inner={"auto_map": {"AutoProcessor": "evil.Evil"}}),
        "auto_map",
    ),
    "kernel": (_json(CONFIG, _attn_implementation="owner/kernel"), "_attn_implementation"),
    "private kernel": (
        _json(CONFIG, _attn_implementation_internal="owner/kernel@main:run"),
        "_attn_implementation_internal",
    ),
    "public kernel": (_json(CONFIG, attn_implementation="owner/kernel"), "attn_implementation"),
    "inner kernel": (
        _json(CONFIG, text_config={"_attn_implementation_internal": "a/b"}),
        "text_config._attn",
    ),
    "kernel of experts": (_json(CONFIG, _experts_implementation="a/b"), "_experts"),
    "adapter": (_json("adapter_config.json", base_model_name_or_path="a/b"), "adapter"),
    "vocabulary in a pickle": (
        _both(_without_tokenizer, _pickled("vocab.pkl", keep=True)),
        "tokenizer as a pickle",
    ),
    # what leads out
    "link of weights": (_link_out(WEIGHTS), "link out"),
    "link of the config": (_link_out(CONFIG), "link out"),
    "link of a folder": (
        lambda folder, canary: (folder / "additional_chat_templates").symlink_to("/etc"),
        "link out",
    ),
    "link to nothing": (_instead(WEIGHTS, lambda file: file.symlink_to("none")), "to nothing"),
    "link to itself": (_instead(CONFIG, lambda file: file.symlink_to(file.name)), "config"),
    "link to a device": (_instead(CONFIG, lambda file: file.symlink_to("/dev/zero")), "config"),
    "index with ..": (
        _sharded(lambda mapped: dict.fromkeys(mapped, "../model/model-00001.safetensors")),
        r"\.\./model",
    ),
    "index with a whole path": (
        _sharded(lambda mapped: dict.fromkeys(mapped, "/etc/passwd")),
        "/etc/passwd",
    ),
    "weights elsewhere": (_json(CONFIG, transformers_weights="../x.safetensors"), "weights"),
    "vocabulary elsewhere": (_json(SETTINGS, vocab_file="/etc/passwd"), "vocab_file"),
    "versions elsewhere": (_json(SETTINGS, fast_tokenizer_files=["../tokenizer.json"]), "_files"),
    # what is no file
    "pipe of weights": (_instead(WEIGHTS, os.mkfifo), "neither a file"),
    "pipe of the tokenizer": (_instead(TOKENIZER, os.mkfifo), "neither a file"),
    "folder of weights": (_instead(WEIGHTS, Path.mkdir), "not a regular file"),
    "folder of the tokenizer": (_instead(TOKENIZER, Path.mkdir), "not a regular file"),
    # weights that are not whole
    "empty weights": (_text(WEIGHTS, b""), "header"),
    "endless header": (_text(WEIGHTS, LONG_HEADER), "header"),
    "header of no JSON": (_header(lambda h: b"\xff" * 40), "UTF-8"),
    "deep header": (_header(lambda h: b'{"a": ' + DEEP.encode() + b"}"), "nested"),
    "header of a list": (_header(lambda h: [h]), "object"),
    "header with NaN": (_header(lambda h: _first(h).update(shape=[float("nan")])), "NaN"),
    "header with a tensor twice": (
        _header(lambda h: b'{"a": 1, "a": 2, ' + json.dumps(h).encode()[1:]),
        "two values",
    ),
    "overlap": (_header(lambda h: _moved(h, 64)), "begins at"),
    "negative offsets": (_header(lambda h: _moved(h, -64)), "offsets"),
    "offsets as text": (_header(lambda h: _first(h).update(data_offsets=["0", "9"])), "offsets"),
    "hole": (_header(lambda h: h.pop("model.norm.weight") and None), "tensors end|begins at"),
    "huge shape": (_header(lambda h: _first(h).update(shape=[1 << 40, 1 << 40])), "shape"),
    "shape beyond the bytes": (_header(lambda h: _first(h).update(shape=[41, 48])), "shape"),
    "negative shape": (_header(lambda h: _first(h).update(shape=[-40, -48])), "shape"),
    "bytes as weights": (_header(lambda h: _first(h).update(dtype="I8")), "I8"),
    "type of nobody": (_header(lambda h: _first(h).update(dtype=["F32"])), "type"),
    "bytes after the end": (
        lambda folder, canary: os.truncate(folder / WEIGHTS, 200_000),
        "tensors end",
    ),
    "cut short": (lambda folder, canary: os.truncate(folder / WEIGHTS, 5000), "tensors end"),
    "missing shard": (_sharded(lambda m: {**m, "a": "model-00002.safetensors"}), "no such file"),
    "index of a list": (_sharded(lambda mapped: list(mapped)), "weight_map"),
    "tensor of the index lost": (_sharded(lambda m: {**m, "a": "model-00001.safetensors"}), "lacks"),
    "tensor in two shards": (_sharded(copies=2), "in two"),
    "NaN weight": (_numbers(b"\x00\x00\xc0\x7f"), "NaN"),
    "infinite weight": (_numbers(b"\x00\x00\x80\xff"), "infinity"),
    "tensor lost": (_header(_lost), "lack a tensor"),
    # configs that do not fit
    "unknown type": (_json(CONFIG, model_type="evil"), "model_type is 'evil'"),
    "no type": (_json(CONFIG, model_type=...), "model_type is None"),
    "type of another kind": (_json(CONFIG, model_type=["llama"]), "model_type"),
    "classifier": (_json(CONFIG, architectures=CLASSIFIER), "LlamaForSequence"),
    "architecture of a number": (_json(CONFIG, architectures=7), "architectures is 7"),
    "quantized": (_json(CONFIG, quantization_config={"quant_method": "gptq"}), "quantized"),
    "huge vocabulary": (_json(CONFIG, vocab_size=10**12), "vocab_size"),
    "huge width": (_json(CONFIG, hidden_size=10**9), "hidden_size"),
    "product of sizes": (_json(CONFIG, vocab_size=20_000, hidden_size=20_000), "vocab_size"),
    "a billion layers": (_json(CONFIG, num_hidden_layers=10**9), "num_hidden_layers"),
    "huge heads": (
        _json(CONFIG, num_attention_heads=48, num_key_value_heads=48, head_dim=20_000),
        "describes",
    ),
    "huge feed-forward": (_json(CONFIG, intermediate_size=10**15), "intermediate_size"),
    "no heads": (_json(CONFIG, num_attention_heads=0), "cannot be loaded"),
    "width as text": (_json(CONFIG, hidden_size="48"), "hidden_size is '48'"),
    "half a layer": (_json(CONFIG, num_hidden_layers=1.5), "num_hidden_layers is 1.5"),
    "rotations of another kind": (_json(CONFIG, rope_parameters=[1]), "cannot be loaded"),
    "activation of nobody": (_json(CONFIG, hidden_act="a/b"), "cannot be loaded"),
    "fewer layers": (_json(CONFIG, num_hidden_layers=1), "does not describe"),
    "more layers": (_json(CONFIG, num_hidden_layers=3), "lack a tensor"),
    "another vocabulary": (_json(CONFIG, vocab_size=48), "cannot be loaded|another shape"),
    "config of a list": (_text(CONFIG, "[]"), "an object is needed"),
    "deep config": (_inserted(CONFIG, f'"a": {DEEP}, '), "nested"),
    "rather deep config": (_inserted(CONFIG, f'"a": {"[" * 90 + "]" * 90}, '), "nested"),
    "config with NaN": (_inserted(CONFIG, '"a": NaN, '), "NaN"),
    "config with two types": (_inserted(CONFIG, '"model_type": "gpt2", '), "two values"),
    "huge config": (_inserted(CONFIG, " " * (5 << 20)), "at most"),
    "config in another code": (_text(CONFIG, b"\xff\xfe{\x00}\x00"), "UTF-8"),
    "number without end": (_inserted(CONFIG, f'"a": {"9" * 10_000}, '), "JSON"),
    "end of another vocabulary": (_json("generation_config.json", eos_token_id=4000), "4000"),
    "ends as text": (_json("generation_config.json", eos_token_id=["</s>"]), "</s>"),
    # tokenizers
    "no tokenizer": (_without_tokenizer, "holds no tokenizer"),
    "tokenizer of no JSON": (_text(TOKENIZER, "{"), "JSON"),
    "tokenizer without a model": (_tokenizer(lambda t: t.pop("model") and None), "model is None"),
    "tokenizer of another kind": (_tokenizer(lambda t: t["model"].update(type="x")), "makes no"),
    "a million merges": (_tokenizer(_merges), "merges are 1,000,000"),
    "huge tokenizer": (_instead(TOKENIZER, _unsized), "at most"),
    "empty vocabulary": (_tokenizer(lambda t: t["model"].update(vocab={})), "vocabulary is {}"),
    "id without an embedding": (_tokenizer(lambda t: t["model"]["vocab"].update(x=40)), "id 40"),
    "id beyond memory": (_tokenizer(lambda t: t["model"]["vocab"].update(x=2**32)), "id 4294967296"),
    "negative id": (_tokenizer(lambda t: t["model"]["vocab"].update(x=-1)), "id -1"),
    "added id": (_json("added_tokens.json", evil=10**9), "id 1000000000"),
    "no end": (
        _both(
            _json(SETTINGS, eos_token=...),
            _json(CONFIG, eos_token_id=None),
            _json("generation_config.json", eos_token_id=None),
        ),
        "no end-of-sequence",
    ),
    "end of a number": (_json(SETTINGS, eos_token=7), "eos_token is 7"),
    "length of a list": (_json(SETTINGS, model_max_length=[]), "model_max_length is"),
    "unknown token of no letters": (_json(SETTINGS, unk_token=""), "RecursionError"),
    "decoder of longer tokens": (
        _tokenizer(
            lambda t: t.update(decoder={"type": "Strip", "content": "1", "start": 9, "stop": 9})
        ),
        "makes no tokenizer",
    ),
    "class of a number": (_json(SETTINGS, tokenizer_class=7), "tokenizer_class is 7"),
    "words without text": (_tokenizer(_silent), "does not read what it writes"),
    "growing text": (
        _tokenizer(
            lambda t: t.update(
                normalizer={
                    "type": "Sequence",
                    "normalizers": [
                        {"type": "Replace", "pattern": {"String": " "}, "content": " " * 2000}
                    ]
                    * 3,
                }
            )
        ),
        "makes no tokenizer",
    ),
    # templates
    "template of no Jinja": _template("{% for %}"),
    "template of a number": (
        _both(_json(SETTINGS, chat_template=7), lambda f, c: (f / TEMPLATE).unlink()),
        "chat_template is 7",
    ),
    "endless template": _template(
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    ),
    "growing template": _template(
        "{% set n = namespace(s='a') %}{% for i in range(60) %}{% set n.s = n.s ~ n.s %}{% endfor %}"
    ),
    "huge text": _template("{{ 'a' * 2000000000 }}"),
    "long text": _template("{% for a in range(90000) %}{{ 'a' * 100 }}{% endfor %}"),
    "huge power": _template("{{ 10 ** (10 ** 8) }}"),
    "recursive template": _template("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"),
    "twice recursive template": _template(
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}"
    ),
    "template after the interpreter": _template(
        "{{ ''.__class__.__mro__[1].__subclasses__() }}"
    ),
    "template with attr": _template("{{ ''|attr('__class__') }}"),
    "template with a spelt-out name": _template("{{ ''['__cla' ~ 'ss__']['__mro__'] }}"),
    "template that reads": _template("{% include '/etc/passwd' %}"),
    "half a character": _template("{{ '\\ud800' }}"),
    "template that refuses": _template("{{ raise_exception('no') }}"),
    "huge template": (_text(TEMPLATE, " " * (2 << 20)), "at most"),
}  # fmt: skip


def speaks_of(text: str, name: str) -> bool:
    """Whether a refusal speaks of what was changed."""
    return re.search(HOSTILE[name][1], text) is not None
