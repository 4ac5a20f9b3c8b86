"""Rows from files and functions: what is read, and how what cannot be read is refused."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from cohort.config.stages import Problems
from cohort.data.sources import read_held_out_rows, read_rows
from cohort.errors import DataError, MissingExtraError

GSM8K = Path(__file__).parents[2].parent / "shared" / "data" / "gsm8k"

MAKE = """
def rows(count=2):
    for i in range(count):
        yield {"prompt": f"p{i}", "answer": i}

def prompts():
    return ["a", [{"role": "user", "content": "b"}]]

def breaks():
    yield {"prompt": "a"}
    raise KeyError("b")

def text():
    return "abc"

def numbers():
    return [{"prompt": "a"}, 3]
"""


def read(base: Path, source: str, **options: Any) -> list[tuple[dict[str, object], str]]:
    rows = read_rows(Problems(source=source, **options), base)
    return [(dict(row.values), row.where) for row in rows]


def refusal(base: Path, source: str, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        read_rows(Problems(source=source, **options), base)
    assert len(str(caught.value).splitlines()) <= 6
    return str(caught.value)


def test_jsonl_rows_know_their_line_and_blank_lines_count(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(
        b'\xef\xbb\xbf{"prompt": "\xc3\xa4"}\r\n\n{"prompt": [1], "n": null}'
    )
    assert read(tmp_path, "a.jsonl") == [
        ({"prompt": "ä"}, "a.jsonl, line 1"),
        ({"prompt": [1], "n": None}, "a.jsonl, line 3"),
    ]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"a": 1}\n{"a": \n', "a.jsonl, line 2 is not JSON"),
        (b'{"a": 1} {"b": 2}\n', 'seen: {"a": 1} {"b": 2}'),
        (b'{"a": 1}\n[1, 2]\n', "a.jsonl, line 2 is not a JSON object: [1, 2]"),
        (b'{"a": "\xff"}\n', "a.jsonl, line 1 is not UTF-8: byte 0xff at position 8"),
        (b"[" * 100_000, "a.jsonl, line 1 is not JSON"),
        (b"\n\n", "a.jsonl holds no rows"),
        (b"", "a.jsonl holds no rows"),
    ],
)
def test_a_broken_line_is_named_with_what_was_seen(
    tmp_path: Path, content: bytes, says: str
) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)
    assert says in refusal(tmp_path, "a.jsonl")


def test_csv_fields_may_hold_commas_and_line_breaks(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('prompt,answer\n"a, ""b""\nc",1\nd,2\n')
    assert read(tmp_path, "a.csv") == [
        ({"prompt": 'a, "b"\nc', "answer": "1"}, "a.csv, line 3"),
        ({"prompt": "d", "answer": "2"}, "a.csv, line 4"),
    ]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("prompt,answer\na\n", "a.csv, line 2 has 1 fields; the first line names 2 columns"),
        ("prompt,answer\na,b,c\n", "a.csv, line 2 has 3 fields"),
        ("prompt,prompt\na,b\n", 'a.csv, line 1 names a column "prompt" 2 times'),
        ('prompt\n"a', "a.csv, line 2 is not CSV"),
        ("prompt\n", "a.csv holds no rows"),
    ],
)
def test_a_csv_that_does_not_fit_its_first_line_is_refused(
    tmp_path: Path, content: str, says: str
) -> None:
    (tmp_path / "a.csv").write_text(content)
    assert says in refusal(tmp_path, "a.csv")


def test_parquet_rows_keep_their_types(tmp_path: Path) -> None:
    rows = [{"prompt": "a", "n": 1}, {"prompt": "b", "n": None}]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert read(tmp_path, "a.parquet") == [
        (rows[0], "a.parquet, row 1"),
        (rows[1], "a.parquet, row 2"),
    ]
    (tmp_path / "b.parquet").write_bytes(b"PAR1 or so")
    assert "b.parquet is not a Parquet file" in refusal(tmp_path, "b.parquet")


def test_a_function_yields_rows_or_prompts_and_takes_options(tmp_path: Path) -> None:
    (tmp_path / "make.py").write_text(MAKE)
    assert len(read(tmp_path, "make.py:rows")) == 2
    rows = read(tmp_path, "make.py:rows", options={"count": 3})
    assert rows[2] == ({"prompt": "p2", "answer": 2}, "make.py:rows, item 3")
    prompts = [values["prompt"] for values, _ in read(tmp_path, "make.py:prompts")]
    assert prompts == ["a", [{"role": "user", "content": "b"}]]


@pytest.mark.parametrize(
    ("function", "options", "says"),
    [
        ("breaks", {}, "make.py:breaks raised KeyError: 'b' (make.py, line 11)"),
        ("text", {}, "make.py:text returned a single str"),
        ("numbers", {}, "make.py:numbers, item 2 is not a row: 3"),
        ("rows", {"size": 3}, "unexpected keyword argument 'size'"),
        ("rows", {"count": 0}, "make.py:rows holds no rows"),
        ("row", {}, 'did you mean "rows"?'),
    ],
)
def test_a_function_that_does_not_make_rows_is_refused(
    tmp_path: Path, function: str, options: dict[str, object], says: str
) -> None:
    (tmp_path / "make.py").write_text(MAKE)
    assert says in refusal(tmp_path, f"make.py:{function}", options=options)


def test_a_missing_file_names_its_nearest_neighbour(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"prompt": "a"}')
    assert 'did you mean "train.jsonl"?' in refusal(tmp_path, "trian.jsonl")
    assert "relative to the recipe's folder" in refusal(tmp_path, "nowhere/xyz.jsonl")


def test_other_files_and_options_of_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"prompt": "a"}')
    assert 'ends in ".json", which is not read' in refusal(tmp_path, "a.json")
    assert "is a file and has no options; given: count" in refusal(
        tmp_path, "a.jsonl", options={"count": 1}
    )


def test_the_hub_without_its_package_names_the_extra(tmp_path: Path) -> None:
    try:
        import datasets  # noqa: F401
    except ImportError:
        with pytest.raises(MissingExtraError, match=r"cohort-rl\[data\]"):
            read_rows(Problems(source="hub:a/b"), tmp_path)
    else:
        pytest.skip("the package datasets is installed")


def test_held_out_rows_come_from_the_second_file(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"prompt": "a"}')
    (tmp_path / "b.csv").write_text("prompt\nb\n")
    (row,) = read_held_out_rows(Problems(source="a.jsonl", held_out="b.csv"), tmp_path)
    assert row.values == {"prompt": "b"}


@pytest.mark.skipif(not GSM8K.is_dir(), reason="the GSM8K files are not here")
def test_gsm8k_is_read_whole() -> None:
    rows = read_rows(Problems(source="train.jsonl"), GSM8K)
    assert len(rows) == 7473
    assert all(set(row.values) == {"question", "answer"} for row in rows)


BROKEN_ROWS = {
    "NaN": (b'{"a": NaN}', "NaN is no JSON value"),
    "a number beyond all": (b'{"a": 1e999}', "the number 1e999 is too large"),
    "a name twice": (b'{"a": 1, "a": 2}', 'two values have the name "a"'),
    "half a character": (b'{"a": ["\\ud800"]}', r"half of a character in it: \ud800"),
    "nested too deep": (b'{"a": ' + b"[" * 60 + b"]" * 60 + b"}", "nested more than 50 deep"),
    "NUL": (b'{"a": "\0"}', "has a NUL character at position 8"),
    "an endless line": (b'{"a": "' + b"x" * 16_000_001, "has more than 16,000,000 bytes"),
}


@pytest.mark.parametrize("name", BROKEN_ROWS)
def test_what_another_program_could_read_differently_is_refused(tmp_path: Path, name: str) -> None:
    content, says = BROKEN_ROWS[name]
    (tmp_path / "a.jsonl").write_bytes(b'{"a": 1}\n' + content)
    assert "a.jsonl, line 2" in refusal(tmp_path, "a.jsonl")
    assert says in refusal(tmp_path, "a.jsonl")


def test_what_is_seen_of_a_broken_line_is_where_it_breaks(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"a": "' + "x" * 500 + '", b}')
    assert 'x", b}' in refusal(tmp_path, "a.jsonl")


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_compressed_file_is_read_as_the_plain_one_is(tmp_path: Path, form: str) -> None:
    content = {"jsonl": b'{"prompt": "a"}\n', "csv": b"prompt\na\n"}[form]
    (tmp_path / f"a.{form}").write_bytes(content)
    (tmp_path / f"a.{form}.gz").write_bytes(gzip.compress(content))
    [plain], [packed] = read(tmp_path, f"a.{form}"), read(tmp_path, f"a.{form}.gz")
    assert packed == (plain[0], plain[1].replace(form, f"{form}.gz"))


def test_a_compressed_file_that_is_cut_or_damaged_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(b'{"prompt": "a"}\n' * 9)
    for content in (whole[:-9], whole[:-8] + b"12345678", b"no gzip"):
        (tmp_path / "a.jsonl.gz").write_bytes(content)
        assert "a.jsonl.gz is not whole: after line" in refusal(tmp_path, "a.jsonl.gz")


def test_a_file_that_unpacks_out_of_proportion_is_refused_before_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress((b" " * 9_999 + b"\n") * 3_000))
    assert "more than 100 times its own size" in refusal(tmp_path, "a.jsonl.gz")


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "loop.jsonl").symlink_to("loop.jsonl")
    (tmp_path / "memory.jsonl").symlink_to("/proc/self/mem")
    assert "is a folder" in refusal(tmp_path, "folder.jsonl")
    assert "is no file" in refusal(tmp_path, "pipe.jsonl")
    assert "is no file" in refusal(tmp_path, "loop.jsonl")
    assert "cannot be read after line 0" in refusal(tmp_path, "memory.jsonl")
    assert "does not exist" in refusal(tmp_path, "x" * 300 + ".jsonl")
    assert "does not exist" in refusal(tmp_path, "\0.py:f")


def test_a_csv_without_an_end_names_the_line_on_which_its_record_begins(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('prompt\na\n"b\nc\nd\n')
    assert "a.csv, line 3 is not CSV" in refusal(tmp_path, "a.csv")
    (tmp_path / "a.csv").write_text("prompt,\na,b\n")
    assert "line 1: column 2 of 2 has no name" in refusal(tmp_path, "a.csv")


def test_a_parquet_file_with_a_column_twice_is_refused(tmp_path: Path) -> None:
    table = pyarrow.table([["a"], ["b"]], names=["prompt", "prompt"])
    parquet.write_table(table, tmp_path / "a.parquet")
    assert 'two columns called "prompt"' in refusal(tmp_path, "a.parquet")
