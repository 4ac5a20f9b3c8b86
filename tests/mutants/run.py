"""The command: small wrongs in the mathematics, and whether a test notices each.

The tests must pass on what is not changed, else nothing is tried and the status is 2. It is 0 only
if, of the mutants that are not declared equivalent,

    at least 95 % of all and
    at least 80 % of those of every file are noticed by a test,

and every mutant that is declared equivalent exists and is not noticed by the nearest tests; 1
otherwise. Files and tests are read while it runs: they must not be changed until it ends.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from tests.mutants.equivalent import EQUIVALENT
from tests.mutants.judge import Fate, NoVerdict, judged, passes, preload
from tests.mutants.plant import Mutant, mutants, plain
from tests.mutants.project import Project
from tests.mutants.report import Report

PATIENCE = 3
"""A mutant may take this many times what its tests take where nothing is changed."""
LEAST_LIMIT_SECONDS = 20.0
NEAREST = 3
"""How many test files are asked about what is declared equivalent: they notice most, in little time."""


class Refusal(Exception):
    """Nothing can be tried as asked."""


def main(arguments: list[str], project: Project, equivalent: Mapping[str, str] = EQUIVALENT) -> int:
    """The exit status; what was found is printed."""
    asked, start = _parser().parse_args(arguments), time.monotonic()
    report = Report(equivalent)
    try:
        found = {path.name: mutants(path.name, path.read_text()) for path in _files(asked, project)}
        if asked.list:
            print(*(str(mutant) for each in found.values() for mutant in each), sep="\n")
            return 0
        seconds = _unchanged(list(found), project)
        for file, each in found.items():
            declared = [mutant for mutant in each if mutant.name in equivalent]
            others = [mutant for mutant in each if mutant.name not in equivalent]
            tests = project.order(file, seconds)
            fates = _tried(others, tests, project, seconds, asked.jobs)
            fates |= _tried(declared, tests[:NEAREST], project, seconds, asked.jobs)
            report.add(file, {mutant: fates[mutant] for mutant in each})
    except (Refusal, NoVerdict) as error:
        print(f"refused: {error}", file=sys.stderr)
        return 2
    report.finish(time.monotonic() - start)
    if asked.out:
        asked.out.write_text(report.lines())
    return 1 if report.complaints else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("files", nargs="*", metavar="FILE", help="kl.py, for example; all if none")
    parser.add_argument("--jobs", type=int, default=1, help="tried at the same time (1)")
    parser.add_argument("--list", action="store_true", help="print the mutants and try none")
    parser.add_argument("--out", type=Path, help="a file for all that were tried, with their fate")
    return parser


def _files(asked: argparse.Namespace, project: Project) -> list[Path]:
    files = [project.file(name) for name in asked.files] or project.files()
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        raise Refusal(f"there is no {', '.join(missing)}")
    return files


def _unchanged(files: list[str], project: Project) -> dict[Path, float]:
    """The seconds of each test file that is asked. Raises Refusal where one fails as things are.

    The files are rewritten as their mutants will be, without a change.
    """
    preload(project)
    sources = {project.module(file): plain(project.file(file).read_text()) for file in files}
    found: dict[Path, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "output"
        for test in dict.fromkeys(test for file in files for test in project.able(file)):
            seconds = passes(sources, test, output)
            if seconds is None:
                raise Refusal(f"a test fails without any change:\n{output.read_text()[-3000:]}")
            found[test] = seconds
    return found


def _tried(
    each: list[Mutant],
    tests: list[Path],
    project: Project,
    seconds: Mapping[Path, float],
    jobs: int,
) -> dict[Mutant, Fate]:
    """What becomes of mutants of one file."""
    if not each:
        return {}
    limit_seconds = max(LEAST_LIMIT_SECONDS, PATIENCE * sum(seconds[test] for test in tests))
    module = project.module(each[0].file)
    return dict(judged(each, module, tests, jobs=jobs, limit_seconds=limit_seconds))
