"""The process beside a run that tells a sink of it: `python -m cohort.report.track.beside RUN '{...}'`.

It reads the run's store and nobody waits for it. What it has to say to the run are lines of JSON on its
stdout: {"said": n}, {"failed": why}; what the library of a sink prints goes into a file. Its stdin
ends when the run ends, also by kill -9; it then says what is left, for so many seconds at most.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from cohort.report.text import one_line
from cohort.report.track.sink import Tracked, label, open_sink
from cohort.report.track.told import Place, Teller
from cohort.report.views.whole import recipe

LOOK_SECONDS = 1.0
"""Between two looks at the store where nothing is new."""

TOO_LATE = 3
"""The exit code of a process that was not done in time."""

LONGEST = 300
"""Characters of a failure that are passed on."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a process is started with; the options are those of `[track]`."""

    to: str
    project: str
    groups_every_steps: int
    wait_seconds: float


def main(run: Path, asked: Asked) -> int:
    """Tell the sink until the run has ended; 0 where everything was said."""
    speak = _apart_from_prints()
    over = threading.Event()
    threading.Thread(target=_await_end, args=(over, asked.wait_seconds), daemon=True).start()
    try:
        tell(run, asked, over, lambda said: speak({"said": said}))
    except Exception as error:  # noqa: BLE001 - code of others: the run is told, once, and goes on
        speak({"failed": one_line(f"{type(error).__name__}: {error}")[:LONGEST]})
        return 1
    return 0


def tell(run: Path, asked: Asked, over: threading.Event, heard: Callable[[int], object]) -> None:
    """Say what is there and what comes, until it is over and all is said."""
    folder = run / "track" / label(asked.to)
    folder.mkdir(parents=True, exist_ok=True)
    alone = os.open(folder, os.O_RDONLY)
    fcntl.flock(alone, fcntl.LOCK_EX)  # one that still speaks of the sitting before is waited for
    kept = folder.parent / f"{folder.name}.json"
    place = Place.of(kept, secrets.token_hex(4))
    place.keep(kept)
    options = cast(dict[str, str], recipe(run)["options"])
    own = Tracked(run.resolve().name, asked.project, place.id, folder, options)
    sink = open_sink(asked.to, own)
    teller = Teller(run, sink, place, groups_every_steps=asked.groups_every_steps)
    while True:
        last_look = over.is_set()
        said = teller.tell()
        heard(said)
        if said:
            place.keep(kept)
        elif last_look:
            break
        else:
            over.wait(LOOK_SECONDS)
    teller.close()


def _apart_from_prints() -> Callable[[dict[str, object]], None]:
    """What writes a line to whoever started this process; stdout itself becomes stderr."""
    own = os.dup(1)
    os.dup2(2, 1)

    def speak(told: dict[str, object]) -> None:
        with suppress(BrokenPipeError):  # the run was killed; the sink is told what is left
            os.write(own, (json.dumps(told) + "\n").encode())

    return speak


def _await_end(over: threading.Event, seconds: float) -> None:
    """Wait until stdin ends, then at most so long for the sink."""
    while os.read(0, 1024):
        pass
    over.set()
    threading.Event().wait(seconds)
    os._exit(TOO_LATE)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Asked(**json.loads(sys.argv[2]))))
