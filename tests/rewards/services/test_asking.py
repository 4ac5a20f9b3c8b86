"""How a service is asked: deadlines, retries, pauses, and what is never read."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from cohort.rewards.asked import MemoryJournal
from cohort.rewards.outcome import Failed
from cohort.rewards.services.address import destination
from cohort.rewards.services.asking import Patience, Service, name_of, share
from cohort.rewards.services.client import seconds_until
from cohort.rewards.services.secret import Secret
from tests.rewards.services.fault_server import Server, read_request, response, serving

BUSY = response(b"", "503 No")


def asked(
    server: Server, bodies: Sequence[bytes], journal: MemoryJournal | None = None, **patience: float
) -> list[str | Failed]:
    given = {
        "deadline_seconds": 10.0,
        "attempt_seconds": 5.0,
        "retry_budget": 0,
        "concurrency": 4,
        **patience,
    }
    to = destination(server.url)
    service = Service(to, Secret("canary-77aa"), Patience(**given), journal or MemoryJournal())  # type: ignore[arg-type]
    return asyncio.run(service.answers(bodies, lambda text: text))


def test_the_retries_of_all_questions_together_are_as_many_as_stated() -> None:
    with serving(lambda body: BUSY)() as server:
        said = asked(server, [b"a", b"b", b"c"], retry_budget=2)
        assert all(isinstance(answer, Failed) for answer in said)
        assert server.connections == 3 + 2


def test_no_more_requests_are_made_at_a_time_than_stated() -> None:
    there, most, lock = [0], [0], threading.Lock()

    def reply(body: bytes) -> bytes:
        with lock:
            there[0] += 1
            most[0] = max(most[0], there[0])
        time.sleep(0.05)
        with lock:
            there[0] -= 1
        return response(b"yes")

    with serving(reply)() as server:
        assert asked(server, [bytes([n]) for n in range(65, 73)], concurrency=3) == ["yes"] * 8
    assert most[0] == 3


def test_a_pause_that_the_service_asks_for_is_kept() -> None:
    came: list[float] = []

    def reply(body: bytes) -> bytes:
        came.append(time.monotonic())
        return response(b"yes") if came[1:] else response(b"", "429 No", "Retry-After: 1\r\n")

    with serving(reply)() as server:
        assert asked(server, [b"a"], retry_budget=1) == ["yes"]
    assert came[1] - came[0] >= 1.0


def test_one_slow_answer_does_not_cost_the_others_theirs() -> None:
    def reply(body: bytes) -> bytes:
        if body == b"slow":
            time.sleep(1.5)
        return response(body)

    with serving(reply)() as server:
        said = asked(server, [b"a", b"slow", b"b"], deadline_seconds=0.5)
    assert (said[0], said[2]) == ("a", "b")
    assert isinstance(said[1], Failed)
    assert (said[1].kind, said[1].retryable) == ("unreachable", True)


def test_an_answer_is_kept_before_it_is_used_and_a_failure_is_not() -> None:
    journal = MemoryJournal()
    with serving(lambda body: BUSY if body == b"bad" else response(body))() as server:
        asked(server, [b"good", b"bad"], journal)
        assert list(journal.answers.values()) == ["good"]
        asked(server, [b"good", b"bad"], journal)
        assert sorted(server.requests) == [b"bad", b"bad", b"good"]


def test_the_environment_s_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda body: response(b"proxied"))() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        with serving(lambda body: response(b"direct"))() as server:
            assert asked(server, [b"a"]) == ["direct"]
        assert not proxy.connections


def test_a_cookie_is_not_sent_back_and_a_connection_not_used_again() -> None:
    heads: list[bytes] = []

    def script(connection) -> None:  # type: ignore[no-untyped-def]
        heads.append(connection.recv(65536))
        connection.sendall(response(b"a", headers="Set-Cookie: a=b\r\n") + response(b"b"))

    with Server(script) as server:
        assert asked(server, [b"1", b"2"], concurrency=1) == ["a", "a"]
    assert len(heads) == 2
    assert not any(b"cookie" in head.lower() for head in heads)
    assert all(b"Bearer canary-77aa" in head for head in heads)


def test_a_call_within_a_running_loop_leaves_nothing_behind() -> None:
    before = threading.active_count()

    async def twice() -> int:
        with Server(read_request) as server:  # type: ignore[arg-type]
            to = destination(server.url)
            for _ in range(2):
                service = Service(
                    to,
                    None,
                    Patience(
                        deadline_seconds=0.3, attempt_seconds=0.3, retry_budget=0, concurrency=1
                    ),
                )
                await service.answers([b"a"], lambda text: text)
        return len(asyncio.all_tasks())

    assert asyncio.run(twice()) == 1
    time.sleep(0.1)
    assert threading.active_count() <= before


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0), ("Fri, 27 Nov 2026 12:00:30 GMT", 30.0), ("Fri, 27 Nov 2020 12:00:00 GMT", 0.0),
        ("", 0.0), ("-5", 0.0), ("1e9", 0.0), ("soon", 0.0), ("9" * 400, 0.0), ("27 Nov 2026 12:00:30", 0.0),
    ],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date_or_nothing(header: str, seconds: float) -> None:
    assert seconds_until(header, datetime(2026, 11, 27, 12, tzinfo=UTC)) == seconds


def test_a_share_is_spread_evenly_and_always_the_same() -> None:
    shares = [share("a", str(n)) for n in range(1000)]
    assert 0.45 < sum(shares) / len(shares) < 0.55
    assert 0.0 <= min(shares) < max(shares) < 1.0
    assert share("a", "1") == shares[1] != share("a1")
    assert name_of("ab", "c") != name_of("a", "bc")
