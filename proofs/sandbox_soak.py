"""Many programs in each tier, a tenth hostile, several at a time: each ends as named, nothing is left.

What is left is counted a second after the last: processes below this one, open files, mounts, work
folders; and how much this process has grown.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
import time
from pathlib import Path

from cohort.errors import RewardError
from cohort.rewards.sandbox.landlocked import PREFIX
from cohort.rewards.sandbox.program import Limits, Program
from cohort.rewards.sandbox.sandbox import Sandbox
from cohort.rewards.sandbox.tiers import OWN
from proofs.command import main
from tests.rewards.sandbox.programs import descriptors, family

RUNS, SHORT_RUNS = 1000, 120
AT_A_TIME = 4
LIMITS = Limits(wall_seconds=2.0, cpu_seconds=1.0, memory_bytes=2**27, output_bytes=10**5)

GOOD = "print(sum(map(int, input().split())))"
HOSTILE = {
    "loop": ("while True: pass", {"cpu", "wall"}),
    "sleep": ("import time; time.sleep(60)", {"wall"}),
    "memory": (
        "x = [bytearray(10**7) for _ in range(60)]\nimport time; time.sleep(60)",
        {"memory"},
    ),
    "flood": ("while True: print('x' * 1000)", {"output"}),
    "orphans": (
        "import os, time\nfor _ in range(9):\n if os.fork() == 0: os.setsid(); time.sleep(60)",
        {"exited"},
    ),
    "crash": ("import os; os.kill(os.getpid(), 11)", {"signal"}),
    "full": ("f = open('/tmp/f', 'wb')\nwhile True: f.write(bytes(2**20))", {"disk", "exited"}),
    "refused": ("import ctypes; ctypes.CDLL(None).syscall(0x40000027)", {"refused"}),
}


def prove(short: bool) -> dict[str, object]:
    """Every tier of this machine, its runs and what was left of them."""
    failures: list[str] = []
    asked = held = 0
    figures: dict[str, object] = {}
    for tier in OWN:
        try:
            box = Sandbox(tier)
        except RewardError as error:
            figures[tier] = error.message
            continue
        soak = _Soak(box, SHORT_RUNS if short else RUNS)
        soak.all()
        asked += soak.runs + 1
        held += soak.held + (not soak.left)
        failures += soak.failures + [f"{tier}: {what} left" for what in soak.left]
        figures[tier] = soak.figures
    return {
        "name": "sandbox soak",
        "asked": asked,
        "held": held,
        **figures,
        "failures": failures[:10],
    }


class _Soak:
    def __init__(self, box: Sandbox, runs: int) -> None:
        self._box, self.runs = box, runs
        self.held = 0
        self.failures: list[str] = []
        self.left: list[str] = []
        self.figures: dict[str, float] = {}
        self._numbers = iter(range(runs))
        self._lock = threading.Lock()

    def all(self) -> None:
        self._box.run(Program(files={"main.py": b"pass"}))
        before, grown = self._state(), _peak()
        began = time.monotonic()
        threads = [threading.Thread(target=self._some) for _ in range(AT_A_TIME)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.figures = {
            "seconds": round(time.monotonic() - began, 1),
            "grown_MiB": round((_peak() - grown) / 1024, 1),
        }
        time.sleep(1.0)
        self.left = [name for name, value in self._state().items() if value != before[name]]
        self._box.close()

    def _some(self) -> None:
        while True:
            with self._lock:
                number = next(self._numbers, None)
            if number is None:
                return
            said = self._one(number)
            with self._lock:
                self.held += not said
                self.failures += [said] if said else []

    def _one(self, number: int) -> str:
        """What was wrong with a run; "" for nothing."""
        if number % 10:
            program = Program(files={"main.py": GOOD.encode()}, limits=Limits())
            report = self._box.run(program, f"{number} 1".encode())
            right = report.end == "exited" and report.stdout == b"%d\n" % (number + 1)
            return "" if right else f"{self._box.tier} {number}: {report}"
        name = list(HOSTILE)[number // 10 % len(HOSTILE)]
        code, ends = HOSTILE[name]
        report = self._box.run(Program(files={"main.py": code.encode()}, limits=LIMITS))
        late = report.seconds > LIMITS.wall_seconds + 0.25
        right = report.end in ends and not late
        return (
            "" if right else f"{self._box.tier} {name}: {report.end} after {report.seconds:.2f} s"
        )

    def _state(self) -> dict[str, object]:
        return {
            "processes": len(family(os.getpid())),
            "open files": descriptors(),
            "mounts": Path("/proc/self/mountinfo").read_text(),
            "folders": [
                name
                for launcher in family(os.getpid())
                for name in os.listdir("/tmp")
                if name.startswith(f"{PREFIX}{launcher}-")
            ],
        }


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv)))
