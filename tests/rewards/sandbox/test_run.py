"""How programs end, each by the limit that it ran into, and what comes out of them."""

import pytest

from cohort.errors import RewardError
from cohort.rewards.sandbox.program import Limits, Program, shown
from cohort.rewards.sandbox.sandbox import Sandbox
from tests.rewards.sandbox.programs import python


def test_a_program_that_ends_by_itself_is_reported_with_its_code_and_streams(
    sandbox: Sandbox,
) -> None:
    code = "import sys; print(input()[::-1]); print('oh', file=sys.stderr); sys.exit(3)"
    report = sandbox.run(python(code), b"hello\n")
    assert (report.end, report.code) == ("exited", 3)
    assert (report.stdout, report.stderr) == (b"olleh\n", b"oh\n")
    assert 0 < report.seconds < 5
    assert report.tier == sandbox.tier


@pytest.mark.parametrize(
    ("end", "code", "limits"),
    [
        ("wall", "import time; time.sleep(60)", {"wall_seconds": 0.3}),
        ("cpu", "while True: pass", {"cpu_seconds": 0.3}),
        ("memory", "x = [bytearray(10**7) for _ in range(60)]", {"memory_bytes": 10**8}),
        ("output", "while True: print('a' * 1000)", {"output_bytes": 10**5}),
        ("signal", "import os; os.kill(os.getpid(), 9)", {}),
        ("signal", "import os; os.abort()", {}),
        ("refused", "import ctypes; ctypes.CDLL(None).syscall(0x40000027)", {}),
    ],
)
def test_an_end_is_named(sandbox: Sandbox, end: str, code: str, limits: dict[str, float]) -> None:
    report = sandbox.run(python(code, **limits))
    assert report.end == end, report
    assert report.code != 0
    assert len(report.stdout) + len(report.stderr) <= limits.get("output_bytes", 2**20)


def test_a_limit_of_time_is_kept_within_a_quarter_of_a_second(sandbox: Sandbox) -> None:
    code = "import signal\nfor n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)\nwhile True: pass"
    report = sandbox.run(python(code, wall_seconds=0.5))
    assert 0.5 <= report.seconds < 0.75


def test_memory_is_summed_over_children(alone: Sandbox) -> None:
    code = "import os, time\nfor _ in range(6):\n if os.fork() == 0: x = b'x' * 4 * 10**7; break\n"
    code += "time.sleep(9)"
    report = alone.run(python(code, memory_bytes=10**8))
    assert report.end == "memory"
    assert report.peak_memory_bytes > 10**8


@pytest.mark.parametrize(
    "code",
    [
        "f = open('/tmp/f', 'wb')\nwhile True: f.write(bytes(2**16))",
        "for n in range(10**6): open(f'/tmp/{n}', 'w').close()",
    ],
)
def test_what_may_be_written_is_bounded_in_bytes_and_in_files(alone: Sandbox, code: str) -> None:
    report = alone.run(python(code, disk_bytes=2**20, files=100))
    assert report.end == "disk"
    assert b"No space left" in report.stderr


def test_the_number_of_processes_is_bounded(alone: Sandbox) -> None:
    code = "import os, time\nfor n in range(99):\n print(n, flush=True); os.fork() or time.sleep(9)"
    report = alone.run(python(code, processes=5, wall_seconds=2))
    assert report.stdout == b"0\n1\n2\n3\n4\n"
    assert b"BlockingIOError" in report.stderr


def test_threads_may_be_had_and_are_bounded(single: Sandbox) -> None:
    code = "import threading, time\nfor _ in range({}):\n"
    code += " threading.Thread(target=time.sleep, args=(0.5,)).start()"
    assert single.run(python(code.format(8))).end == "exited"
    assert single.run(python(code.format(50), processes=20, wall_seconds=3)).code != 0


def test_output_is_bytes_whatever_they_are(sandbox: Sandbox) -> None:
    code = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 3)"
    assert sandbox.run(python(code)).stdout == bytes(range(256)) * 3


def test_a_terminal_is_shown_no_control_sequence() -> None:
    text = shown(b"\x1b[2J\xff\r\x07 \xe2\x80\xae\xc2\x9b a\tb\r\nc\n")
    assert text == "\\x1b[2J\\xff\\r\\x07 \\u202e\\x9b a\tb\nc\n"


def test_a_child_that_holds_stdout_open_does_not_hold_us(alone: Sandbox) -> None:
    code = "import os, time\nif os.fork() == 0: os.setsid(); time.sleep(60)\nprint('done')"
    report = alone.run(python(code))
    assert (report.end, report.stdout) == ("exited", b"done\n")
    assert report.seconds < 5


def test_files_lie_in_the_work_folder_and_names_cannot_leave_it(sandbox: Sandbox) -> None:
    files = {"main.py": b"print(open('data/a.txt').read())", "data/a.txt": b"here"}
    assert sandbox.run(Program(files=files)).stdout == b"here\n"
    for name in ("../a", "/a", "a/../../b", "", "a\0b"):
        with pytest.raises(RewardError):
            sandbox.run(Program(files={name: b""}))


def test_what_cannot_be_run_is_said_and_not_scored(sandbox: Sandbox) -> None:
    with pytest.raises(RewardError, match="/no/such"):
        sandbox.run(Program(command=("/no/such",)))
    with pytest.raises(RewardError, match="absolute"):
        sandbox.run(Program(command=("ls",)))


def test_a_program_gets_what_it_is_given(sandbox: Sandbox) -> None:
    command = ("/bin/sh", "-c", 'echo "$A" "$0" && pwd', "zero")
    program = Program(command=command, environment={"A": "b c"}, limits=Limits(processes=4))
    first, second = sandbox.run(program).stdout.splitlines()
    assert first == b"b c zero"
    assert second.startswith(b"/tmp/")
