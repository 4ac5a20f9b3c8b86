"""What `cohort check` can say: a mistake to be mended, or something to look at, each with a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MISTAKES: Mapping[str, str] = {
    "pays for nothing": "an answer that says nothing is worth as much as half of a right one",
    "pays for form": "the form alone is",
    "pays for length": "an answer is worth more the longer it is, whatever it says",
    "impure": "the same answers get other values the second time",
    "depends on order": "the same answers get other values in another order",
    "changes what it is given": "the function changes its arguments",
    "hangs": "a call did not return",
    "raises": "a call raised",
    "is no number": "a value is NaN, infinite, or no number at all",
    "constant": "every answer gets the same value",
    "pays no right answer": "nothing that the problems call right is paid",
    "reads another column": "a column that looks like the answer is not the one that is paid",
    "gold in the prompt": "the prompts hold their own answers",
    "strict about spaces": "spaces or line breaks around a right answer make it wrong",
    "strict about case": "upper and lower case make a right answer wrong",
    "pays for several answers": "a right answer among wrong ones is paid",
    "slow": "scoring a step takes longer than the rest of it",
    "the model": "the model or its tokenizer cannot be trained as it is",
    "the template": "the chat template does not begin or end an assistant's turn",
    "cut": "right answers do not fit into max_new_tokens, or no sampled answer ended",
    "no spread": "every sampled group has one reward for all of its answers",
    "log-probabilities": "the sampler's and the trainer's differ",
    "memory": "the largest micro-batch does not fit",
}
"""Every finding by name, and what it means."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence, or a few; `mend`: training should not begin before it is mended."""

    name: str
    where: str
    text: str
    mend: bool = True

    def __post_init__(self) -> None:
        assert self.name in MISTAKES, self.name


@dataclass(slots=True)
class Checked:
    """The findings about a recipe, and what was looked at and measured, as sentences."""

    findings: list[Finding] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)

    @property
    def to_mend(self) -> list[Finding]:
        """What must be mended."""
        return [finding for finding in self.findings if finding.mend]

    @property
    def to_look_at(self) -> list[Finding]:
        """What may be meant as it is."""
        return [finding for finding in self.findings if not finding.mend]

    def as_json(self) -> dict[str, object]:
        """All of it, for machines."""
        return {
            kind: [{"name": f.name, "where": f.where, "text": f.text} for f in found]
            for kind, found in (("mend", self.to_mend), ("look", self.to_look_at))
        } | {"facts": list(self.facts)}
