"""`python -m tests.attacks [DIR]`: every *.py of a folder is run in the sandbox, and what escaped is told.

Without DIR it is the suite's own folder. The exit code is 1 if one of them got out or did harm, except
for what a tier is known not to hide, and 2 if this machine has no such tier. --as-user runs all of it as
an ordinary user (from root). --only names some of the attacks; -v shows what each program said last.

A program finds `surroundings.json` beside it, which says where the secrets, servers and processes are
that it must not reach (tests/attacks/surroundings.py), and `lever.py` with what many attacks need. It
prints a line `ESCAPED: what` for what it obtained; harm that it does outside is found without it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from pathlib import Path

from cohort.errors import RewardError
from tests.attacks.as_user import run_as_user
from tests.attacks.expected import KNOWN
from tests.attacks.harness import Outcome, run_all
from tests.attacks.runner import read
from tests.attacks.tested import Sandbox, opened, sandbox_user

PROGRAMS = Path(__file__).with_name("programs")


def main() -> int:
    """Run them and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.attacks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", metavar="DIR", type=Path, nargs="?", default=PROGRAMS)
    parser.add_argument("--tier", default="", help="the strongest of this machine, if not given")
    parser.add_argument("--as-user", action="store_true")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("-v", "--verbose", action="store_true")
    asked = parser.parse_args()
    if asked.as_user:
        return run_as_user(asked.folder, sys.argv[1:])
    try:
        sandbox = opened(asked.tier)
    except RewardError as error:
        print(error, file=sys.stderr)
        return 2
    return attack_all(asked, sandbox)


def attack_all(asked: argparse.Namespace, sandbox: Sandbox) -> int:
    """Run the attacks of a folder; 1 if one got out."""
    paths = sorted(path for path in asked.folder.glob("*.py") if not path.name.startswith("_"))
    attacks = [read(path) for path in paths if not asked.only or path.stem in asked.only]
    if not attacks:
        print(f"{asked.folder} has no attacks", file=sys.stderr)
        return 1
    known = KNOWN.get(sandbox.tier, {}) if asked.folder.resolve() == PROGRAMS else {}
    counts: Counter[str] = Counter()
    slowest = 0.0
    for outcome in run_all(attacks, lambda: sandbox, sandbox_user(), asked.jobs):
        verdict = "contained"
        if outcome.escapes:
            verdict = "known" if outcome.name in known else "ESCAPED"
        counts[verdict] += 1
        slowest = max(slowest, outcome.seconds)
        print(line(outcome, verdict), flush=True)
        if asked.verbose and outcome.trace:
            print("    " + outcome.trace.strip().replace("\n", "\n    "))
    who = "root" if os.geteuid() == 0 else f"user {os.geteuid()}"
    said = ", ".join(f"{number} {verdict}" for verdict, number in sorted(counts.items()))
    print(
        f"{sandbox.tier}, as {who}: {len(attacks)} attacks, {said}; the longest took {slowest:.2f} s"
    )
    return 1 if counts["ESCAPED"] else 0


def line(outcome: Outcome, verdict: str) -> str:
    """One line of the table."""
    end = f"{outcome.end} {outcome.code}"
    figures = f"{outcome.seconds:5.2f} s {outcome.seen.memory_bytes >> 20:4d} MB"
    return f"{outcome.name:26} {verdict:9} {end:12} {figures}  {'; '.join(outcome.escapes)}"


if __name__ == "__main__":
    raise SystemExit(main())
