"""Ways to spoil a recipe: its text, its values, or what `--set` puts over it.

Each is a function of a recipe and a generator. Those of values also say whether what comes out must
be refused: a misspelt key and text where a number belongs must, a smaller number need not.
"""

from __future__ import annotations

import copy
import datetime
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tomli_w

Random = np.random.Generator
Place = tuple[str | int, ...]
LONG = 4_000


def choice(random: Random, items: Any) -> Any:
    """One of the items; numpy's own choice would make an array of them."""
    return items[int(random.integers(len(items)))]


def _line(text: str, random: Random, change: Callable[[list[str], int], object]) -> str:
    lines = text.split("\n")
    change(lines, int(random.integers(len(lines))))
    return "\n".join(lines)


def _value(text: str, random: Random, new: str) -> str:
    """The text with what stands behind one of its equals signs replaced, up to the next comma."""
    places = [i for i, c in enumerate(text) if c == "="]
    begin = choice(random, places) + 1
    ends = [i for i in (text.find(c, begin) for c in ",}\n") if i >= 0]
    return text[:begin] + " " + new + text[min(ends, default=len(text)) :]


def _bits(text: str, random: Random) -> bytes:
    raw = bytearray(text.encode())
    for _ in range(int(random.integers(1, 6))):
        raw[int(random.integers(len(raw)))] ^= 1 << int(random.integers(8))
    return bytes(raw)


def _inserted(text: str, random: Random, pieces: tuple[str, ...]) -> str:
    place = int(random.integers(len(text)))
    return text[:place] + choice(random, pieces) + text[place:]


def _swapped_tables(text: str, random: Random) -> str:
    tables = text.split("\n\n")
    order = random.permutation(len(tables))
    return "\n\n".join(tables[i] for i in order)


NUMBERS = (
    "nan",
    "-inf",
    "inf",
    "1e400",
    "-0",
    "0",
    "-3",
    "1_0",
    "007",
    "0x10",
    "99999999999999999999",
)
NUMBERS += ("9" * 5000, "0x" + "f" * 5000, "9223372036854775807", "1e-320", "3.0", "1e9")
OTHERS = (
    '""',
    "true",
    "[]",
    "{}",
    "1979-05-27T07:32:00Z",
    "07:32:00",
    "'a\\b'",
    "[[1], [[2]]]",
    "' '",
)
OTHERS += (
    '"\\u0000"',
    '"a\\nb\\nc\\nd\\ne\\nf\\ng\\nh"',
    '"\\u001b[31mred"',
    '"\\u202egnirts"',
    "2024-13-45",
)
SIGNS = (
    "[",
    "]",
    "[[",
    "{",
    "}",
    '"',
    '"""',
    "'''",
    "=",
    ".",
    ",",
    "#",
    "\\",
    "\x07",
    "\u2028",
    "\n[",
    "💥",
)


def _deep(random: Random) -> str:
    depth = int(choice(random, (4, 19, 25, 60, 300, 990, 20_000)))
    shape = int(random.integers(3))
    if shape == 0:
        return "[" * depth + "]" * depth
    if shape == 1:
        return "{a=" * depth + "1" + "}" * depth
    return "{ " + ".".join(["a"] * depth) + " = 1 }"


TEXT: dict[str, Callable[[str, Random], str | bytes]] = {
    "bits": _bits,
    "cut": lambda t, r: t.encode()[: int(r.integers(len(t)))],
    "line doubled": lambda t, r: _line(t, r, lambda lines, i: lines.insert(i, lines[i])),
    "line dropped": lambda t, r: _line(t, r, lambda lines, i: lines.pop(i)),
    "lines swapped": lambda t, r: _line(t, r, lambda lines, i: lines.insert(0, lines.pop(i))),
    "tables swapped": _swapped_tables,
    "number": lambda t, r: _value(t, r, choice(r, NUMBERS)),
    "other value": lambda t, r: _value(t, r, choice(r, OTHERS)),
    "long text": lambda t, r: _value(t, r, '"' + choice(r, ("x", "ü", "a/", "x.")) * LONG + '"'),
    "deep value": lambda t, r: _value(t, r, _deep(r)),
    "sign": lambda t, r: _inserted(t, r, SIGNS),
    "byte-order mark": lambda t, r: b"\xef\xbb\xbf" + t.encode(),
    "UTF-16": lambda t, r: t.encode(choice(r, ("utf-16", "utf-16-be", "utf-32"))),
    "Latin-1": lambda t, r: _inserted(t, r, ("# é\n", "é", "ß")).encode("latin-1", "ignore"),
    "NUL": lambda t, r: _inserted(t, r, ("\0", "\0\0\0\0")),
    "CRLF": lambda t, r: t.replace("\n", "\r\n"),
    "CR": lambda t, r: t.replace("\n", "\r"),
    "unicode name": lambda t, r: _line(
        t, r, lambda lines, i: lines.insert(i, '"größe\\n\\u0007" = 1')
    ),
    "long name": lambda t, r: _line(t, r, lambda lines, i: lines.insert(i, "k" * LONG + " = 1")),
    "dotted name": lambda t, r: _line(
        t, r, lambda lines, i: lines.insert(i, "a." * 9000 + "b = 1")
    ),
    "nothing": lambda t, r: choice(
        r, (b"", b"\n\n", b"# only\n", b"\0", b"\xff" * 99, b"[[stage]]")
    ),
}
"""Spoilt texts, by name."""

LARGE: dict[str, Callable[[str, Random], str | bytes]] = {
    "two megabytes of comments": lambda t, r: t + "# more\n" * 300_000,
    "one endless line": lambda t, r: t + "x = '" + "y" * 1_500_000 + "'",
    "a thousand stages": lambda t, r: (
        t + '\n[[stage]]\nkind = "evaluate"\nproblems = "chain"' * 1200
    ),
    "a megabyte of stages": lambda t, r: t + "\n[[stage]]" * 90_000,
    "a megabyte of keys": lambda t, r: "".join(f"k{i} = {i}\n" for i in range(50_000)) + t,
    "an endless dotted name": lambda t, r: "a." * 400_000 + "b = 1\n" + t,
    "a large list": lambda t, r: _value(t, r, "[" + "1, " * 200_000 + "]"),
}
"""Spoilt texts of a megabyte; a few of them are enough."""


def leaves(value: object, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every value that is no table and no list of tables, with its place."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*place, key))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for i, inner in enumerate(value):
            yield from leaves(inner, (*place, i))
    else:
        yield place, value


def parent(data: dict[str, Any], place: Place) -> Any:
    """The table that holds the last part of a place."""
    node: Any = data
    for part in place[:-1]:
        node = node[part]
    return node


def is_free(place: Place) -> bool:
    """Whether the place is an argument of a user's function, whose types nobody knows here."""
    words = [str(part) for part in place]
    return "options" in words or any(".py:" in word for word in words)


KEYS = (
    "self",
    "model_config",
    "model_extra",
    "__class__",
    "title",
    "copy",
    "",
    "a.b",
    "näme",
    "x\ny",
)
KEYS += (
    "name",
    "weight",
    "steps",
    "ratio_max",
    "numbers",
    "\u202e",
    "k" * 300,
    "left_open",
    "completions",
)
WRONG: dict[type, tuple[Any, ...]] = {
    str: (17, True, [1], datetime.date(2020, 1, 1), ["a"], 0.5),
    int: ("many", [3], {"x": 1}, datetime.date(2020, 1, 1), "", "50"),
    float: ("many", [0.5], {"x": {"y": 1}}, datetime.datetime(2020, 1, 1), ""),
    bool: ("yes", 1, [True], 0.0),
    list: ("many", {"x": 1}, True),
}


def _another_type(data: dict[str, Any], random: Random) -> bool:
    place, old = choice(random, list(leaves(data)))
    new = choice(random, WRONG[type(old)])
    parent(data, place)[place[-1]] = new
    lists = place[-1] == "numbers" and isinstance(new, list)  # countdown takes a list of counts
    return not (lists or (is_free(place) and isinstance(old, (str, bool))))


def _another_number(data: dict[str, Any], random: Random) -> bool:
    numbers = [
        p for p, v in leaves(data) if isinstance(v, (int, float)) and not isinstance(v, bool)
    ]
    place = choice(random, numbers)
    new = choice(
        random, (0, -1, -0.5, 1e300, 2**62, 2**63 - 1, 1, 10**9, 1e-300, 0.0, float("nan"))
    )
    parent(data, place)[place[-1]] = new
    counts = ("steps", "prompts_per_step", "hidden", "layers", "context", "max_new_tokens", "heads")
    return new != new or (place[-1] in counts and (new < 1 or new > 10**9))


def _without(data: dict[str, Any], random: Random) -> bool:
    place, _ = choice(random, list(leaves(data)))
    del parent(data, place)[place[-1]]
    return len(place) == 3 and place[-1] in ("kind", "steps", "problems")


def _misspelt(data: dict[str, Any], random: Random) -> bool:
    place, old = choice(random, [leaf for leaf in leaves(data) if isinstance(leaf[0][-1], str)])
    key = str(place[-1])
    i = int(random.integers(len(key)))
    new = choice(random, (key[:i] + key[i + 1 :], key[:i] + "_" + key[i:], key.upper(), key + "s"))
    table = parent(data, place)
    if new in table or new == key:
        return False
    del table[key]
    table[new] = old
    return not is_free(place) and "columns" not in place


def _further(data: dict[str, Any], random: Random) -> bool:
    place, old = choice(random, list(leaves(data)))
    key, table = choice(random, KEYS), parent(data, place)
    if key in table:
        return False
    table[key] = old
    known = key in ("name", "weight", "steps", "numbers", "ratio_max", "completions")
    return not (known or is_free(place) or "columns" in place or "rewards" in place)


def _table_as_list(data: dict[str, Any], random: Random) -> bool:
    place, old = choice(random, [leaf for leaf in leaves(data) if len(leaf[0]) > 1])
    table = place[: int(random.integers(1, len(place)))]
    node = parent(data, table)
    if isinstance(node[table[-1]], list):
        node[table[-1]] = {"x": old}
    else:
        node[table[-1]] = [node[table[-1]], old]
    return True


def _moved(data: dict[str, Any], random: Random) -> bool:
    place, old = choice(random, list(leaves(data)))
    other, _ = choice(random, list(leaves(data)))
    del parent(data, place)[place[-1]]
    table = parent(data, other)
    table[place[-1] if isinstance(table, dict) else 0] = old
    return False


WORDS = (
    "chain",
    "countdown",
    "chian",
    "problems.csv",
    "nothing.csv",
    "mine.py:rows",
    "mine.py:none",
)
WORDS += (
    "mine.py",
    "folder.toml",
    ".",
    "..",
    "/",
    "/dev/zero",
    "hub:",
    "hub:a/b",
    "http://x/y",
    "mine.py:",
)
WORDS += (
    "reinforce",
    "evaluate",
    "supervised",
    "grpo",
    "grop",
    "sapo",
    "pkpo",
    "maxrl",
    "correct",
    "length",
)
WORDS += (
    "{prompt}",
    "{answer}",
    "{",
    "{0}",
    "{prompt!r}",
    "{prompt.x}",
    "",
    " ",
    "x" * 300,
    "a/" * 3000,
)
WORDS += (
    "a\nb",
    "\x1b[2J",
    "~",
    "stories.jsonl",
    "mine.py:short",
    "__import__",
    "'",
    '"',
    "a.jsonl.gz",
)


def _another_word(data: dict[str, Any], random: Random) -> bool:
    texts = [place for place, value in leaves(data) if isinstance(value, str)]
    place = choice(random, texts)
    parent(data, place)[place[-1]] = choice(random, WORDS)
    return False


def _another_algorithm(data: dict[str, Any], random: Random) -> bool:
    stages = [stage for stage in data["stage"] if stage.get("kind") == "reinforce"]
    stage = choice(random, stages or data["stage"])
    names = ("grpo", "dapo", "pkpo", "sapo", "reinforce++", "gspo", "rloo", "cispo")
    keys = (
        "beta",
        "advantage",
        "weight",
        "surrogate",
        "kl",
        "k",
        "clip_low",
        "self",
        "name",
        "entropy",
    )
    values = ("token", "k3", "none", 0, 1, 0.5, -1, [1], {"a": 1}, "", True, "in-reward")
    stage["algorithm"] = {"name": choice(random, names)} | {
        choice(random, keys): choice(random, values) for _ in range(int(random.integers(1, 4)))
    }
    return False


VALUES: dict[str, Callable[[dict[str, Any], Random], bool]] = {
    "another type": _another_type,
    "another number": _another_number,
    "without": _without,
    "misspelt": _misspelt,
    "further key": _further,
    "table as list": _table_as_list,
    "moved": _moved,
    "another word": _another_word,
    "another algorithm": _another_algorithm,
}
"""Spoilt values, by name."""


def spoilt_values(text: str, name: str, random: Random) -> tuple[str, bool]:
    """The recipe with its values spoilt in this way, and whether it must be refused."""
    data = copy.deepcopy(tomllib.loads(text))
    refused = VALUES[name](data, random)
    return tomli_w.dumps(data), refused


def overrides(text: str, random: Random) -> list[str]:
    """One to three `--set` options; some replace what is there, some are spoilt themselves."""
    places = [place for place, _ in leaves(tomllib.loads(text))]
    found = []
    for _ in range(int(random.integers(1, 4))):
        place = ".".join(str(part) for part in choice(random, places))
        if random.random() < 0.3:
            place = choice(
                random, ("stage", "stage.9.steps", "stage.x.y", "model", "seed.x", "a b", "")
            )
        if random.random() < 0.15:
            place = choice(
                random, (f"stage.{'9' * 5000}.steps", "a." * 3000 + "b", "stage.²", "'", "\udcff")
            )
        value = choice(
            random, (*NUMBERS, *OTHERS, *WORDS, "[", "1\nseed = 2", "\udcff", _deep(random))
        )
        found.append(f"{place}{choice(random, ('=', '=', '=', '= ', '==', ''))}{value}")
    return found
