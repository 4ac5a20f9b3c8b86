"""Results on stdout: columns for people, strict JSON for machines."""

import pytest

from cohort.cli.printing import print_columns, print_json, print_table


def test_columns_are_aligned_and_the_last_is_free(capsys: pytest.CaptureFixture[str]) -> None:
    print_columns([("a", "long text", "x"), ("bbb", "b", "")])
    assert capsys.readouterr().out == "a    long text  x\nbbb  b\n"


def test_a_table_shows_intervals_and_tables_inside_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_table({"interval": (0.123456, 0.5), "pass_at": {"1": 0.25, "2": 0.5}})
    assert capsys.readouterr().out == "interval  0.1235 to 0.5\npass_at   1: 0.25, 2: 0.5\n"


def test_json_refuses_what_most_readers_refuse() -> None:
    with pytest.raises(ValueError, match="JSON"):
        print_json({"reward": float("nan")})
