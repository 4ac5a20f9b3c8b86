"""The exit code is 0 exactly when what was asked for is done and saved.

Every scenario is a real child process of the command. Where it can be done, the result is looked at:
the run has exactly the steps that were asked for, its model loads, its report is there. Where it
cannot, the code is not 0, stderr has at most six lines with the reason, and no finished run is left.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from cohort.config.recipe import Model
from cohort.policy.load import load_policy
from proofs.command import CHILD, ENVIRONMENT, LONGEST_SECONDS, Outcome, as_child, main, prepare
from proofs.scenarios import FAILING, FILES, PROPER, Scenario

SHORT_PROPER = ("imitation", "a dry run", "a report", "the recipes", "one algorithm", "the version")
SHORT_FAILING = ("no such option", "a broken recipe", "a broken line", "a reward that leaves")


def prove(short: bool, seed: int) -> dict[str, object]:
    """Run the scenarios, each in a folder of its own; `seed` is not used, for nothing is drawn."""
    prepare()
    proper = [s for s in PROPER if not short or s.name in SHORT_PROPER]
    failing = [s for s in FAILING if not short or s.name in SHORT_FAILING]
    failures: list[dict[str, object]] = []
    asked = 0
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        made = _make_model(root)
        for scenario in (*proper, *failing):
            asked += 1
            outcome, wrong = _tried(scenario, _place(root / f"{asked}", made))
            if wrong:
                failures.append(_shown(scenario.name, outcome, wrong))
        for label, special in SPECIAL.items():
            asked += 1
            outcome, wrong = special(_place(root / f"{asked}", made))
            if wrong:
                failures.append(_shown(label, outcome, wrong))
    return {
        "name": "exit truth",
        "seed": seed,
        "asked": asked,
        "held": asked - len(failures),
        "done": len(proper),
        "refused": asked - len(proper),
        "failures": failures[:10],
    }


def _make_model(root: Path) -> Path:
    """A folder with a finished run and its model, which the scenarios start from."""
    made = root / "made"
    for name, text in FILES.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(text, encoding="utf-8")
    outcome = as_child(["train", "all.toml", "--quiet", "--run", "done"], made)
    wrong = _unfinished(made / "done", (2, 2, 0))
    assert outcome.code == 0, outcome
    assert not wrong, wrong
    (made / "model").symlink_to(made / "done" / "model")
    return made


def _place(folder: Path, made: Path) -> Path:
    folder.mkdir()
    for entry in made.iterdir():
        if entry.name == "done":
            _copy(entry, folder / "done")
        else:
            (folder / entry.name).symlink_to(entry)
    return folder


def _copy(run: Path, to: Path) -> None:
    to.mkdir()
    for file in run.iterdir():
        if file.is_file():
            (to / file.name).write_bytes(file.read_bytes())


def _tried(scenario: Scenario, folder: Path) -> tuple[Outcome, list[str]]:
    before = {path: path.stat().st_mtime_ns for path in (folder / "done").iterdir()}
    outcome = as_child(scenario.arguments, folder)
    wrong = []
    if outcome.code not in scenario.codes:
        wrong.append(f"exit code {outcome.code}, and {scenario.codes} is true")
    if "Traceback" in outcome.stderr:
        wrong.append("a raw traceback")
    if scenario.codes == (0,):
        said = outcome.stdout
        wrong += _unfinished(folder / scenario.run, scenario.steps) if scenario.steps else []
    else:
        said = outcome.stderr
        if len(said.splitlines()) > 6:
            wrong.append(f"{len(said.splitlines())} lines on stderr")
        if _status(folder / "out") == "finished" or (folder / "out" / "model").exists():
            wrong.append("a finished run is left")
        after = {path: path.stat().st_mtime_ns for path in before if path.exists()}
        if scenario.name == "a taken folder" and before != after:
            wrong.append("the taken folder was changed")
    if scenario.says not in " ".join(said.split()):
        wrong.append(f"nothing is said of {scenario.says!r}")
    return outcome, wrong


def _unfinished(run: Path, steps: tuple[int, ...]) -> list[str]:
    """What is missing of a run with that many steps in each of its stages."""
    wrong = []
    if _status(run) != "finished":
        return [f"the run says it is {_status(run)!r}"]
    with closing(sqlite3.connect(f"{(run / 'run.db').resolve().as_uri()}?mode=ro", uri=True)) as db:
        rows = db.execute("SELECT stage, step FROM steps ORDER BY stage, step").fetchall()
        kinds = db.execute("SELECT kind FROM stages ORDER BY stage").fetchall()
        measured = db.execute("SELECT COUNT(*) FROM evaluations").fetchone()[0]
    asked = [(stage, step) for stage, own in enumerate(steps) for step in range(1, own + 1)]
    trained = [(stage, step) for stage, step in rows if kinds[stage][0] != "evaluate"]
    if trained != asked:
        wrong.append(f"steps {trained}, and {asked} were asked for")
    if measured != steps.count(0):
        wrong.append(f"{measured} evaluations")
    load_policy(Model(path=str(run / "model")), vocabulary=[], seed=1)
    if "</html>" not in (run / "report.html").read_text(encoding="utf-8"):
        wrong.append("the report is not whole")
    return wrong


def _status(run: Path) -> str:
    if not (run / "run.db").is_file():
        return "nothing"
    with closing(sqlite3.connect(f"{(run / 'run.db').resolve().as_uri()}?mode=ro", uri=True)) as db:
        row = db.execute("SELECT value FROM facts WHERE name = 'status'").fetchone()
    return str(json.loads(row[0])) if row else "nothing"


def _closed_pipe(folder: Path) -> tuple[Outcome, list[str]]:
    """Nobody reads what is printed: the code is not 0, for what was asked was to print it."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*CHILD, "algorithms"],
        cwd=folder, stdout=writer, stderr=subprocess.PIPE, text=True, check=False, env=ENVIRONMENT,
    )  # fmt: skip
    os.close(writer)
    outcome = Outcome(done.returncode, "", done.stderr, 0.0)
    return outcome, [] if done.returncode == 141 and not done.stderr else ["it should end with 141"]


def _interrupted(folder: Path) -> tuple[Outcome, list[str]]:
    """Ctrl-C while answers are scored: 130, and the run says that it was interrupted."""
    changes = ("--set", 'stage.0.rewards={ "mine.py:slow" = 1.0 }', "--set", "stage.0.steps=900")
    process = subprocess.Popen(
        [*CHILD, "train", "files.toml", "--quiet", "--run", "out", *changes],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    assert process.stdout is not None
    for _ in range(2):
        process.stdout.readline()
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=6 * LONGEST_SECONDS)
    wrong = [] if process.returncode == 130 else [f"exit code {process.returncode}, not 130"]
    if _status(folder / "out") == "finished" or (folder / "out" / "model").exists():
        wrong.append("a finished run is left")
    return Outcome(process.returncode, stdout, stderr, 0.0), wrong


SPECIAL: dict[str, Callable[[Path], tuple[Outcome, list[str]]]] = {
    "a closed pipe": _closed_pipe,
    "interrupted": _interrupted,
}
"""Scenarios that are more than a command line, by name."""


def _shown(name: str, outcome: Outcome, wrong: list[str]) -> dict[str, object]:
    return {
        "case": name,
        "failed": wrong,
        "stdout": outcome.stdout[-400:],
        "stderr": outcome.stderr[-1500:],
    }


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv, seed=1)))
