"""A conversation with a program: one question at a time, and no answer that can hang the asker."""

import time
from pathlib import Path
from typing import Any

import pytest

from cohort.rewards.sandbox.sandbox import Sandbox
from tests.rewards.sandbox.programs import descriptors, python

SQUARES = "import sys\nfor line in sys.stdin: print(int(line) ** 2, flush=True)"


def test_questions_go_in_one_at_a_time_and_answers_come_out(sandbox: Sandbox) -> None:
    with sandbox.start(python(SQUARES)) as session:
        for number in range(5):
            session.send(b"%d\n" % number)
            assert session.receive_line(5) == b"%d" % number**2
    report = session.close()
    assert (report.end, report.stdout) == ("stopped", b"0\n1\n4\n9\n16\n")


def test_a_program_that_is_done_is_reported_as_it_ended(sandbox: Sandbox) -> None:
    session = sandbox.start(python(SQUARES))
    session.send(b"3\nx\n")
    assert session.receive_line(5) == b"9"
    assert session.receive_line(5) == "ended"
    report = session.close()
    assert (report.end, report.code) == ("exited", 1)
    assert b"ValueError" in report.stderr


def test_what_is_said_before_the_question_is_seen(sandbox: Sandbox) -> None:
    with sandbox.start(python("print('42', end='', flush=True); input()")) as session:
        began = time.monotonic()
        while not session.unread() and time.monotonic() - began < 5:
            time.sleep(0.01)
        assert session.unread() == b"42"


def test_a_slow_answer_is_late_and_a_long_one_long(sandbox: Sandbox) -> None:
    code = (
        "import time; print('x', end='', flush=True); time.sleep(0.5); print('y' * 9000); input()"
    )
    with sandbox.start(python(code)) as session:
        assert session.receive_line(0.05, 100) == "late"
        assert session.receive_line(5, 100) == "long"


def test_a_program_that_reads_nothing_does_not_block_who_sends(sandbox: Sandbox) -> None:
    began = time.monotonic()
    with sandbox.start(python("import time; time.sleep(60)")) as session:
        session.send(bytes(5 * 10**6))
        assert session.receive_line(0.1) == "late"
    assert time.monotonic() - began < 5


def test_much_input_and_much_output_go_past_each_other(sandbox: Sandbox) -> None:
    code = "import sys\nfor line in sys.stdin: sys.stdout.write(line)"
    lines = b"0123456789\n" * 50_000
    assert sandbox.run(python(code), lines).stdout == lines


def test_a_flood_ends_a_session_and_what_was_said_is_cut(sandbox: Sandbox) -> None:
    session = sandbox.start(python("while True: print('x' * 99)", output_bytes=10_000))
    while isinstance(session.receive_line(5), bytes):
        pass
    report = session.close()
    assert report.end == "output"
    assert len(report.stdout) == 10_000


def test_closed_streams_and_odd_flags_do_not_matter(sandbox: Sandbox) -> None:
    code = "import os; os.set_blocking(1, False); os.close(0); os.close(1); os.close(2)"
    report = sandbox.run(python(code), b"x" * 10**6)
    assert (report.end, report.stdout) == ("exited", b"")


@pytest.mark.parametrize("way", ["finish", "close"])
def test_a_session_that_was_left_holds_nothing(sandbox: Sandbox, way: str) -> None:
    sandbox.run(python("pass"))
    before = descriptors()
    for _ in range(5):
        session = sandbox.start(python("print(1)"))
        first = getattr(session, way)()
        assert getattr(session, way)() is first
    assert descriptors() == before


def test_the_page_s_example_runs(alone: Sandbox) -> None:
    page = (Path(__file__).parents[3] / "docs" / "sandbox.md").read_text()
    code = page.partition("```python\n")[2].partition("```")[0]
    names: dict[str, Any] = {}
    exec(
        compile(code, "docs/sandbox.md", "exec"), names
    )  # the sentence above it says what it prints
    assert (names["report"].end, names["report"].stdout) == ("exited", b"42\n")
    assert names["answer"] == b"2"
    names["sandbox"].close()
