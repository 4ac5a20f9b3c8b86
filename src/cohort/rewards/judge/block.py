"""The data block of a judge's prompt: what stands in it cannot end it, nor speak outside of it.

The block lies between two tags that bear a nonce, a hash of everything in the prompt, the answer
among it: an answer would have to hold its own hash to write the tag. Inside is one line of JSON with
more escaped than JSON asks for: whatever could open a tag or a role in some model's chat format,
look like it, or be invisible. The escapes are JSON's own, so that nothing is lost: read as JSON, the
line gives back the texts.

Marker spoofing is what fools judges most often: 66.6 % of attempts, 39 points fewer once reserved
sequences are escaped ("Escaped Markup"); see also "One Token to Fool LLM-as-a-Judge" (arXiv 2507.08794).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping

from cohort.rewards.services.asking import name_of

NONCE_DIGITS = 32
OPENS = re.compile(r"<(?![\s=0-9.(\\-])|\[(?=/?[A-Za-z_]{3,}\])")
"""Where a tag could begin: `</data`, `<|im_start|>`, `<s>`, `[INST]`; not `a < b` and not `x <= 3`."""
SYNTAX = frozenset("<>[]{}|:/\\\"'`#")
ALIKE = frozenset("‹›〈〉《》⟨⟩❮❯❰❱˂˃ᐸᐳ≺≻⧼⧽⦑⦒│∣ǀ：∶꞉⁄∕⧸")  # noqa: RUF001  # that is what they are for
"""Characters that are read as brackets, bars, colons and slashes, and do not normalize to them."""


def nonce_of(*texts: str) -> str:
    """The mark of a block about these texts."""
    return name_of(*texts)[:NONCE_DIGITS]


def block(nonce: str, texts: Mapping[str, str]) -> str:
    """Named texts as the block that bears a nonce."""
    inside = (
        "{" + ", ".join(f"{quoted(name)}: {quoted(text)}" for name, text in texts.items()) + "}"
    )
    assert nonce not in inside, "a text holds a hash of itself"
    return f"<data-{nonce}>\n{inside}\n</data-{nonce}>"


def quoted(text: str) -> str:
    """A text as a JSON string on one line, from which nothing can break out."""
    plain = json.dumps(text, ensure_ascii=False)
    marked = OPENS.sub(lambda match: f"\\u{ord(match.group()):04x}", plain)
    return marked if marked.isascii() and marked.isprintable() else "".join(map(_harmless, marked))


def _harmless(character: str) -> str:
    if character.isascii() and character.isprintable():
        return character
    looks = unicodedata.normalize("NFKC", character)
    if character.isprintable() and character not in ALIKE and not SYNTAX & set(looks):
        return character
    escaped = json.dumps(character)[1:-1]  # which leaves DEL as it is
    return escaped if escaped.isprintable() else f"\\u{ord(character):04x}"
