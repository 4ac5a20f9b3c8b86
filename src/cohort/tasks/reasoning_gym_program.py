"""The program that scores answers to reasoning-gym's tasks in the sandbox; never imported by Cohort.

It reads an order from stdin and writes a line of JSON for each answer: {"value": 0.5}, or
{"failed": kind, "reason": text}. Each answer is scored in a process of its own, which is ended after
so many seconds. The item is made anew from its task, options and index: it never left as data.
"""

import hashlib
import json
import os
import random
import select
import signal
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any


def main() -> None:
    """Score every answer of the order, in its order."""
    order = json.load(sys.stdin)
    sys.path[:0] = order["paths"]
    import numpy
    from reasoning_gym.factory import create_dataset

    out = os.dup(1)
    silent = os.open(os.devnull, os.O_RDWR)
    os.dup2(silent, 0)
    os.dup2(silent, 1)
    tasks: dict[str, Any] = {}
    items: dict[tuple[str, int], Mapping[str, Any]] = {}
    for asked in order["answers"]:
        key = json.dumps([asked["task"], asked["options"]])
        if key not in tasks:
            tasks[key] = create_dataset(
                asked["task"], seed=0, size=asked["size"], **asked["options"]
            )
        place = (key, asked["index"])
        if place not in items:
            random.seed(asked["index"])
            numpy.random.seed(asked["index"])
            items = {place: tasks[key][asked["index"]]}
        digest = hashlib.blake2b(str(items[place]["question"]).encode(), digest_size=8).hexdigest()
        work = partial(scored, tasks[key], items[place], asked["answer"])
        if digest != asked["question"]:
            work = partial(dict, failed="invalid", reason="the task makes another item here")
        os.write(out, json.dumps(apart(work, order["seconds"], out)).encode() + b"\n")


def scored(task: Any, item: Mapping[str, Any], answer: str) -> dict[str, Any]:
    """What the scorer says; where it raises, whether it does so for the task's own answer too."""
    try:
        return {"value": float(task.score_answer(answer, item))}
    except Exception as error:  # noqa: BLE001 - the scorers are the library's
        reason = f"{type(error).__name__}: {error}"[:150]
    try:
        task.score_answer(item["answer"], item)
    except Exception:  # noqa: BLE001 - the same scorer, on the task's own answer
        return {"failed": "raised", "reason": reason}
    return {"value": 0.0}


def apart(work: Callable[[], dict[str, Any]], seconds: float, out: int) -> dict[str, Any]:
    """What `work` returns in a process of its own, within so many seconds."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(out)
            os.close(reader)
            os.write(writer, json.dumps(work()).encode()[:900])
        finally:
            os._exit(0)
    os.close(writer)
    said, until = b"", time.monotonic() + seconds
    while select.select([reader], [], [], max(0.0, until - time.monotonic()))[0]:
        part = os.read(reader, 1000)
        said += part
        if not part or len(said) > 1000:
            break
    os.close(reader)
    late = time.monotonic() >= until
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    try:
        found: dict[str, Any] = json.loads(said)
        return found
    except ValueError:
        kind = "deadline" if late else "crashed"
        return {"failed": kind, "reason": "the scorer's process ended without a verdict"}


if __name__ == "__main__":
    main()
