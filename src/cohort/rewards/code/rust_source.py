"""A Rust source read as text: its tests, their asserts, and the same source with its functions hollowed out.

Not a parser. Comments and the insides of strings are blanked first, so that a brace or a word in them
counts for nothing; the rest is found by matching brackets. What is too clever for this reads as a
source without telling tests, never as one with more of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LEAST_LINES = 3
"""Lines of code outside the tests, without which there is nothing to test."""

_SKIPPED = re.compile(
    r"//[^\n]*"
    r"|/\*"
    r'|\b(?:b|c)?r(?P<hashes>#*)".*?"(?P=hashes)'
    r'|"(?:[^"\\]|\\.)*"'
    r"|'(?:[^'\\\n]|\\(?:x[0-9a-fA-F]{2}|u\{[0-9a-fA-F_]{1,8}\}|.))'",
    re.DOTALL,
)
_COMMENT_MARK = re.compile(r"/\*|\*/")
_TESTS = re.compile(r"#\s*\[\s*cfg\s*\(\s*test\s*\)\s*\][^{};]*\bmod\s+\w+\s*\{")
_FUNCTION = re.compile(r"(\bconst\s+(?:unsafe\s+)?)?\bfn\s+(\w+)")
_TYPE = re.compile(r"\b(?:struct|enum|trait|type|macro_rules!)\s+(\w+)")
_ASSERT = re.compile(r"\b(?:debug_)?(assert(?:_eq|_ne)?)!\s*([(\[{])")
_TEST = re.compile(r"#\s*\[\s*test\s*\]")
_SILENCED = re.compile(r"\b(?:allow|expect)\s*\([^)]*\b(?:clippy|warnings)\b")
_FORBIDDEN = re.compile(
    r"\bprocess\b|\bcatch_unwind\b|\blink_section\b|\bno_mangle\b|\bset_hook\b|\bcfg_attr\b|\bcfg!|"
    r"\bcfg\s*\(\s*not\b|\bno_main\b|\bignore\b(?=\s*[\]=])|\bfrom_raw_fd\b|\bstdout\b|\babort\b"
)
_CLOSING = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class RustSource:
    """What is known of a source: `text` as it is, `code` blanked, both of the same length.

    tests: where the modules under `#[cfg(test)]` begin and end.
    """

    text: str
    code: str
    tests: tuple[tuple[int, int], ...]

    @property
    def own(self) -> str:
        """The code outside the tests."""
        outside = self.code
        for begin, end in reversed(self.tests):
            outside = outside[:begin] + outside[end:]
        return outside

    @property
    def test_count(self) -> int:
        """The number of `#[test]` functions, wherever they are."""
        return len(_TEST.findall(self.code))

    @property
    def silences_clippy(self) -> bool:
        """Whether it tells clippy not to look."""
        return _SILENCED.search(self.code) is not None

    @property
    def telling_asserts(self) -> int:
        """Asserts in the tests, each counted once, that speak of something defined outside them."""
        own = self.own
        names = {m[2] for m in _FUNCTION.finditer(own)} | {m[1] for m in _TYPE.finditer(own)}
        names.discard("main")
        if not names:
            return 0
        known = re.compile(r"\b(?:" + "|".join(map(re.escape, sorted(names))) + r")\b")
        return len({said for said, code in self._asserts() if known.search(code)})

    def complaint(self) -> str:
        """Why its tests would say nothing, whatever they say; empty where they may."""
        if not self.tests or not self.test_count:
            return "there is no test module with a #[test]"
        if sum(bool(line.strip()) for line in self.own.splitlines()) < LEAST_LINES:
            return f"fewer than {LEAST_LINES} lines of code outside the tests"
        if not self.telling_asserts:
            return "no assert speaks of what the program defines"
        found = _FORBIDDEN.search(self.code)
        return f"it uses {found[0].strip()!r}, with which a test can lie" if found else ""

    def hollowed(self) -> str:
        """The same source, in which every function outside the tests panics at once.

        Tests that pass on it do not depend on what the functions do.
        """
        places = [place for place in self._bodies() if not self._in_tests(place)]
        text = self.text
        for place in reversed(places):
            text = f'{text[:place]} panic!("hollow"); {text[place:]}'
        return "#![allow(unreachable_code, unused, clippy::all)]\n" + text

    def _bodies(self) -> Iterator[int]:
        """Where the bodies of functions begin; those that may run at compile time are left alone."""
        for match in _FUNCTION.finditer(self.code):
            depth, place = 0, match.end()
            while place < len(self.code) and (depth or self.code[place] not in "{;"):
                depth += (self.code[place] in "([") - (self.code[place] in ")]")
                place += 1
            if place < len(self.code) and self.code[place] == "{" and not match[1]:
                yield place + 1

    def _in_tests(self, place: int) -> bool:
        return any(begin <= place < end for begin, end in self.tests)

    def _asserts(self) -> Iterator[tuple[str, str]]:
        """What the asserts in the tests hold, and its code; not those of a thing with itself."""
        for match in _ASSERT.finditer(self.code):
            if not self._in_tests(match.start()):
                continue
            end = _closing(self.code, match.end() - 1)
            sides = _parts(self.code, match.end(), end - 1)[: 1 if match[1] == "assert" else 2]
            said = ["".join(self.text[begin:stop].split()) for begin, stop in sides]
            if len(set(said)) == len(said) and sides:
                yield match[1] + ",".join(said), self.code[sides[0][0] : sides[-1][1]]


def read_rust(text: str) -> RustSource:
    """Read a source."""
    code = _blanked(text)
    tests = tuple((m.start(), _closing(code, m.end() - 1)) for m in _TESTS.finditer(code))
    return RustSource(text, code, tests)


def _blanked(text: str) -> str:
    """The text with spaces for comments and for what is in strings."""
    kept, place = [], 0
    while match := _SKIPPED.search(text, place):
        end = _comment_end(text, match.end()) if match[0] == "/*" else match.end()
        kept.append(text[place : match.start()])
        kept.append(re.sub(r"[^\n]", " ", text[match.start() : end]))
        place = end
    return "".join([*kept, text[place:]])


def _comment_end(text: str, place: int) -> int:
    """Comments of this kind are nested."""
    depth = 1
    while depth:
        mark = _COMMENT_MARK.search(text, place)
        if mark is None:
            return len(text)
        depth += 1 if mark[0] == "/*" else -1
        place = mark.end()
    return place


def _closing(code: str, place: int) -> int:
    """Just after the bracket that closes the one at this place; the end where none does."""
    opening, closing = code[place], _CLOSING[code[place]]
    depth = 0
    for end in range(place, len(code)):
        depth += (code[end] == opening) - (code[end] == closing)
        if not depth:
            return end + 1
    return len(code)


def _parts(code: str, begin: int, end: int) -> list[tuple[int, int]]:
    """Where the parts of a call begin and end that its commas separate."""
    parts, depth, last = [], 0, begin
    for place in range(begin, end):
        depth += (code[place] in "([{") - (code[place] in ")]}")
        if code[place] == "," and not depth:
            parts.append((last, place))
            last = place + 1
    parts.append((last, end))
    return [(first, after) for first, after in parts if code[first:after].strip()]
