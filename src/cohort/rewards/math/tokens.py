"""An answer as tokens: plain text, Unicode signs and LaTeX become the same few dozen words.

Layout (`\\left`, `\\,`, `\\displaystyle`, `$`) goes; currency signs go; `\\text{...}` stays together.
The patterns have no repetition inside a repetition, so that they are linear in the text. What is no
LaTeX and no sign of mathematics makes the text prose.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from cohort.rewards.math.bounds import LONGEST_ANSWER, MOST_TOKENS, UnreadError

Kind = Literal["number", "letter", "word", "text", "command", "sign"]


@dataclass(frozen=True, slots=True)
class Token:
    """`spaced`: whether white space stood before it."""

    kind: Kind
    text: str
    spaced: bool = False


_TOKEN = re.compile(
    r"""(?P<space>(?:\s|~|\\[,;:!\ >]|\\(?:quad|qquad)(?![A-Za-z]))+)
    |(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+(?![A-Za-z0-9.]))?)
    |\\(?P<command>[A-Za-z]+|[{}|%$&#_\\])
    |(?P<word>[^\W\d_]+)
    |(?P<sign><=|>=|==|\*\*|[-+*/^_=<>()\[\]{}|,;:!&%.])""",
    re.VERBOSE,
)
_GROUPED = re.compile(r"(?<![0-9.,])([0-9]{1,3})((?:(?:,|\{,\}|\\[,!])[0-9]{3})+)(?![0-9]|,[0-9])")
_SEPARATOR = re.compile(r",|\{,\}|\\[,!]")
_TEXT = re.compile(
    r"\\(?P<font>text|textbf|textit|textrm|textnormal|mbox|mathrm|mathbf|mathit|mathsf|operatorname)"
    r"\*?\s*\{(?P<inside>[^{}\\]*)\}"
)
_DELIMITER = re.compile(r"(?<!\\)\\[()\[\]]")

SPELLED: dict[str, str | int | None] = {
    "−": "-", "–": "-", "—": "-", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "÷": r"\div ",  # noqa: RUF001
    "∙": r"\cdot ", "≤": "<=", "≥": ">=", "≠": r"\neq ", "≈": r"\approx ", "±": r"\pm ", "∓": r"\mp ",
    "∞": r"\infty ", "∪": r"\cup ", "∅": r"\emptyset ", "∈": r"\in ", "°": r"\degree ", "√": r"\surd ",  # noqa: RUF001
    "π": r"\pi ", "²": "^2 ", "³": "^3 ", "½": r"\frac12 ", "¼": r"\frac14 ", "¾": r"\frac34 ",
    "⅓": r"\frac13 ", "⅔": r"\frac23 ", "\u2061": "", "，": ",", "（": "(", "）": ")",  # noqa: RUF001
    "€": "", "£": "", "¥": "", "$": "",
}  # fmt: skip
"""Signs outside of ASCII, and currency signs, by what they are read as."""

SAME_COMMAND = {
    "dfrac": "frac", "tfrac": "frac", "cfrac": "frac", "dbinom": "binom", "tbinom": "binom",
    "lbrace": "{", "rbrace": "}", "lvert": "|", "rvert": "|", "vert": "|", "mid": "|", "lbrack": "[",
    "rbrack": "]", "leq": "<=", "le": "<=", "leqslant": "<=", "geq": ">=", "ge": ">=", "geqslant": ">=",
    "neq": "!=", "ne": "!=", "lt": "<", "gt": ">", "times": "*", "cdot": "*", "ast": "*", "div": "/",
    "approx": "=", "|": "|", "_": "_", "colon": ":", "varnothing": "emptyset", "circ": "degree",
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "%": "%", "&": "&", "lor": "or", "vee": "or",
    "land": "and", "wedge": "and", "inf": "infty", "infinity": "infty", "oo": "infty", "degrees": "degree",
    "deg": "degree", "varphi": "phi", "varepsilon": "epsilon", "vartheta": "theta",
}  # fmt: skip
"""Commands that are another one, or a sign."""

LAYOUT = frozenset([
    "left", "right", "bigl", "bigr", "Bigl", "Bigr", "biggl", "biggr", "big", "Big", "bigg", "Bigg",
    "displaystyle", "textstyle", "limits", "nolimits", "thinspace", "medspace", "enspace", "mathstrut",
    "strut", "hfill", "normalsize",
])  # fmt: skip
"""Commands that mean nothing."""

PLAIN_COMMANDS = frozenset([
    "sqrt", "pi", "infty", "infinity", "inf", "oo", "sin", "cos", "tan", "cot", "sec", "csc", "arcsin",
    "arccos", "arctan", "sinh", "cosh", "tanh", "ln", "log", "exp", "abs", "and", "or", "cup", "degrees",
    "degree",
])  # fmt: skip
"""Words that are commands without a backslash too."""

_SIGNS = frozenset(["<=", ">=", "!=", *"-+*/^_=<>()[]|,;:!&%."])


def tokens_of(text: str) -> list[Token]:
    """The tokens of an answer. Raises UnreadError."""
    if len(text) > LONGEST_ANSWER:
        raise UnreadError(
            "cost", f"the answer has {len(text)} characters, {LONGEST_ANSWER} are read"
        )
    text = _plain(text)
    found: list[Token] = []
    place, spaced = 0, False
    while place < len(text):
        if opened := _TEXT.match(text, place):
            found += _text(opened["font"], opened["inside"], spaced, found)
            place, spaced = opened.end(), False
            continue
        match = _TOKEN.match(text, place)
        if match is None:
            raise UnreadError("words", f"{text[place]!r} is no sign of mathematics")
        place = match.end()
        if match.lastgroup == "space":
            spaced = True
            continue
        found += _token(match, spaced)
        spaced = spaced and match["command"] in LAYOUT
    if len(found) > MOST_TOKENS:
        raise UnreadError("cost", f"the answer has {len(found)} signs, {MOST_TOKENS} are read")
    return found


def _plain(text: str) -> str:
    """The text with one spelling for every sign, and without separators of thousands."""
    text = text.replace(r"\$", "").translate(str.maketrans(SPELLED))
    text = _DELIMITER.sub(" ", text)
    return _GROUPED.sub(lambda m: _joined(m, text), text).strip()


def _joined(match: re.Match[str], text: str) -> str:
    """A grouped number in one piece; inside brackets a bare comma separates two numbers."""
    before = text[: match.start()]
    depth = sum(before.count(c) for c in "([") - sum(before.count(c) for c in ")]")
    depth += before.count(r"\{") - before.count(r"\}")
    if depth > 0 and "," in match[2].replace("{,}", "").replace(r"\,", ""):
        return match[0]
    return match[1] + _SEPARATOR.sub("", match[2])


def _token(match: re.Match[str], spaced: bool) -> list[Token]:
    kind, text = match.lastgroup, match.group()
    if kind == "number":
        return [Token("number", text, spaced)]
    if kind == "sign":
        return [Token("sign", {"**": "^", "==": "="}.get(text, text), spaced)]
    if kind == "word":
        return [_word(text, spaced)]
    return _command(match["command"], spaced)


def _word(text: str, spaced: bool) -> Token:
    if text.lower() in PLAIN_COMMANDS and len(text) > 1:
        text = text.lower()
        return Token("command", SAME_COMMAND.get(text, text), spaced)
    if len(text) == 1 and text.isascii():
        return Token("letter", text, spaced)
    return Token("word", text, spaced)


def _command(name: str, spaced: bool) -> list[Token]:
    if name in LAYOUT:
        return []
    same = SAME_COMMAND.get(name, name)
    return [Token("sign" if same in _SIGNS else "command", same, spaced)]


def _text(font: str, inside: str, spaced: bool, before: list[Token]) -> list[Token]:
    """What is set in a font: a word between answers, a letter or a number in bold, or words."""
    words = " ".join(inside.split())
    if not words:
        return []
    if words.lower() in ("and", "or"):
        return [Token("command", words.lower(), spaced)]
    after_number = bool(before) and before[-1].kind == "number"
    letter = len(words) == 1 and (words in "ei" or not after_number)
    if font.startswith(("math", "operator")) and (
        letter or words.lower() in PLAIN_COMMANDS or words.replace(".", "", 1).isdecimal()
    ):
        return tokens_of(words)
    return [Token("text", words, spaced)]
