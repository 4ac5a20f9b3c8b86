"""Whole programs: what they read, and whether they printed what was expected.

Here stdout is the answer, and nothing else is. White space at the end of a line and empty lines at the
end do not count, all else does; with a tolerance words that are numbers are compared as numbers, and
then only words count. A program that does not end by itself with code 0 printed nothing, as in contests.
"""

from __future__ import annotations

import math
import re

from cohort.rewards.code.cases import Spoken
from cohort.rewards.sandbox.program import Limits, Program
from cohort.rewards.sandbox.sandbox import Sandbox

_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,4})?", re.ASCII)


def printed_right(sandbox: Sandbox, source: str, case: Spoken, limits: Limits) -> tuple[bool, str]:
    """Run the program on one input; whether its output is right, and what went wrong if it is not."""
    files = {"main.py": source.encode("utf-8", "surrogatepass")}
    report = sandbox.run(Program(files=files, limits=limits), case.input.encode())
    if report.end != "exited" or report.code != 0:
        why = {"exited": f"it ended with code {report.code}", "signal": "it was killed by a signal"}
        return False, why.get(report.end, f"it met its limit: {report.end}")
    try:
        printed = report.stdout.decode("utf-8")
    except UnicodeDecodeError:
        return False, "it printed what is no text"
    return same_text(case.output, printed, case.tolerance), ""


def same_text(expected: str, printed: str, tolerance: float) -> bool:
    """See the rule at the top of this file."""
    if not tolerance:
        return _lines(expected) == _lines(printed)
    wanted, found = expected.split(), printed.split()
    return len(wanted) == len(found) and all(
        _same_word(a, b, tolerance) for a, b in zip(wanted, found, strict=True)
    )


def _lines(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _same_word(wanted: str, found: str, tolerance: float) -> bool:
    if wanted == found:
        return True
    if not _NUMBER.fullmatch(wanted) or not _NUMBER.fullmatch(found):
        return False
    return math.isclose(float(wanted), float(found), rel_tol=tolerance, abs_tol=tolerance)
