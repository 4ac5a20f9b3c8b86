"""The sandbox that is somewhere else: a program goes there and a report comes back, or it is said why not."""

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from cohort.errors import RewardError
from cohort.rewards.sandbox.program import Program
from cohort.rewards.sandbox.sandbox import Sandbox

HELLO = Program(files={"main.py": b"print('\xc3\xa9')"})

ANSWERER = """
import base64, json, sys
asked = json.load(sys.stdin)
out = base64.b64decode(asked["files"]["main.py"]) + base64.b64decode(asked["stdin"])
print(json.dumps({"end": "exited", "code": 0, "stdout": base64.b64encode(out).decode(),
    "stderr": "", "seconds": 0.5, "peak_memory_bytes": 7, "tier": "elsewhere"}))
"""

REPORT = {
    "end": "exited", "code": 0, "stdout": "aGk=", "stderr": "", "seconds": 1, "peak_memory_bytes": 1,
    "tier": "x",
}  # fmt: skip


class Answer(BaseHTTPRequestHandler):
    body = b""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_a_command_is_given_the_program_and_its_report_is_taken(tmp_path: Path) -> None:
    (tmp_path / "there.py").write_text(ANSWERER)
    box = Sandbox(f"remote:{sys.executable} {tmp_path / 'there.py'}")
    report = box.run(HELLO, b"\xff")
    assert (report.end, report.stdout) == ("exited", b"print('\xc3\xa9')\xff")
    assert report.tier == "remote:elsewhere"


def test_an_address_is_asked_in_the_same_words(address: str) -> None:
    Answer.body = json.dumps(REPORT).encode()
    assert Sandbox(f"remote:{address}").run(HELLO).stdout == b"hi"


@pytest.mark.parametrize(
    "change",
    [{"end": "fine"}, {"code": None}, {"stdout": "%"}, {"stdout": 3}, {"seconds": "long"}],
)
def test_what_is_no_report_is_refused(address: str, change: dict[str, object]) -> None:
    Answer.body = json.dumps(REPORT | change).encode()
    with pytest.raises(RewardError, match="no report"):
        Sandbox(f"remote:{address}").run(HELLO)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"null", b"x" * 10**7])
def test_what_is_not_even_one_is_refused_too(address: str, body: bytes) -> None:
    Answer.body = body
    with pytest.raises(RewardError, match="no report"):
        Sandbox(f"remote:{address}").run(HELLO)


@pytest.mark.parametrize("where", ["/no/such/command", "false", "http://127.0.0.1:9/"])
def test_one_that_cannot_be_reached_is_no_verdict(where: str) -> None:
    with pytest.raises(RewardError, match="gave no report"):
        Sandbox(f"remote:{where}").run(HELLO)


def test_it_cannot_be_spoken_with() -> None:
    with pytest.raises(RewardError, match="spoken"):
        Sandbox("remote:anything").start(HELLO)
