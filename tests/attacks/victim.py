"""A process that does no harm and is attacked: it counts the signals it gets and guards a secret.

    python victim.py SECRET_OF_THE_COMMAND_LINE LIBRARY

It reads a secret from its input, and then answers each line by one line of JSON: where in its memory the
secret lies, what lies there, and how many signals came. Between them it reads a file that attacks may see.
"""

import ctypes
import json
import os
import select
import signal
import sys
from pathlib import Path

UNCATCHABLE = {signal.SIGKILL, signal.SIGSTOP}
EXPECTED = {signal.SIGCHLD}


def live(secret: bytes, library: Path, questions: int, answers: int) -> None:
    """Answer until the questions end."""
    guarded = ctypes.create_string_buffer(secret)
    received: list[int] = []
    for number in signal.valid_signals() - UNCATCHABLE - EXPECTED:
        signal.signal(number, lambda number, _: received.append(number))
    while True:
        if not select.select([questions], [], [], 0.05)[0]:
            (library / "library.py").read_bytes()
            continue
        if not os.read(questions, 1):
            return
        answer = {
            "address": ctypes.addressof(guarded),
            "memory": guarded.value.decode("latin-1"),
            "signals": received,
        }
        os.write(answers, json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    live(os.read(0, 30), Path(sys.argv[2]), 0, 1)
