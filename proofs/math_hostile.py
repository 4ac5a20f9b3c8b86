"""No answer of a model hangs, exhausts or takes over the reward `math`.

    python -m proofs.math_hostile [--short]

Five hundred hostile strings, each boxed in a completion with a gold answer, and some as the gold
itself. Each is scored by the built-in reward in a child of its own, forked from a process that is as a
worker is: math-verify is loaded, if it is there. A string held when the child took at most a second of
processor time (five by the clock, for a machine with other work) and 512 MB, its children counted; when
it said 0.0 or that it cannot say; and when it did nothing but compute: an audit hook, which children
inherit, notes programs, sockets, writing, and compiling of any text but numerals, which sympy does, also
for quotients of its own tables (`S('3/2')` in `integrals/meijerint.py`).
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import select
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cohort.rewards.math.reward import equal_mathematics
from cohort.rewards.outcome import Unscorable
from proofs.command import main
from proofs.math_strings import hostile

MOST_PROCESSOR_SECONDS, MOST_SECONDS, MOST_MEGABYTES, LONGEST_SECONDS = 1.0, 5.0, 512.0, 10.0
EVERY_IN_SHORT = 10
GOLDS = ("18", r"\frac{\sqrt{3}}{2}", "x^2+1", r"\int_0^1 x dx", r"\{1, 2\}")
"""In turn; the fourth is for the second opinion alone."""

AS_GOLD = 4
"""Every so many strings are given as the gold too, with the answer 18."""


NUMERAL = re.compile(
    r"from sympy import \*|(Integer|Float) \(('?)[0-9]+(\.[0-9]*)?\2 ?\)(/Integer \([0-9]{1,3} \))?"
)
"""What sympy compiles for each number that math-verify reads; nothing else may be compiled."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What a child said of one string, and what it took."""

    said: str
    seconds: float
    processor_seconds: float
    megabytes: float
    noted: str


def prove(short: bool) -> dict[str, object]:
    """Score every string, or every tenth."""
    failures: list[str] = []
    verdicts: Counter[str] = Counter()
    slowest, longest, largest = (0.0, ""), (0.0, ""), (0.0, "")
    asked = over = 0
    with tempfile.TemporaryDirectory() as folder:
        canary = Path(folder) / "canary"
        seen: set[bytes] = set()
        warm()
        # One at a time: all of them together make this process larger than a worker is.
        for number, (family, text) in enumerate(hostile(str(canary))):
            seen.add(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
            if short and number % EVERY_IN_SHORT:
                continue
            pairs = [(boxed(text), GOLDS[number % len(GOLDS)])]
            if number % AS_GOLD == 0:
                pairs.append((boxed("18"), text))
            for completion, gold in pairs:
                asked += 1
                trial = scored_in_a_child(completion, gold)
                label = f"{number}, {family}: {text[:50]!a}"
                slowest = max(slowest, (round(trial.processor_seconds, 2), label))
                longest = max(longest, (round(trial.seconds, 2), label))
                over += trial.seconds > 1.0
                largest = max(largest, (round(trial.megabytes, 1), label))
                verdicts[trial.said] += 1
                wrong = faults(trial)
                if canary.exists():
                    wrong.append("the canary was touched")
                    canary.unlink()
                failures += [f"{label}: {', '.join(wrong)}"] if wrong else []
    assert len(seen) == 500, f"{len(seen)} different strings"
    return {
        "name": "hostile mathematics",
        "asked": asked,
        "held": asked - len(failures),
        "failures": failures[:20],
        "strings": -(-len(seen) // EVERY_IN_SHORT) if short else len(seen),
        "verdicts": dict(verdicts),
        "most_processor_seconds": slowest,
        "longest_by_the_clock": longest,
        "longer_than_a_second_by_the_clock": over,
        "most_megabytes": largest,
        "math_verify": importlib.util.find_spec("math_verify") is not None,
    }


def boxed(text: str) -> str:
    """A completion with a boxed answer; a very long text is one without."""
    return text if len(text) > 1_000_000 else f"<think>so</think>The answer is \\boxed{{{text}}}."


def warm() -> None:
    """What a worker has done before: the reward has been called, also for a second opinion."""
    known = [r"\boxed{\int_0^1 x dx}", r"\boxed{\sqrt{2}}"]
    assert equal_mathematics(completions=known, answer=["0.5", r"2/\sqrt{2}"]) == [1.0, 1.0]


def faults(trial: Trial) -> list[str]:
    """What does not hold of one trial."""
    wrong = []
    if trial.said not in ("0.0", "unscorable"):
        wrong.append(f"it said {trial.said}")
    if trial.processor_seconds > MOST_PROCESSOR_SECONDS:
        wrong.append(f"{trial.processor_seconds:.2f} s of processor time")
    if trial.seconds > MOST_SECONDS:
        wrong.append(f"{trial.seconds:.2f} s")
    if trial.megabytes > MOST_MEGABYTES:
        wrong.append(f"{trial.megabytes:.0f} MB")
    if trial.noted:
        wrong.append(f"it did {trial.noted}")
    return wrong


def scored_in_a_child(completion: str, gold: str) -> Trial:
    """The reward's word on one completion, from a child that is timed, measured and watched."""
    (said, saying), (notes, noting) = os.pipe(), os.pipe()
    began = time.perf_counter()
    child = os.fork()
    if child == 0:
        _score_and_end(completion, gold, saying, noting)
    os.close(saying)
    os.close(noting)
    if not select.select([said], [], [], LONGEST_SECONDS)[0]:
        os.kill(child, signal.SIGKILL)
    word = os.read(said, 100).decode() or "nothing"
    _, _, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - began
    noted = os.read(notes, 1000).decode()
    os.close(said)
    os.close(notes)
    processor = usage.ru_utime + usage.ru_stime
    return Trial(word, seconds, processor, usage.ru_maxrss / 1024, noted)


def _score_and_end(completion: str, gold: str, saying: int, noting: int) -> None:
    try:
        sys.addaudithook(lambda event, arguments: _note(event, arguments, noting))
        values = equal_mathematics(completions=[completion], answer=[gold])
        (value,) = values if isinstance(values, list) else [values]
        word = "unscorable" if isinstance(value, Unscorable) else repr(value)
    except BaseException as error:  # noqa: BLE001 - what is proven is that none comes
        word = f"{type(error).__name__}: {error!s}"[:90]
    os.write(saying, word.encode("utf-8", "backslashreplace"))
    os._exit(0)


_DEEDS = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen", "socket.connect",
          "socket.bind", "os.mkdir", "os.rename", "os.remove", "os.link", "os.symlink", "shutil.rmtree",
          "os.putenv", "ctypes.dlopen", "code.__new__")  # fmt: skip


def _note(event: str, arguments: tuple[Any, ...], noting: int) -> None:
    """An audit hook: what is more than computing goes into the pipe."""
    deed = event in _DEEDS
    if event == "open":
        path, _, flags = arguments
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        deed = bool(writes) and path not in (os.devnull, os.devnull.encode())
    if event == "compile" and str(arguments[1]).startswith("<"):  # text, not the file of a module
        source = arguments[0]
        text = source.decode() if isinstance(source, bytes) else str(source)
        deed = NUMERAL.fullmatch(text) is None
    if deed:
        os.write(noting, f"{event} {ascii(arguments)[:80]}; ".encode())


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv)))
