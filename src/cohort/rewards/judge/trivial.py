"""Answers that no judge needs to see: those that say nothing are worth 0.

A judge asked about nothing finds something: a lone ":" or "Thought process:" is given a positive
verdict by many (arXiv 2507.08794, "One Token to Fool LLM-as-a-Judge"). What says nothing is settled
by rule instead: an answer without a letter, a digit or a mathematical sign, and one that only opens
a solution.
"""

from __future__ import annotations

import re
import unicodedata

OPENERS = frozenset(
    (
        "answer", "final answer", "the answer is", "the final answer is", "solution", "the solution is",
        "reasoning", "thinking", "think", "thought", "thoughts", "thought process", "explanation", "proof",
        "step by step", "lets think", "lets think step by step", "lets solve this problem",
        "lets solve this problem step by step", "lets solve this step by step", "lets think about this",
        "i will solve this problem step by step", "to solve this problem", "here is the solution",
        "here is my answer", "here is the answer", "assistant", "response", "解", "解答", "答案", "思考过程",
        "让我们一步一步地思考", "かいせつ", "解説", "respuesta", "solución", "lösung", "antwort", "réponse",
        "решение", "ответ",
    )
)  # fmt: skip
"""Beginnings of solutions, in small letters without punctuation; with nothing after them, no answers."""


def is_trivial(answer: str, reference: str = "") -> bool:
    """Whether an answer says nothing. One that is the reference word for word says something."""
    said = _bare(answer)
    if reference and said and said == _bare(reference):
        return False
    return said in OPENERS or not any(map(_says_something, said))


def _bare(text: str) -> str:
    """Small letters, without what is invisible or empty, without punctuation, single spaces."""
    filled = re.sub(r"\\[A-Za-z]+\s*\{\s*\}", "", text)  # \boxed{}
    normal = unicodedata.normalize("NFKC", filled).casefold()
    visible = (c for c in normal if unicodedata.category(c)[0] not in "CM" or c.isspace())
    unquoted = re.sub("['’`]", "", "".join(visible))  # noqa: RUF001
    return " ".join(
        "".join(" " if unicodedata.category(c)[0] == "P" else c for c in unquoted).split()
    )


def _says_something(character: str) -> bool:
    """Letters, digits, and mathematical signs beyond those of a keyboard: an answer can be "∅"."""
    kind = unicodedata.category(character)
    return kind[0] in "LN" or (kind == "Sm" and not character.isascii())
