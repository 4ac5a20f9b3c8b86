"""No spoilt file of problems ends in a traceback; nearly every refusal names the line or the row.

Thousands of spoilt files (JSONL, CSV, Parquet, and the first two compressed) are named in a recipe
that goes through `cohort train RECIPE --dry-run`. A refusal has at most six lines and exit code 2 and
names the file; nothing is written anywhere; and of an accepted file every row is a problem that can
be asked.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cohort.config.stages import Problems
from cohort.data import keyed
from cohort.data.sources import read_rows
from cohort.errors import CohortError
from cohort.tasks.problems import open_source
from proofs.command import Outcome, broken_promises, in_process, main, prepare
from proofs.data_mutations import BYTES, FORMATS, LARGE, ODD, ROWS, compressed, good_rows, written
from proofs.recipe_mutations import Random, choice

CASES, SHORT_CASES, LARGE_CASES = 3000, 150, 20
LEAST_SHARE = 0.99
"""Of the refusals for which there is a line or a row, so many must name it."""

RECIPES = {
    "reinforce": """
model = "models/none"
[[stage]]
kind = "reinforce"
problems = "{file}"
rewards = {{ length = 1.0 }}
steps = 1
""",
    "supervised": """
model = "models/none"
[[stage]]
kind = "supervised"
problems = {{ source = "{file}", completion = "answer" }}
steps = 1
""",
}


@dataclass(frozen=True, slots=True)
class Case:
    """A spoilt file: how it was made, its name, what is in it, or what is in its place."""

    label: str
    file: str
    stage: str
    content: bytes = b""
    odd: str = ""

    @property
    def text(self) -> bool:
        """Whether the file has lines."""
        return not self.file.endswith(".parquet")


def cases(count: int, seed: int) -> Iterator[Case]:
    """The cases in order; each is a function of the seed and its number."""
    every = count // LARGE_CASES if count >= CASES else count + 1
    for number in range(count):
        random = keyed.generator(seed, "fuzz data", number)
        form, stage = choice(random, FORMATS), choice(random, ("reinforce", "supervised"))
        file = f"spoilt{form}"
        if number % every == 1:
            how = choice(random, list(LARGE))
            content = compressed(LARGE[how](form), form)
            yield Case(f"{number}, {file}: {how}", file, stage, content)
        elif random.random() < 0.03:
            how = choice(random, list(ODD))
            yield Case(f"{number}, {file}: {how}", file, stage, odd=how)
        else:
            how, content = _spoilt(form, random)
            yield Case(f"{number}, {file}: {how}", file, stage, content)


def _spoilt(form: str, random: Random) -> tuple[str, bytes]:
    rows = good_rows(random)
    hows = []
    if random.random() < 0.45:
        hows.append(choice(random, list(ROWS)))
        ROWS[hows[0]](rows, random)
    raw = written(rows, form)
    late = form.endswith(".gz") and random.random() < 0.4
    if not hows or random.random() < 0.15:
        hows.append(choice(random, list(BYTES)))
        if not late:
            raw = BYTES[hows[-1]](raw, random) if raw else raw
    raw = compressed(raw, form)
    if late and hows[-1] in BYTES:
        hows[-1] += ", compressed"
        raw = BYTES[hows[-1].removesuffix(", compressed")](raw, random)
    return ", ".join(hows), raw


def failures_of(case: Case, outcome: Outcome, folder: Path) -> list[str]:
    """What a case should have done and did not."""
    failed = broken_promises(outcome)
    if outcome.code == 0:
        failed += _no_problems(case, folder)
    elif outcome.code == 2:
        if case.file not in outcome.stderr:
            failed.append("the file is not named")
        if "hint: " not in outcome.stderr:
            failed.append("there is no hint")
        if outcome.stdout:
            failed.append("refused, and something on stdout")
    return failed


def _no_problems(case: Case, folder: Path) -> list[str]:
    """What is wrong with an accepted file: fewer rows than it holds, or a problem without a prompt."""
    options = Problems(source=case.file, completion="answer")
    try:
        rows, source = read_rows(options, folder), open_source(options, folder)
        asked = source.batch(seed=1, purpose="rollout", step=1, count=len(rows) + 3)
        if case.stage == "supervised":
            source.demonstrations(seed=1, step=1, count=len(rows) + 3)
    except CohortError as error:
        return [f"accepted, and then: {error.message}"]
    wrong = [] if all(problem.prompt for problem in asked) else ["accepted with an empty prompt"]
    if case.file.endswith(".jsonl"):
        lines = [line for line in case.content.split(b"\n") if line.strip(b" \t\r\n\xef\xbb\xbf")]
        if len(lines) != len(rows):
            wrong.append(f"{len(lines)} lines and {len(rows)} rows")
    return wrong


def has_a_place(case: Case, message: str) -> bool:
    """Whether there is a line or a row to be named: not for a file that is no file, or has no rows."""
    whole = (
        "holds no rows",
        "is not a Parquet file",
        "is not whole",
        "is every prompt",
        "two columns",
    )
    return not case.odd and not any(words in message for words in whole)


def prove(short: bool, seed: int) -> dict[str, object]:
    """Run the cases; says how many held, how many were refused, and the first that did not hold."""
    prepare()
    count = SHORT_CASES if short else CASES
    failures: list[dict[str, object]] = []
    figures: Counter[str] = Counter()
    slowest = (0.0, "")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures["whole files accepted"] = _whole_files(folder, seed)
        for case in cases(count, seed):
            outcome = run_case(case, folder)
            failed = failures_of(case, outcome, folder)
            figures["refused" if outcome.code == 2 else "accepted"] += 1
            slowest = max(slowest, (round(outcome.seconds, 2), case.label))
            if outcome.code == 2 and has_a_place(case, outcome.stderr):
                figures["with a place"] += 1
                figures["place named"] += bool(re.search(r"(line|row) \d+", outcome.stderr))
            if failed:
                failures.append(_shown(case, outcome, failed))
            remove(folder / case.file)
    share = figures["place named"] / max(1, figures["with a place"])
    if share < LEAST_SHARE:
        failures.append({"failed": f"only {share:.1%} of the refusals name the line or the row"})
    return {
        "name": "fuzz data",
        "seed": seed,
        "asked": count,
        "held": count - len(failures),
        "refused": figures["refused"],
        "accepted": figures["accepted"],
        "whole_files_accepted": f"{figures['whole files accepted']} of {2 * len(FORMATS)}",
        "line_named_share": round(share, 4),
        "refusals_with_a_line": figures["with a place"],
        "slowest": slowest,
        "failures": failures[:10],
    }


def _whole_files(folder: Path, seed: int) -> int:
    """How many unspoilt files are accepted, in every format and by both kinds of stage."""
    accepted = 0
    for form in FORMATS:
        rows = good_rows(keyed.generator(seed, "whole", form))
        for stage in RECIPES:
            whole = Case("", f"whole{form}", stage, compressed(written(rows, form), form))
            accepted += run_case(whole, folder).code == 0 and not _no_problems(whole, folder)
    return accepted


def run_case(case: Case, folder: Path) -> Outcome:
    """What `cohort train --dry-run` says of a recipe with this file, which is left in the folder."""
    (folder / "recipe.toml").write_text(
        RECIPES[case.stage].format(file=case.file), encoding="utf-8"
    )
    if case.odd:
        ODD[case.odd](folder / case.file)
    else:
        (folder / case.file).write_bytes(case.content)
    return in_process(["train", "recipe.toml", "--dry-run"], folder)


def remove(path: Path) -> None:
    """Whatever a case left behind."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _shown(case: Case, outcome: Outcome, failed: list[str]) -> dict[str, object]:
    return {
        "case": case.label,
        "stage": case.stage,
        "failed": failed,
        "file": case.content[:1500].decode("utf-8", "backslashreplace"),
        "stderr": (outcome.stderr or outcome.raised)[-1500:],
    }


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv, seed=1)))
