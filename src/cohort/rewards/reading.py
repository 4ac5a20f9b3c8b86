"""How an answer is read: the text of a completion, its think section, its final answer.

Reward functions receive text or chat messages, and prompts that may end with an opened `<think>`;
everything that depends on this is here. Nothing is evaluated and nothing is guessed: a text that
does not have the asked form has no answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

Text = str | Sequence[Mapping[str, Any]]
"""A prompt or a completion as a reward function receives it: text, or a list of chat messages."""

OPEN_THINK, CLOSE_THINK = "<think>", "</think>"
OPEN_ANSWER, CLOSE_ANSWER = "<answer>", "</answer>"

_NUMBER = re.compile(
    r"(?:(?<![0-9)])[-+])?\$?(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?(?:/[0-9]+)?"
)


def text_of(completion: Text) -> str:
    """The text of a completion; of chat messages, the content of the last one of the assistant."""
    if isinstance(completion, str):
        return completion
    spoken = [m["content"] for m in completion if m.get("role") == "assistant"]
    return str(spoken[-1]) if spoken else ""


def answered(prompt: Text, completion: Text) -> str:
    """The completion's text, with the `<think>` before it that a prompt may already have opened."""
    if not isinstance(prompt, str):
        prompt = str(prompt[-1].get("content", "")) if prompt else ""
    opened = prompt.rstrip().endswith(OPEN_THINK)
    return (OPEN_THINK if opened else "") + text_of(completion)


def texts(prompts: Sequence[Text] | None, completions: Sequence[Text]) -> list[str]:
    """`answered` of every completion; without prompts their plain texts."""
    if prompts is None:
        return [text_of(completion) for completion in completions]
    return [answered(p, c) for p, c in zip(prompts, completions, strict=True)]


def think_section(text: str) -> str | None:
    """What is inside the only `<think>…</think>`; None when there is not exactly one, closed."""
    if text.count(OPEN_THINK) != 1 or text.count(CLOSE_THINK) != 1:
        return None
    _, _, rest = text.partition(OPEN_THINK)
    inside, closed, _ = rest.partition(CLOSE_THINK)
    return inside if closed else None


def final_answer(text: str) -> str | None:
    """What is inside `<answer>…</answer>` when the text ends with it; None otherwise.

    There must be exactly one pair of answer tags, with nothing but whitespace after it. A think
    section is not needed; where there is one it must be whole and end before the answer begins.
    """
    if text.count(OPEN_ANSWER) != 1 or text.count(CLOSE_ANSWER) != 1:
        return None
    before, _, rest = text.partition(OPEN_ANSWER)
    inside, closed, after = rest.partition(CLOSE_ANSWER)
    thinks = OPEN_THINK in text or CLOSE_THINK in text
    if not closed or after.strip() or (thinks and think_section(before) is None):
        return None
    return inside.strip()


def found_answer(text: str) -> str | None:
    """The answer in a text of any form; None where there is none.

    The last `<answer>…</answer>`, else the last `\\boxed{…}`, else what follows the last `####` on
    its line, else the last number. Only what comes after the thinking counts: numbers inside a
    think section are not answers, and a text that never stops thinking has none.
    """
    after = text.rpartition(CLOSE_THINK)[2]
    if OPEN_THINK in after:
        return None
    for find in (_in_answer_tags, _in_box, _after_hashes, _last_number):
        found = find(after)
        if found is not None:
            return found.strip()
    return None


def _in_answer_tags(text: str) -> str | None:
    before, closed, _ = text.rpartition(CLOSE_ANSWER)
    _, opened, inside = before.rpartition(OPEN_ANSWER)
    return inside if closed and opened else None


def _in_box(text: str) -> str | None:
    _, opened, rest = text.rpartition("\\boxed{")
    depth = 1
    for i, character in enumerate(rest if opened else ""):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return rest[:i]
    return None


def _after_hashes(text: str) -> str | None:
    _, marked, rest = text.rpartition("####")
    line = rest.strip().split("\n", 1)[0]
    return line if marked and line else None


def _last_number(text: str) -> str | None:
    numbers = _NUMBER.findall(text)
    return numbers[-1] if numbers else None
