"""`cohort watch`: the page over one or several runs, on this machine alone, live while they go on.

Answers are made in threads, each on a connection of its own that is opened read-only for one question and
closed with it. A run is named by its number on the command line; no path of a request is one of the disk.
"""

from __future__ import annotations

import json
import secrets
import socket
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cohort.data.store import connect_read_only
from cohort.errors import RunError
from cohort.report import read
from cohort.report.page.files import FIRST, bundle, files
from cohort.report.text import one_line
from cohort.report.views.answers import AskedError, answer
from cohort.report.views.whole import pulse
from cohort.report.watch.guard import Application, Guard

LOOPBACK = "127.0.0.1"
KEPT = ("run", "health", "curve", "machine")
KEPT_ANSWERS = 200
"""Answers that are kept until their run moves on; one has some thousand numbers at most."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A server that listens: its address with the token, how to serve until Ctrl-C, and how to end it."""

    address: str
    serve: Callable[[], None]
    end: Callable[[], None]


def watch(runs: Sequence[Path], *, port: int = 0) -> Watched:
    """Listen on loopback; port 0 takes a free one. Raises RunError."""
    try:
        import uvicorn
    except ImportError as error:
        raise RunError(
            "the page is served with starlette and uvicorn, which are not installed",
            "pip install 'cohort-rl[watch]', or write a file with `cohort report`",
        ) from error
    for run in runs:
        connect_read_only(run).close()
    listening = _listen(port)
    number, token = listening.getsockname()[1], secrets.token_urlsafe(24)
    settings = uvicorn.Config(
        application(runs, token=token, port=number),
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        ws="none",
        limit_concurrency=64,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(settings)

    def end() -> None:
        server.should_exit = True
        if not server.started:
            listening.close()

    address = f"http://{LOOPBACK}:{number}/#token={token}"
    return Watched(address, lambda: server.run(sockets=[listening]), end)


def _listen(port: int) -> socket.socket:
    """A socket of this machine alone."""
    own = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        own.bind((LOOPBACK, port))
    except OSError as error:
        own.close()
        raise RunError(
            f"port {port} cannot be listened on: {error.strerror}", "give another one with --port"
        ) from error
    own.listen(64)
    return own


def application(runs: Sequence[Path], *, token: str, port: int) -> Application:
    """The server as an ASGI application, guarded."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    asked = Asked(runs)
    page = files()
    page[""] = page["index.html"]
    page[FIRST] = (
        bundle(page),
        page[FIRST][1],
    )  # one request, and not one after the other for each module

    async def of_page(request: Request) -> Response:
        found = page.get(request.path_params.get("name", ""))
        if found is None:
            return _json(Response, 404, {"error": "there is no such file"})
        return Response(found[0], media_type=found[1])

    def of_run(request: Request) -> Response:  # starlette runs it in a thread
        given = dict(request.query_params)
        place, question = request.path_params["run"], request.path_params["question"]
        return _json(Response, *asked.answer(place, question, given))

    async def of_runs(_: Request) -> Response:
        return _json(Response, 200, {"runs": [one_line(run.resolve().name) for run in runs]})

    async def nothing(_: Request, __: Exception) -> Response:
        return _json(Response, 404, {"error": "there is no such place"})

    routes = [
        Route("/", of_page),
        Route("/api/runs", of_runs),
        Route("/api/{run}/{question}", of_run),
        Route("/{name}", of_page),
    ]
    return Guard(
        Starlette(routes=routes, exception_handlers={404: nothing}), token=token, port=port
    )


def _json(response: Any, status: int, value: object) -> Any:
    # `<` is escaped although the type says JSON: nothing that is sent could be taken for markup.
    text = json.dumps(value, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    return response(text, status_code=status, media_type="application/json")


class Asked:
    """Answers questions about runs, each on a connection of its own."""

    def __init__(self, runs: Sequence[Path]) -> None:
        self._runs = list(runs)
        self._kept: dict[tuple[str, str], object] = {}

    def answer(self, place: str, question: str, given: dict[str, str]) -> tuple[int, object]:
        """The status and the answer; a run that cannot be read just now is asked again by the page."""
        if not (place.isascii() and place.isdigit() and int(place[:6]) < len(self._runs)):
            return 404, {"error": "there is no such run"}
        run = self._runs[int(place[:6])]
        try:
            with read.opened(run) as db:
                return 200, self._answer(db, run, question, given)
        except AskedError as error:
            return 404, {"error": str(error)}
        except RunError as error:
            return 404, {"error": error.message}
        except sqlite3.OperationalError as error:
            return 503, {"error": f"the run cannot be read just now: {error}"}
        except sqlite3.DatabaseError as error:
            return 404, {"error": f"run.db is damaged: {error}"}

    def _answer(
        self, db: sqlite3.Connection, run: Path, question: str, given: dict[str, str]
    ) -> object:
        if question not in KEPT:
            return answer(db, run, question, given)
        key = f"{run} {question} {sorted(given.items())}", json.dumps(pulse(db))
        if key not in self._kept:
            while len(self._kept) >= KEPT_ANSWERS:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = answer(db, run, question, given)
        return self._kept[key]
