"""The labels firewall: a sealed column is not listed, and reading it is an error."""

from __future__ import annotations

import json

import pytest

from cohort.data.records import Problem
from cohort.data.sealed import added_to, adding, sealed
from cohort.errors import LabelError

PROBLEM = Problem("p", "2+3=", {"answer": "5", "topic": "sums", "mixed_from": "a"})


def test_reading_a_label_is_an_error_however_it_is_read() -> None:
    columns = sealed(PROBLEM).columns
    with pytest.raises(LabelError, match='the column "answer" was read'):
        columns["answer"]
    with pytest.raises(LabelError):
        columns.get("answer")


def test_what_lists_columns_never_meets_a_label() -> None:
    columns = sealed(PROBLEM, ["topic"]).columns
    assert dict(columns) == {"topic": "sums", "mixed_from": "a"}
    assert "answer" not in columns
    assert "5" not in repr(columns) + json.dumps(dict(columns))


def test_what_was_never_there_is_simply_missing() -> None:
    assert sealed(PROBLEM).columns.get("other") is None
    with pytest.raises(KeyError):
        sealed(PROBLEM).columns["other"]


def test_what_is_added_can_be_read_and_what_is_sealed_stays_so() -> None:
    taught = adding(sealed(PROBLEM), {"reference": {"text": "5"}})
    assert taught.columns["reference"] == {"text": "5"}
    assert added_to(taught) == {"reference": {"text": "5"}}
    with pytest.raises(LabelError):
        taught.columns["answer"]
    assert added_to(PROBLEM) == {}
    assert adding(PROBLEM, {}) is PROBLEM
