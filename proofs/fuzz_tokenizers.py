"""Tokenizers and chat templates with mistakes in them, given to `cohort sample`.

    python -m proofs.fuzz_tokenizers [--short] [--seed 1]

Each of 500 folders is an honest one with a few mistakes, drawn from its number, in tokenizer.json, in
tokenizer_config.json or in the chat template. It held when the command refused it (exit code 2, at most
six lines), or when it accepted it and then really sampled; never with a traceback, and never with a file
written. The commands run in processes that are forked after the imports, some as whole commands too.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from cohort.data import keyed
from proofs.command import main
from proofs.place import Outcome, Server, faults, tree, whole_command
from tests.hostile_folders import honest_folder

COUNT = {True: 40, False: 500}
WHOLE = {True: 1, False: 30}
MOST_PROCESSOR_SECONDS = 5.0
SAMPLE = ("sample", "model", "1 2", "--max-new-tokens", "3")
FILES = {
    "tokenizer.json": 0.45,
    "tokenizer_config.json": 0.25,
    "chat_template.jinja": 0.3,
}
"""Where a mistake is, with its share."""
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 7, 39, 40, 1 << 31, 1 << 70, 1e308, 0.5, "", "x", "<end>", "\ud7ff\u202e\x1b[2J",
    "a" * 5000, [], {}, [[]], [None], {"type": "BPE"}, {"content": "<end>"}, {"type": "Sequence"},
    {"String": ""}, {"Regex": "(a*)*b"}, {"Regex": "("},
)  # fmt: skip
PARTS: tuple[dict[str, Any], ...] = (
    {"normalizer": {"type": "Lowercase"}},
    {"normalizer": {"type": "Replace", "pattern": {"Regex": "(1|1)*$"}, "content": "11"}},
    {"normalizer": {"type": "Prepend", "prepend": "1" * 1000}},
    {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True}},
    {"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(.+)+x"}, "behavior": "Isolated"}},
    {"pre_tokenizer": None},
    {"decoder": {"type": "ByteLevel"}},
    {"decoder": {"type": "Strip", "content": "1", "start": 9, "stop": 9}},
    {"decoder": None},
    {"post_processor": {"type": "TemplateProcessing", "single": [], "pair": [], "special_tokens": {}}},
    {
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": "<end>", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
            ],
            "pair": [],
            "special_tokens": {"<end>": {"id": "<end>", "ids": [4_000_000], "tokens": ["<end>"]}},
        }
    },
    {"truncation": {"direction": "Right", "max_length": 0, "strategy": "LongestFirst", "stride": 9}},
    {
        "padding": {
            "strategy": {"Fixed": 100_000}, "direction": "Left", "pad_to_multiple_of": 0,
            "pad_id": 4_000_000, "pad_type_id": 0, "pad_token": "x",
        }
    },
    {"model": {"type": "Unigram", "unk_id": 9, "vocab": [["1", 0.0], ["2", -1e308]]}},
    {"model": {"type": "BPE", "vocab": {"1": 0, "2": 1, "12": 2}, "merges": [["1", "2"]]}},
    {"model": {"type": "BPE", "vocab": {"1": 0, "2": 1}, "merges": ["1 3"], "unk_token": "no"}},
    {"model": {"type": "WordPiece", "vocab": {"1": 1, "2": 2}, "unk_token": "no"}},
)  # fmt: skip
"""Sections of a tokenizer.json as a whole, each in the right form and with something wrong."""
SNIPPETS = (
    "{%", "%}", "{{", "}}", "{% endif %}", "{{ x.y.z }}", "{{ messages[9].content }}", "{{ 1 / 0 }}",
    "{{ messages.content.strip() }}", "{{ raise_exception(messages) }}", "{{ ''.__class__ }}", "\x00",
    "{{ messages | tojson(indent=99999) }}", "{{ '%s' % 'a' }}", "{{ '{0.__class__}'.format(1) }}",
    "{% for i in range(99999) %}1{% endfor %}", "{{ range(10 ** 9) | list }}", "{{ lipsum(n=100) }}",
    "{{ 'a' | center(10 ** 10) }}", "{{ cycler.__init__.__globals__ }}", "{% set messages = 1 %}",
    "{{ self.__dict__ }}", "{% block a %}{{ self.a() }}{% endblock %}", "{{ messages | random }}",
    "{% filter upper %}{{ messages[0].content }}{% endfilter %}", "{{ namespace }}", "\ud7ff",
)  # fmt: skip


def prove(short: bool, seed: int) -> dict[str, object]:
    """Give every mutated folder to the command."""
    failures: list[str] = []
    outcomes: list[Outcome] = []
    whole = 0
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "home"
        home.mkdir()
        honest = honest_folder(Path(scratch) / "honest")
        with Server(home) as server:
            shutil.copytree(honest, Path(scratch) / "warm" / "model")
            server.run(Path(scratch) / "warm", SAMPLE)  # compiles the kernels, once for all
            for number in range(COUNT[short]):
                place = Path(scratch) / str(number)
                folder = Path(shutil.copytree(honest, place / "model"))
                name = mutate(folder, keyed.generator(seed, "tokenizers", number))
                before = tree(place, home)
                sample = (*SAMPLE, "--seed", str(number))
                runs = [server.run(place, sample)]
                if number % (COUNT[short] // WHOLE[short]) == 0:
                    runs.append(whole_command(place, home, sample))
                    whole += 1
                outcomes.append(runs[0])
                found = [fault for outcome in runs for fault in faults(outcome, codes=(0, 2))]
                found += [
                    "it sampled nothing" for outcome in runs if not (outcome.code or outcome.output)
                ]
                if runs[0].processor_seconds > MOST_PROCESSOR_SECONDS:
                    found.append(f"{runs[0].processor_seconds:.1f} s of processor time")
                if len({(outcome.code, outcome.output) for outcome in runs}) > 1:
                    found.append("the whole command ended otherwise")
                if tree(place, home) != before:
                    found.append("a file was written")
                failures += [f"{number} ({name}): {fault}" for fault in found]
                shutil.rmtree(place)
    codes = Counter(outcome.code for outcome in outcomes)
    return {
        "name": "mutated tokenizers",
        "asked": len(outcomes),
        "held": len(outcomes) - len({failure.split(":")[0] for failure in failures}),
        "failures": failures,
        "refused": codes[2],
        "accepted_and_sampled": codes[0],
        "whole_commands": whole,
        "slowest_processor_seconds": round(max(o.processor_seconds for o in outcomes), 2),
        "kinds_of_refusals": len({_kind(outcome.error) for outcome in outcomes}),
    }


def mutate(folder: Path, draw: np.random.Generator) -> str:
    """One to three mistakes in one of the files; returns its name."""
    name = str(draw.choice(list(FILES), p=list(FILES.values())))
    for _ in range(draw.integers(1, 4)):
        text = (folder / name).read_text()
        if name.endswith(".jinja"):
            text = _cut(text, draw, SNIPPETS)
        elif draw.random() < 0.2 or not text.startswith("{"):
            text = _cut(
                text, draw, ("null", "-1", "1e999", '"', "{", "}", "[]", "\x00", "9" * 40, "NaN")
            )
        elif name == "tokenizer.json" and draw.random() < 0.4:
            text = _edited(text, lambda content: content.update(PARTS[draw.integers(len(PARTS))]))
        else:
            text = _edited(text, lambda content: _spoil(content, draw))
        (folder / name).write_text(text)
    return name


def _cut(text: str, draw: np.random.Generator, snippets: tuple[str, ...]) -> str:
    """A few characters cut out or kept, and a snippet at their place, or they once more."""
    begin = int(draw.integers(len(text) + 1))
    end = begin + int(draw.choice((0, 0, 1, 3, 12)))
    choices = (*snippets, text[begin:end] * 2)
    return text[:begin] + choices[draw.integers(len(choices))] + text[end:]


def _edited(text: str, edit: Any) -> str:
    """JSON with an edit; left alone where it is no JSON any more."""
    try:
        content = json.loads(text)
    except ValueError:
        return text
    edit(content)
    return json.dumps(content)


def _spoil(content: dict[str, Any], draw: np.random.Generator) -> None:
    """Another value somewhere in nested objects, or a key that is gone or new."""
    at: Any = content
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not keys:
            return
        key = keys[draw.integers(len(keys))]
        inner = at[key]
        if isinstance(inner, (dict, list)) and inner and draw.random() < 0.75:
            at = inner
            continue
        fate = draw.random()
        if fate < 0.25:
            del at[key]
        elif fate < 0.35 and isinstance(at, dict):
            at["added"] = VALUES[draw.integers(len(VALUES))]
        else:
            at[key] = VALUES[draw.integers(len(VALUES))]
        return


def _kind(error: str) -> str:
    """A refusal without its numbers, names and values."""
    return " ".join(word for word in error.split()[:12] if word.isalpha())


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv, seed=1)))
