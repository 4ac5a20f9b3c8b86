"""A second opinion: math-verify, on what our own grammar leaves open, in a process that can be killed.

math-verify's own time limit is a signal that cannot interrupt long arithmetic, so each pair is given
to a child with limits of processor time and memory that the kernel keeps, and a wall limit: no answer, and
SIGKILL.
The child is forked where this process has no threads and is small; else a fresh interpreter is
started, which forks. Only its LaTeX grammar is used: its other one hands text to an evaluating parser.
Even so sympy evaluates the numerals of an answer as Python; a child that is about to compile anything
else than a numeral, to start a program, to write or to connect ends itself before it does.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import logging
import os
import re
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn

from cohort.errors import MissingExtraError
from cohort.rewards.math.bounds import LONGEST_ANSWER

Opinion = Literal["equal", "different", "gold unread", "answer unread", "none"]
"""none: nothing was said in time, or within the memory."""

Pair = tuple[str, str]
"""A gold answer and an answer."""

PROCESSOR_SECONDS = 0.5
"""What a child may compute; the same on a busy machine as on an idle one."""

WALL_SECONDS = 3.0
"""After which a child is killed even if it was never given the processor."""

MEMORY_BYTES = 512 * 2**20
"""The address space of a child, all that the interpreter takes included."""

START_SECONDS = 60.0
"""How long a fresh interpreter may take to load the package."""

SMALL_BYTES = 256 * 2**20
"""A process with a larger address space is not forked: the child's limit would be of no use."""

_LIMITS = {resource.RLIMIT_AS: MEMORY_BYTES, resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CORE: 0}
_HARMLESS = re.compile(r"[A-Za-z0-9 +\-*/^_=<>()\[\]{}|\\,.:;!&%$\n\t]*")
_NUMERAL = re.compile(r"from sympy import \*|(?:Integer|Float|Rational) ?\([0-9.', ]*\)\s*")
_FORBIDDEN = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "subprocess.Popen",
    "socket.",
)
_SIGNS: tuple[Opinion, ...] = ("equal", "different", "gold unread", "answer unread", "none")

_WARM = (
    ("x^2+2x+1", "(x+1)^2"),
    (r"\{1,2\}", r"\{2,1\}"),
    ("(1,2]", "(1,3]"),
    (r"\int_0^1 x dx", "1"),
    (r"\sum_{k=1}^{3} k^{1.5}", r"1+2^{1.5}+3^{1.5}"),
    (r"\lim_{x\to0} \frac{\sin x}{x}", r"\log_2 8"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", "y=2x+1"),
)
"""Pairs of ours, given before the first fork, so that no child has to load what they need."""


def opinions(pairs: Sequence[Pair], seconds: float) -> list[Opinion]:
    """What math-verify says of each pair; after so many seconds nothing more is asked.

    A text with characters beside those of LaTeX mathematics, with `__` in it or longer than an answer
    may be is not given to it. Raises MissingExtraError.
    """
    asked = [pair for pair in dict.fromkeys(pairs) if all(map(_is_harmless, pair))]
    if not asked:
        return ["none" for _ in pairs]
    forks = not is_threaded() and _address_space() < SMALL_BYTES
    said = dict(zip(asked, (_forked if forks else _fresh)(asked, seconds), strict=True))
    return [said.get(pair, "none") for pair in pairs]


def is_threaded() -> bool:
    """Whether this process has a second thread, of Python or not; True where that cannot be told."""
    try:
        return len(os.listdir("/proc/self/task")) > 1
    except OSError:
        return True


def package() -> Any:
    """The package math_verify, imported. Raises MissingExtraError."""
    try:
        return importlib.import_module("math_verify")
    except ImportError as error:
        raise MissingExtraError(
            "a second opinion on mathematics needs the package math-verify, which is not installed",
            "pip install 'cohort-rl[math]'",
        ) from error


def _is_harmless(text: str) -> bool:
    return len(text) <= LONGEST_ANSWER and "__" not in text and bool(_HARMLESS.fullmatch(text))


def _address_space() -> int:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    return int(pages) * resource.getpagesize()


# Children of this process.


def _forked(pairs: Sequence[Pair], seconds: float) -> Iterator[Opinion]:
    _warm_up()
    end = time.monotonic() + seconds
    for pair in pairs:
        yield _asked(pair) if time.monotonic() < end else "none"


_warmed = False


def _warm_up() -> None:
    """Load everything that a child needs; once in the life of a process."""
    global _warmed
    if _warmed:
        return
    package()
    for name in ("parser", "grader"):  # they warn that no limit by signal was asked for
        logging.getLogger(f"math_verify.{name}").disabled = True
    for pair in _WARM:
        _opinion(pair)
    _warmed = True


def _asked(pair: Pair) -> Opinion:
    """The opinion of a child on one pair. The child is killed whatever it does, and waited for."""
    reader, writer = os.pipe()
    try:
        child = os.fork()
    except OSError:  # this process may start no other: nobody can be asked
        os.close(reader)
        os.close(writer)
        return "none"
    if child == 0:
        _answer_and_end(pair, writer)
    os.close(writer)
    try:
        ready, _, _ = select.select([reader], [], [], WALL_SECONDS)
        said = os.read(reader, 1) if ready else b""
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return _SIGNS[said[0]] if said and said[0] < len(_SIGNS) else "none"


def _answer_and_end(pair: Pair, writer: int) -> NoReturn:
    """What a child does: it says one byte and ends. It may write no file and outlive no alarm."""
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, 2 * WALL_SECONDS)  # should the parent be killed
        signal.setitimer(signal.ITIMER_PROF, PROCESSOR_SECONDS)  # its signal ends the process
        for limit, most in _LIMITS.items():
            hard = resource.getrlimit(limit)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(limit, (most, most))
        silent = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silent, stream)
        sys.addaudithook(_forbid)
        os.write(writer, bytes([_SIGNS.index(_opinion(pair))]))
    finally:
        os._exit(0)


def _forbid(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: the process ends before it does what an opinion does not need."""
    forbidden = event.startswith(_FORBIDDEN)
    if event == "compile" and str(arguments[1]).startswith("<"):  # text, not the file of a module
        source = arguments[0]
        text = source.decode("utf-8", "replace") if isinstance(source, bytes) else str(source)
        forbidden = not _NUMERAL.fullmatch(text)
    elif event == "open":
        flags = arguments[2]
        forbidden = isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    if forbidden:
        os._exit(1)


def _opinion(pair: Pair) -> Opinion:
    module = package()
    gold, answer = (_parsed(module, text) for text in pair)
    if not gold:
        return "gold unread"
    if not answer:
        return "answer unread"
    return "equal" if module.verify(gold, answer, timeout_seconds=None) else "different"


def _parsed(module: Any, text: str) -> list[Any]:
    """What math-verify reads in a text: expressions alone, never the text itself."""
    parsed = module.parse(
        f"\\boxed{{{text}}}",
        extraction_config=[module.LatexExtractionConfig()],
        parsing_timeout=None,
    )
    return [expression for expression in parsed if not isinstance(expression, str)]


# A fresh interpreter.


def _fresh(pairs: Sequence[Pair], seconds: float) -> list[Opinion]:
    """The opinions of an interpreter that has no threads; it is killed where it takes too long."""
    if importlib.util.find_spec("math_verify") is None:
        package()
    source = str(Path(__file__).parents[3])
    paths = [source, *filter(None, [os.environ.get("PYTHONPATH")])]
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "cohort.rewards.math.second"],
            input=json.dumps([seconds, *pairs]),
            capture_output=True,
            text=True,
            check=False,
            timeout=START_SECONDS + seconds,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        said = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        return ["none" for _ in pairs]
    return [_SIGNS[number] for number in said]


def main() -> None:
    """Read pairs from stdin, write the numbers of their opinions to stdout."""
    seconds, *pairs = json.load(sys.stdin)
    said = list(_forked([(gold, answer) for gold, answer in pairs], seconds))
    print(json.dumps([_SIGNS.index(opinion) for opinion in said]))


if __name__ == "__main__":
    main()
