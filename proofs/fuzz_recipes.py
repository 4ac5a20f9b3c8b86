"""No spoilt recipe ends in a traceback, and none that must be refused is accepted.

Thousands of spoilt recipes go through `cohort train FILE --dry-run`, in this process and a sample of
them in a child of their own. A refusal has at most six lines and exit code 2, names the file, and
the line where TOML knows it; nothing is written anywhere; and what a dry run prints is a recipe that
reads as the same recipe again.
"""

from __future__ import annotations

import re
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cohort.config.load import dump_recipe, read_recipe
from cohort.data import keyed
from proofs.command import Outcome, as_child, broken_promises, in_process, main, prepare
from proofs.recipe_mutations import (
    LARGE,
    TEXT,
    VALUES,
    Random,
    choice,
    overrides,
    spoilt_values,
)
from proofs.recipes import written_out

CASES, CHILDREN = 3000, 40
SHORT_CASES, SHORT_CHILDREN = 150, 1
LARGE_CASES = 14
FILE = "spoilt.toml"


@dataclass(frozen=True, slots=True)
class Case:
    """A spoilt recipe: how it was made, its bytes, what `--set` is given, and what must happen."""

    label: str
    content: bytes
    changes: tuple[str, ...] = ()
    must_be_refused: bool = False

    def arguments(self) -> list[str]:
        """The command line that reads it."""
        changes = [part for change in self.changes for part in ("--set", change)]
        return ["train", FILE, "--dry-run", *changes]


def cases(count: int, seed: int, recipes: dict[str, str]) -> Iterator[Case]:
    """The cases in order; each is a function of the seed and its number."""
    for number in range(count):
        random = keyed.generator(seed, "fuzz recipes", number)
        base = choice(random, list(recipes))
        yield _case(f"{number}, {base}", recipes[base], number, count, random)


def _case(label: str, text: str, number: int, count: int, random: Random) -> Case:
    every = max(2, count // LARGE_CASES)
    if number % every == 1 and count >= CASES:
        how = choice(random, list(LARGE))
        return Case(f"{label}: {how}", _bytes(LARGE[how](text, random)))
    kind = random.random()
    if kind < 0.4:
        hows = [choice(random, list(TEXT)) for _ in range(1 + int(random.random() < 0.2))]
        for how in hows[:-1]:
            text = _bytes(TEXT[how](text, random)).decode("utf-8", "ignore") or "a = 1"
        spoilt = TEXT[hows[-1]](text if "=" in text else text + "a = 1", random)
        return Case(f"{label}: {', '.join(hows)}", _bytes(spoilt))
    if kind < 0.85:
        how = choice(random, list(VALUES))
        spoilt, refused = spoilt_values(text, how, random)
        return Case(f"{label}: {how}", spoilt.encode(), must_be_refused=refused)
    return Case(f"{label}: --set", text.encode(), tuple(overrides(text, random)))


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def failures_of(case: Case, outcome: Outcome) -> list[str]:
    """What a case should have done and did not."""
    failed = broken_promises(outcome)
    if outcome.code == 0:
        if case.must_be_refused:
            failed.append("accepted, and it must be refused")
        failed += _not_the_same_again(outcome.stdout)
    elif outcome.code == 2 and outcome.stdout:
        failed.append("refused, and something on stdout")
    elif outcome.code == 2:
        failed += _unnamed(case, outcome.stderr)
    return failed


def _not_the_same_again(printed: str) -> list[str]:
    """A dry run's recipe, read strictly as a file is, gives the text that was printed."""
    again = dump_recipe(read_recipe(tomllib.loads(printed)))
    return [] if printed and again == printed else ["what was printed reads as another recipe"]


def _unnamed(case: Case, message: str) -> list[str]:
    """Refusals of the file itself name it, and the line where TOML does."""
    if case.changes and "--set" in message:
        return []
    if "more than 60 parts" in message:  # tomllib would take for ever
        return [] if re.search(rf"{FILE}: line \d+", message) else ["the line is not named"]
    try:
        tomllib.loads(case.content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        if FILE not in message:
            return ["the file is not named"]
        too_large = "more than 1,000,000 bytes" in message
        return [] if too_large or re.search(r"line \d+", message) else ["the line is not named"]
    return []


def prove(short: bool, seed: int) -> dict[str, object]:
    """Run the cases; says how many held, how many were refused, and the first that did not hold."""
    prepare()
    count, children = (SHORT_CASES, SHORT_CHILDREN) if short else (CASES, CHILDREN)
    failures: list[dict[str, object]] = []
    codes: Counter[str] = Counter()
    slowest = (0.0, "")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recipes = written_out(folder)
        for recipe in recipes.values():  # each is right as it is, and torch is loaded once
            (folder / FILE).write_text(recipe, encoding="utf-8")
            codes["whole recipes accepted"] += (
                in_process(["train", FILE, "--dry-run"], folder).code == 0
            )
        for number, case in enumerate(cases(count, seed, recipes)):
            outcome, failed = _tried(case, folder, child=number % (count // children) == 7)
            codes["refused" if outcome.code == 2 else "accepted"] += 1
            slowest = max(slowest, (round(outcome.seconds, 2), case.label))
            if failed:
                failures.append(_shown(case, outcome, failed))
    return {
        "name": "fuzz recipes",
        "seed": seed,
        "asked": count,
        "held": count - len(failures),
        "refused": codes["refused"],
        "accepted": codes["accepted"],
        "whole_recipes_accepted": f"{codes['whole recipes accepted']} of {len(recipes)}",
        "in_children": children,
        "slowest": slowest,
        "failures": failures[:10],
    }


def _tried(case: Case, folder: Path, *, child: bool) -> tuple[Outcome, list[str]]:
    (folder / FILE).write_bytes(case.content)
    before = sorted(folder.rglob("*"))
    outcome = in_process(case.arguments(), folder)
    failed = failures_of(case, outcome)
    if child and all(len(change) < 100_000 for change in case.changes):
        of_its_own = as_child(case.arguments(), folder)
        failed += [f"as a child: {what}" for what in failures_of(case, of_its_own)]
        if of_its_own.code != outcome.code:
            failed.append(f"as a child: exit code {of_its_own.code}, not {outcome.code}")
    if sorted(folder.rglob("*")) != before:
        failed.append("the folder has other files than before")
    return outcome, failed


def _shown(case: Case, outcome: Outcome, failed: list[str]) -> dict[str, object]:
    return {
        "case": case.label,
        "failed": failed,
        "set": [change[:200] for change in case.changes],
        "file": case.content[:3000].decode("utf-8", "backslashreplace"),
        "stderr": (outcome.stderr or outcome.raised)[-1500:],
    }


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv, seed=1)))
