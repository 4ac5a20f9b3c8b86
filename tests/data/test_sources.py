"""Rows from files and functions: what is read, and how what cannot be read is refused."""

from __future__ import annotations

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
