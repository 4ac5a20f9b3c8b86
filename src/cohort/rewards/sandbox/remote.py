"""The tier that is somewhere else: a command or an address of yours that takes a program and runs it.

It is given a program as one JSON document, on stdin or as the body of a POST, and answers with a report
as one JSON document. What contains the program there (gVisor, a container, a small virtual machine) is
yours to choose. Bytes are in base64:

    {"files": {"main.py": "..."}, "command": ["python", "main.py"], "environment": {},
     "readable": [], "limits": {"wall_seconds": 10.0, ...}, "stdin": "..."}
    {"end": "exited", "code": 0, "stdout": "...", "stderr": "...", "seconds": 0.1,
     "peak_memory_bytes": 0, "tier": "gvisor"}
"""

from __future__ import annotations

import base64
import json
import shlex
import subprocess
import urllib.error
import urllib.request
from dataclasses import asdict
from typing import Any, get_args

from cohort.errors import RewardError, legible
from cohort.rewards.sandbox.program import End, Program, Report

PREFIX = "remote:"
SPARE_SECONDS = 30.0
"""What a report may take beyond the program's own limit."""


def run_there(where: str, program: Program, stdin: bytes) -> Report:
    """Run a program at an address or by a command. Raises RewardError where no report comes back."""
    text = json.dumps(_document(program, stdin)).encode()
    seconds = program.limits.wall_seconds + SPARE_SECONDS
    # Base64 is a third longer, and a report has two streams.
    most = 4 * program.limits.output_bytes + 2**16
    try:
        ask = _post if where.startswith(("http://", "https://")) else _call
        answer = ask(where, text, seconds, most)
    except (OSError, subprocess.SubprocessError) as error:
        raise _no_report(where, f"{type(error).__name__}: {error}") from error
    if len(answer) > most:
        raise _no_report(where, f"its answer has more than {most} bytes")
    try:
        return _report(json.loads(answer), program.limits.output_bytes)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _no_report(where, f"its answer is no report: {error!r}") from error


def _document(program: Program, stdin: bytes) -> dict[str, Any]:
    return {
        "files": {name: base64.b64encode(b).decode() for name, b in program.files.items()},
        "command": list(program.command),
        "environment": dict(program.environment),
        "readable": [str(folder) for folder in program.readable],
        "limits": asdict(program.limits),
        "stdin": base64.b64encode(stdin).decode(),
    }


def _report(answer: dict[str, Any], most: int) -> Report:
    if answer["end"] not in get_args(End):
        raise ValueError(f"end is {answer['end']!r}")
    return Report(
        end=answer["end"],
        code=int(answer["code"]),
        stdout=base64.b64decode(answer["stdout"], validate=True)[:most],
        stderr=base64.b64decode(answer["stderr"], validate=True)[:most],
        seconds=float(answer["seconds"]),
        peak_memory_bytes=int(answer["peak_memory_bytes"]),
        tier=PREFIX + str(answer["tier"]),
    )


def _call(command: str, text: bytes, seconds: float, most: int) -> bytes:
    done = subprocess.run(
        shlex.split(command), input=text, capture_output=True, timeout=seconds, check=True
    )
    return done.stdout


def _post(address: str, text: bytes, seconds: float, most: int) -> bytes:
    request = urllib.request.Request(
        address, data=text, headers={"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=seconds) as answer:
        content: bytes = answer.read(most + 1)
        return content


def _no_report(where: str, reason: str) -> RewardError:
    return RewardError(
        f"the remote sandbox {legible(where, 80)} gave no report: {legible(reason, 200)}",
        "try it by hand: it takes a program as JSON and answers with a report as JSON",
    )
