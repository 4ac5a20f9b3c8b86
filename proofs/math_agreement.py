"""Where our checker and math-verify agree, and who is right where they do not.

    python -m proofs.math_agreement [--short] [--seed 1]

Two thousand generated pairs whose truth is known by how they were made; GSM8K's test answers against
themselves and against other forms of them; and the answers of GSM8K's example solutions, by four models,
against the gold ones, where the data's own mark is the truth. Our checker decides alone here: where it
would ask for a second opinion it counts as not agreeing. Every difference must have a line in `WHY`.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import math_verify

from cohort.data import keyed
from cohort.rewards.math.answers import judge
from cohort.rewards.math.reward import final
from proofs.command import main
from proofs.math_pairs import Pair, pairs
from proofs.recipe_mutations import choice

COUNT, SHORT_COUNT = 2000, 200
LEAST_SHARE = 0.99
PLACES = 6
GSM8K = Path(__file__).parents[2] / "shared" / "data" / "gsm8k"
MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")

WHY: dict[str, str] = {
    "integers, a period: equal, different": (
        "ours is right: a period at the end does not change a number; math-verify does not read it"
    ),
    "integers, words: equal, different": (
        "ours is right: a unit in plain words is dropped; math-verify takes its letters for symbols"
    ),
    "gsm8k form, percent: equal, different": (
        "ours, by its rule: a percent sign on one side alone may be left out; math-verify does the same, "
        "but for numbers that are not negative"
    ),
}
"""Why the two differ, by family and what was said: ours, then math-verify's."""


SIGNS = {
    "a period": re.compile(r"\.$"),
    "words": re.compile(r" [a-z]{2,}$"),
    "percent": re.compile("%"),
}
"""What may be in an answer that the explanation of a difference speaks of."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One pair that the two do not agree on."""

    pair: Pair
    ours: str
    theirs: str

    @property
    def kind(self) -> str:
        """What its explanation is filed under."""
        answers = (self.pair.gold, self.pair.answer)
        signs = [name for name, sign in SIGNS.items() if any(sign.search(text) for text in answers)]
        return f"{', '.join([self.pair.family, *signs])}: {self.ours}, {self.theirs}"

    @property
    def right(self) -> str:
        """Who says what the pair is by how it was made."""
        truth = "equal" if self.pair.equal else "different"
        return (
            "ours" if self.ours == truth else "math-verify" if self.theirs == truth else "neither"
        )


def prove(short: bool, seed: int) -> dict[str, object]:
    """Compare all pairs; the parts that need the data are left out where it is not there."""
    logging.disable(logging.CRITICAL)
    parts = {"generated": pairs(SHORT_COUNT if short else COUNT, seed)}
    if GSM8K.is_dir():
        parts |= {
            "gsm8k golds": list(golds(short, seed)),
            "gsm8k solutions": list(solutions(short)),
        }
    figures: dict[str, object] = {}
    failures: list[str] = []
    kinds: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for name, part in parts.items():
        differences = [d for pair in part if (d := compared(pair)) is not None]
        share = 1 - len(differences) / len(part)
        wrong = sum(judge(p.gold, p.answer, PLACES).verdict != _truth(p) for p in part)
        figures[name] = {
            "pairs": len(part), "agreement": round(share, 4), "we differ from the truth": wrong,
        }  # fmt: skip
        if wrong:
            failures.append(f"{name}: {wrong} of our verdicts are not the truth")
        if share < LEAST_SHARE:
            failures.append(f"{name}: they agree on {share:.2%} only")
        for one in differences:
            kinds[one.kind] += 1
            shown = f"{one.pair.gold} | {one.pair.answer}"
            examples.setdefault(one.kind, f"{shown}; right: {one.right}")
    failures += [f"not explained: {kind}, as {examples[kind]}" for kind in kinds if kind not in WHY]
    table = [f"{n} x {kind} ({examples[kind]}): {WHY.get(kind)}" for kind, n in kinds.items()]
    asked = 2 * len(parts) + len(kinds)
    return {
        "name": "agreement with math-verify",
        "asked": asked,
        "held": asked - len(failures),
        "failures": failures,
        "figures": figures,
        "differences": table,
    }


def _truth(pair: Pair) -> str:
    return "equal" if pair.equal else "different"


def compared(pair: Pair) -> Difference | None:
    """None where both say the same."""
    ours = judge(pair.gold, pair.answer, PLACES).verdict
    theirs = "equal" if verified(pair.gold, pair.answer) else "different"
    return None if ours == theirs else Difference(pair, ours, theirs)


def verified(gold: str, answer: str) -> bool:
    """What math-verify says of two answers, as boxed text, with the settings it comes with."""
    read = [
        math_verify.parse(f"\\boxed{{{text}}}", parsing_timeout=None) for text in (gold, answer)
    ]
    return bool(math_verify.verify(*read, timeout_seconds=None))


def golds(short: bool, seed: int) -> Iterator[Pair]:
    """The gold answers of the test split against themselves, another form, and another number."""
    lines = (GSM8K / "test.jsonl").read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines[:: 20 if short else 1]):
        gold = str(final(json.loads(line)["answer"]))
        plain = gold.replace(",", "")
        value = int(plain)
        random = keyed.generator(seed, "gsm8k", number)
        forms = (
            f"{value:,}", rf"\${value}", f"{value}.00", rf"{value}\text{{ dollars}}", rf"{value}\%",
            f"x={value}", rf"\text{{ }}{value}", rf"{value}\text{{ hours}}", rf"\frac{{{value * 2}}}{{2}}",
        )  # fmt: skip
        others = (value + 1, value - 1, value * 10, -value - 1, value + 1000)
        yield Pair("gsm8k itself", gold, gold, True)
        yield Pair("gsm8k form", gold, choice(random, forms), True)
        yield Pair("gsm8k other", gold, str(choice(random, others)), False)


def solutions(short: bool) -> Iterator[Pair]:
    """The answers of the example solutions: what stands behind the last `A:`."""
    path = GSM8K / "example_model_solutions.jsonl"
    for line in path.read_text(encoding="utf-8").splitlines()[:: 20 if short else 1]:
        row = json.loads(line)
        gold = row["ground_truth"].rpartition("A:")[2].strip()
        for model in MODELS:
            answer = row[model]["solution"].rpartition("A:")[2].strip()
            yield Pair("gsm8k solution", gold, answer, bool(row[model]["is_correct"]))


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv, seed=1)))
