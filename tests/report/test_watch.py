"""The server: it answers those who may ask, reads what it was given, and nothing else."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cohort.data.store import Store
from cohort.errors import RunError
from cohort.report.watch.guard import HEADERS
from tests.report.runs import write_run

pytest.importorskip("uvicorn", reason="the extra `watch` is not installed: there is no uvicorn")
pytest.importorskip("starlette", reason="the extra `watch` is not installed: there is no starlette")

from cohort.report.watch.server import watch

SECRET = "what only this file says"


@dataclass
class Server:
    port: int
    token: str

    def ask(
        self, path: str, *, method: str = "GET", token: str | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """The path as it is written, unlike what a browser would make of it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        token = self.token if token is None else token
        given = {"Authorization": f"Bearer {token}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        connection.request(method, path, headers=given)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, dict(answer.getheaders()), body

    def json(self, path: str) -> Any:
        return json.loads(self.ask(path)[2])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "one")
    write_run(folder / "two", steps=2, finished=False)
    (folder / "secret.txt").write_text(SECRET)
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    watched = watch([folder / "one", folder / "two"])
    thread = threading.Thread(target=watched.serve)
    thread.start()
    address, _, token = watched.address.partition("#token=")
    yield Server(int(address.rstrip("/").rpartition(":")[2]), token)
    watched.end()
    thread.join(20)
    assert not thread.is_alive()


def test_it_listens_on_this_machine_alone(folder: Path) -> None:
    watched = watch([folder / "one"])
    assert watched.address.startswith("http://127.0.0.1:")
    watched.end()


def test_a_folder_without_a_run_is_refused_before_anything_listens(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run"):
        watch([tmp_path])


def test_runs_are_named_by_their_number(server: Server) -> None:
    assert server.json("/api/runs") == {"runs": ["one", "two"]}
    assert server.json("/api/1/run")["status"] == "running"
    for place in ("2", "-1", "x", "1.0", "%D9%A0", "9" * 30):
        assert server.ask(f"/api/{place}/run")[0] == 404


@pytest.mark.parametrize(
    "path", ["/", "/app.js", "/page.css", "/nothing", "/api/0/run", "/api/9/run"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_every_answer_carries_the_policy(server: Server, path: str, method: str) -> None:
    for token in (None, "wrong"):
        given = server.ask(path, method=method, token=token)[1]
        lower = {name.lower(): value for name, value in given.items()}
        assert {name: lower.get(name.lower()) for name in HEADERS} == HEADERS


@pytest.mark.parametrize("token", ["", "wrong", "é".encode().hex()])
def test_data_needs_the_token_and_the_page_does_not(server: Server, token: str) -> None:
    assert server.ask("/api/0/run", token=token)[0] == 401
    assert server.ask("/api/runs", token=token)[0] == 401
    assert server.ask("/", token=token)[0] == 200


def test_the_token_counts_in_its_header_only(server: Server) -> None:
    path = f"/api/runs?token={server.token}"
    assert server.ask(path, token="", Cookie=f"token={server.token}")[0] == 401


def test_nothing_but_reading_is_a_method(server: Server) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"):
        assert server.ask("/api/0/run", method=method)[0] == 405


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", ""]
)
def test_a_name_that_was_rebound_to_this_machine_is_refused(server: Server, host: str) -> None:
    assert server.ask("/api/0/run", Host=host.format(port=server.port))[0] == 421
    assert server.ask("/", Host=host.format(port=server.port))[0] == 421


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_its_own_names_are_answered(server: Server, name: str) -> None:
    own = f"{name}:{server.port}"
    assert server.ask("/api/0/run", Host=own, Origin=f"http://{own}")[0] == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1:1"]
)
def test_a_page_of_another_site_may_not_ask(server: Server, origin: str) -> None:
    assert server.ask("/api/0/run", Origin=origin.format(port=server.port))[0] == 403


def test_a_browser_that_says_who_asks_is_believed(server: Server) -> None:
    assert server.ask("/api/0/run", Sec_Fetch_Site="cross-site")[0] == 403
    assert server.ask("/api/0/run", Sec_Fetch_Site="same-origin")[0] == 200


def tricks() -> list[str]:
    """Two hundred paths that would leave the folder of the page or of the run, if paths were files."""
    ups = [
        "../",
        "..%2f",
        "%2e%2e/",
        "%2e%2e%2f",
        "..\\",
        "..%5c",
        "....//",
        "%252e%252e%252f",
        "..;/",
        "%c0%ae%c0%ae/",
    ]
    ends = ["secret.txt", "one/run.db", "etc/passwd", "one/recipe.toml", "proc/self/environ"]
    paths = [
        start + up * deep + end
        for start in ("/", "/api/0/")
        for up in ups
        for deep in (1, 6)
        for end in ends
    ]
    return paths


def test_there_are_two_hundred_tricks() -> None:
    assert len(set(tricks())) == 200


def test_no_trick_with_a_path_reads_anything(server: Server, folder: Path) -> None:
    absolute = [
        f"/{folder}/secret.txt",
        f"//{folder}/secret.txt",
        "/files.py",
        "/__init__.py",
        "/page/app.js",
    ]
    for path in [*tricks(), *absolute]:
        status, _, body = server.ask(path)
        assert status in (400, 404), path
        assert SECRET.encode() not in body
        assert b"SQLite format" not in body
        assert b"root:" not in body


def test_a_parameter_is_no_path_and_no_statement(server: Server) -> None:
    for text in ("../../secret.txt", "' OR 1=1 --", "reward'; DROP TABLE metrics; --", "\x00"):
        quoted = "".join(f"%{byte:02x}" for byte in text.encode())
        told = server.json(f"/api/0/curve?stage=1&metric={quoted}")
        assert told["steps"] == []
    assert server.json("/api/0/curve?stage=1&metric=reward")["steps"] == [1, 2, 3]


def test_what_is_sent_holds_no_angle_bracket(server: Server) -> None:
    for path in ("/api/0/run", "/api/0/group?id=3", "/api/0/groups?stage=1", "/api/0/tokens?id=3"):
        status, given, body = server.ask(path)
        assert status == 200
        assert b"<" not in body
        assert given["content-type"].startswith("application/json")


def test_a_run_that_goes_on_is_seen_to_go_on(server: Server, folder: Path) -> None:
    before = server.json("/api/1/pulse")
    store = Store(folder / "two" / "run.db")
    store.write_step(1, 3, seconds=1.0, metrics={"reward": 0.75})
    store.close()
    assert server.json("/api/1/pulse") != before
    assert server.json("/api/1/run")["stages"][1]["done"] == 3
    assert server.json("/api/1/curve?stage=1&metric=reward")["mean"][-1] == 0.75


def test_a_run_can_be_sealed_while_somebody_reads_it(server: Server, tmp_path: Path) -> None:
    run = write_run(tmp_path / "sealed", finished=False)
    watched = watch([run])
    thread = threading.Thread(target=watched.serve)
    thread.start()
    address, _, token = watched.address.partition("#token=")
    own = Server(int(address.rstrip("/").rpartition(":")[2]), token)
    stop = threading.Event()
    readers = [threading.Thread(target=_read_until, args=(own, stop)) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        Store(run / "run.db").close(sealed=True)
    finally:
        stop.set()
        for each in readers:
            each.join(30)
        watched.end()
        thread.join(20)
    assert not (run / "run.db-wal").exists()


def _read_until(server: Server, stop: threading.Event) -> None:
    while not stop.is_set():
        assert server.ask("/api/0/run")[0] in (200, 503)
        assert server.ask("/api/0/search?text=chain")[0] in (200, 503)
