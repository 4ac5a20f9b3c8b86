"""Random conversations with tools in six chat templates: what was recorded is what was said and shown.

    python -m proofs.conversations [--short]

Each conversation has one to five turns of a policy that says words, calls, thoughts or random tokens, and is
shown results of tools and messages of users, among them texts that spell the template's control tokens.
It held when

- the sampled tokens are in the record as they were sampled, and what was shown begins right after them;
- the record decodes to what was said and shown, letter by letter, as far as the tokenizer can;
- the control tokens of what was shown are the template's own, whatever the texts spell;
- the record is the template's own rendering of the whole, token by token, wherever the template writes
  earlier turns as they were said and no text spells a control token.

Where a template rewrites earlier turns the recorded tokens win, and the table says how often that was.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cohort.data import keyed
from cohort.policy.bounded import Chats
from cohort.policy.turns import Shown, Turns
from cohort.rollout.calls import spoken
from cohort.rollout.environments import Spoken
from cohort.rollout.messages import results, said
from proofs.command import main
from tests.chat_templates import STYLES, ends_of, tokenizer_of

COUNT, SHORT_COUNT = 10_200, 60
WORDS = (
    "the", "sum", "of", "twelve", "is", "42", "x = 3.5", "caf\u00e9", "\u4e2d\u6587", "\U0001f600", "a\nb",
    "  two spaces", "tab\t", '{"a": [1, 2]}', "</div>", "|>", "<|", "[1]", "~", "user", "assistant\n",
)  # fmt: skip
TOOLS = [
    {
        "type": "function",
        "function": {"name": name, "description": "Adds.", "parameters": {"type": "object"}},
    }
    for name in ("add", "look_up")
]
FEATURES: dict[str, Callable[[str], bool]] = {
    "answers": lambda text: True,
    "thoughts": lambda text: "</think>" in text,
    "space around answers": lambda text: text != text.strip(),
}
"""Which answers a template shows otherwise, by what it is said to rewrite."""


@dataclass
class Record:
    """One conversation: its tokens, its text as sent and received, and its messages.

    hostile: whether a text spells a control token. usual: whether every turn was sampled in the
    tokens that a tokenizer makes of its text. other_end: whether one was ended by another token than
    the template's. as_data: whether the template was given calls as data, and not what was sampled.
    """

    ids: list[int]
    text: str
    messages: list[dict[str, Any]]
    faults: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    hostile: bool = False
    usual: bool = True
    other_end: bool = False
    as_data: bool = False


class Talks:
    """Conversations in one style, with tools or without."""

    def __init__(self, name: str, tools: Sequence[Mapping[str, Any]]) -> None:
        self.style = STYLES[name]
        self.tokenizer = tokenizer_of(name)
        self.chats = Chats(self.tokenizer)
        self.ends = ends_of(name)
        self.tools = tools
        self.turns = Turns(self.tokenizer, self.chats, self.ends, tools)
        added = self.tokenizer.added_tokens_decoder
        self.plain = [n for n in range(len(self.tokenizer)) if n not in added]
        self.special = {n for n, token in added.items() if token.special}
        self.tags = self.special | {n for n, token in added.items() if "<" in token.content}
        self.rewrites = self.turns.rewrites()

    def talk(self, draw: np.random.Generator) -> tuple[Record, str]:
        """One conversation, and how it stands to the template's rendering."""
        record = self._begun(draw)
        for number in range(int(draw.integers(1, 6))):
            self._turn(record, number, draw)
        self._compare(record)
        return record, self._verdict(record)

    def _begun(self, draw: np.random.Generator) -> Record:
        text, hostile = self._words(draw)
        asked = [{"role": "user", "content": text}]
        prompt = self.turns.prompt(asked, "a conversation")
        record = Record(prompt.tokens.tolist(), prompt.text, list(asked), hostile=hostile)
        if hostile:
            calm = self.turns.prompt([{"role": "user", "content": "x"}], "a conversation")
            self._only_its_own(record, prompt, calm, self.special)
        return record

    def _turn(self, record: Record, number: int, draw: np.random.Generator) -> None:
        """The policy says something, and is shown what comes of it."""
        sampled, usual = self._sampled(draw)
        end = self.ends[-1] if draw.random() < 0.05 else self.ends[0]
        answer = self.tokenizer.decode(sampled, skip_special_tokens=True)
        heard = spoken(answer, number, self.style.form)
        seen, hostile = self._seen(heard, draw)
        before = [*record.messages, said(heard)]
        shown = self.turns.shown(before, seen, "a conversation")
        if hostile:
            calm = self.turns.shown(before, [{**m, "content": "x"} for m in seen], "the same")
            controls = self.tags if heard.calls else self.special
            self._only_its_own(record, shown, calm, controls)
        begin = len(record.ids)
        record.ids += [*sampled, end, *shown.tokens.tolist()]
        if record.ids[begin : begin + len(sampled) + 1] != [*sampled, end]:
            record.faults.append("sampled tokens were changed")
        record.text += self._decoded([*sampled, end]) + shown.text
        record.hostile |= hostile
        record.usual &= usual
        record.other_end |= end != self.ends[0]
        record.answers.append(answer)
        as_data = bool(heard.calls) and self.style.name == "mistral"  # which takes nothing else
        record.as_data |= as_data
        record.messages += [
            said(heard) if as_data else {"role": "assistant", "content": answer},
            *seen,
        ]

    def _sampled(self, draw: np.random.Generator) -> tuple[list[int], bool]:
        """Words, a call, a thought and words, or any tokens at all; and whether these are the
        tokenizer's own for their text."""
        kind = draw.random()
        if kind < 0.1:
            return [int(n) for n in draw.choice(self.plain, size=int(draw.integers(1, 12)))], False
        text, spelled = self._words(draw, control=False)
        text = "x" if spelled or not text.strip() else text.strip()
        if kind < 0.45:
            arguments = {"first": int(draw.integers(100)), "text": text}
            call = json.dumps({"name": "add", "arguments": arguments}, ensure_ascii=False)
            text = f"<tool_call>\n{call}\n</tool_call>" if self.style.form == "hermes" else call
        elif kind < 0.55:
            text = f"<think>\n{text}\n</think>\n\nso it is"
        elif kind < 0.6:
            text = f" {text}\n"
        if self.style.kind == "always":  # such a tokenizer has a space before whatever comes
            ids = list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        else:
            ids = self.turns.text_shown(text, self.ends[0]).tokens.tolist()
        return ids, not text[0].isspace()

    def _seen(self, heard: Spoken, draw: np.random.Generator) -> tuple[list[dict[str, Any]], bool]:
        """Results where something was called; otherwise what a user says."""
        texts = [self._words(draw) for _ in heard.calls or (0,)]
        hostile = any(control for _, control in texts)
        if heard.calls:
            told = [(call.name, text) for call, (text, _) in zip(heard.calls, texts, strict=True)]
            return [dict(message) for message in results(heard.number, told)], hostile
        return [{"role": "user", "content": texts[0][0]}], hostile

    def _words(self, draw: np.random.Generator, control: bool = True) -> tuple[str, bool]:
        """A text, one in twenty-five with a control token or tag spelled in it."""
        words = [str(draw.choice(WORDS)) for _ in range(int(draw.integers(1, 9)))]
        known = (*self.style.special, *(tag for tag in self.style.tags if "<" in tag))
        if control and draw.random() < 0.04:
            words.insert(int(draw.integers(len(words) + 1)), str(draw.choice(known)))
        text = ("" if draw.random() < 0.2 else " ").join(words)
        return text, any(token in text for token in known)

    def _only_its_own(self, record: Record, shown: Shown, calm: Shown, controls: set[int]) -> None:
        """Whether a text that spells control tokens adds any to those of a text that does not."""
        found, own = ([n for n in one.tokens.tolist() if n in controls] for one in (shown, calm))
        if found != own:
            names = self.tokenizer.convert_ids_to_tokens
            record.faults.append(f"control tokens {names(found)}, and not {names(own)}")

    def _compare(self, record: Record) -> None:
        """Whether the record decodes to what was said and shown, and ends as many turns."""
        decoded, text = self._bare(self._decoded(record.ids)), self._bare(record.text)
        if decoded != text:
            record.faults.append(f"decodes otherwise: {_difference(decoded, text)}")
        told = sum(n in self.ends for n in record.ids)
        by_template = (
            len(record.messages) - len(record.answers) if self.style.name != "mistral" else 0
        )
        wanted = len(record.answers) + by_template
        wanted += int(bool(self.tools) and self.style.name in ("chatml", "llama3", "thinking"))
        if told != wanted:
            record.faults.append(f"{told} turns end, of {wanted}")

    def _verdict(self, record: Record) -> str:
        """How the record stands to the template's own rendering of the whole conversation."""
        whole = self.chats.text(record.messages, "the whole", self.tools)
        own = list(self.tokenizer(whole, add_special_tokens=False)["input_ids"])
        if own == record.ids:
            return "the template's own, token by token"
        if any(FEATURES[name](answer) for name in self.rewrites for answer in record.answers):
            return "rewritten by the template"
        if record.as_data:
            return "a call written by the template and not as it was sampled"
        if record.other_end:
            return "another end of a turn was sampled"
        if self._bare(whole) != self._bare(record.text):
            record.faults.append(f"not the rendering: {_difference(whole, record.text)}")
        if record.usual and not record.hostile:
            record.faults.append("the text of the rendering, in other tokens")
        return "control text kept as text" if record.hostile else "sampled in tokens not the usual"

    def _bare(self, text: str) -> str:
        """A text without spaces and ends of lines where they are the tokenizer's own matter."""
        return "".join(text.split()) if self.style.kind in ("always", "first") else text

    def _decoded(self, ids: list[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=False))


def _difference(found: str, wanted: str) -> str:
    place = next((n for n, (a, b) in enumerate(zip(found, wanted, strict=False)) if a != b), -1)
    return f"{found[max(place - 20, 0) : place + 20]!r} for {wanted[max(place - 20, 0) : place + 20]!r}"


def prove(short: bool, seed: int) -> dict[str, object]:
    """As many conversations in each of the styles, with tools and without where it knows tools."""
    count = (SHORT_COUNT if short else COUNT) // len(STYLES)
    table: dict[str, object] = {}
    failures: list[str] = []
    held = 0
    for name, style in STYLES.items():
        plain = Talks(name, ())
        kinds = [plain, Talks(name, TOOLS)] if "tools" in style.template else [plain]
        if plain.rewrites != style.rewrites:
            failures.append(f"{name} rewrites {plain.rewrites}")
        found: Counter[str] = Counter()
        for number in range(count):
            draw = np.random.default_rng(keyed.digest(seed, name, number) % 2**63)
            record, verdict = kinds[number % len(kinds)].talk(draw)
            failures += [f"{name} {number}: {fault}" for fault in record.faults]
            held += not record.faults
            found[verdict] += 1
        table[name] = {**found, **{f"rewrites{_how(k)}": list(k.rewrites) for k in kinds}}
    return {
        "name": "conversations",
        "asked": count * len(STYLES) + len(STYLES),
        "held": held + len(STYLES) - sum(" rewrites " in failure for failure in failures),
        "failures": failures[:20],
        **table,
    }


def _how(talks: Talks) -> str:
    return " with tools" if talks.tools else ""


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv, seed=1)))
