"""A place to attack: a recipe, problems and a model that train, and the command run there.

A command of its own spends most of its seconds on imports. So there is also a server that has imported
everything and forks a process for every command; what that process did is measured from its first line.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cohort.cli.main import MOST_LINES

RECIPE = """
threads = 1
[model]
path = "model"
[[stage]]
kind = "reinforce"
problems = "problems.jsonl"
rewards = { correct = 1.0 }
steps = 1
prompts_per_step = 1
rollouts_per_prompt = 2
max_new_tokens = 4
"""
PROBLEMS = [{"prompt": "1+2=", "answer": "3"}, {"prompt": "2+2=", "answer": "4"}]

COMMAND = "import sys; sys.argv[0] = 'cohort'; from cohort.cli.main import run; run()"
SERVER = """
import gc, json, os, sys, time, traceback
import cohort.train.run, cohort.train.sample_model
from cohort.cli.main import run
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.models.llama import modeling_llama
gc.freeze()
for line in sys.stdin:
    place, arguments = json.loads(line)
    began = time.perf_counter()
    child = os.fork()
    if not child:
        os.chdir(place)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for name, descriptor in (("out", 1), ("err", 2)):
            os.dup2(os.open(f"{place}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
        sys.argv = ["cohort", *arguments]
        code = 0
        try:
            run()
        except SystemExit as end:
            code = end.code or 0
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # taking all the imports apart again is no part of it
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - began
    used = [seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]
    print(json.dumps([os.waitstatus_to_exitcode(status), *used]), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended, and what it took."""

    code: int
    output: str
    error: str
    seconds: float
    """Of a forked process, whose imports are done; of a whole command all of them."""
    processor_seconds: float = 0.0
    """Of a forked process and its children; the same on a machine that has other work too."""
    megabytes: float = 0.0
    """The most memory of a forked process, its imports included."""


class Server:
    """Commands in processes that are forked after the imports; used as a context."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def __enter__(self) -> Server:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER], env=environment(self._home),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, place: Path, arguments: Sequence[str]) -> Outcome:
        """One command in a place."""
        assert self._process.stdin is not None, "the server is used as a context"
        assert self._process.stdout is not None, "the server is used as a context"
        print(json.dumps([str(place), list(arguments)]), file=self._process.stdin, flush=True)
        code, *used = json.loads(self._process.stdout.readline())
        output, error = (
            Path(f"{place}.{name}").read_text(errors="replace") for name in ("out", "err")
        )
        return Outcome(code, output, error, *used)


def whole_command(place: Path, home: Path, arguments: Sequence[str]) -> Outcome:
    """The command as a person starts it."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments],
        cwd=place, env=environment(home), capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    return Outcome(done.returncode, done.stdout, done.stderr, time.perf_counter() - began)


def environment(home: Path) -> dict[str, str]:
    """One in which everything a library would write lands in `home`, and nothing is fetched."""
    folders = dict.fromkeys(("HOME", "HF_HOME", "XDG_CACHE_HOME", "TMPDIR"), str(home))
    alone = {"HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    return {**os.environ, **folders, **alone}


def make_place(folder: Path) -> Path:
    """The recipe and its problems in a new folder; the model is to be put beside them."""
    folder.mkdir(parents=True)
    (folder / "recipe.toml").write_text(RECIPE)
    (folder / "problems.jsonl").write_text("\n".join(map(json.dumps, PROBLEMS)))
    return folder


def faults(outcome: Outcome, codes: Sequence[int]) -> list[str]:
    """What is wrong with how a command ended, in some words each."""
    lines = outcome.error.strip().splitlines()
    found = []
    if outcome.code not in codes:
        found.append(f"the exit code is {outcome.code}: {outcome.error.strip()[-300:]}")
    if "Traceback" in outcome.error or "panicked" in outcome.error:
        found.append(f"a traceback: {outcome.error.strip()[-300:]}")
    if outcome.code and not (lines and lines[0].startswith("error: ")):
        found.append("no refusal")
    if outcome.code and not any(line.startswith("hint: ") for line in lines):
        found.append("no hint")
    if len(lines) > MOST_LINES:
        found.append(f"{len(lines)} lines")
    if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", outcome.error):
        found.append("control characters")
    return found


def tree(*places: Path) -> set[tuple[str, int, int, int]]:
    """Name, kind, size and time of everything below some folders, links not followed."""
    found = set()
    for path in (path for place in places for path in place.rglob("*")):
        status = os.lstat(path)
        size = 0 if path.is_dir() else status.st_size
        found.add((str(path), status.st_mode, size, status.st_mtime_ns))
    return found
