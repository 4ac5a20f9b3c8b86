"""Which language a text is in, as far as scripts and a few frequent words can tell.

The script of a letter is the first word of its Unicode name. Languages that share a script are told
apart by words that are frequent in one of them alone; the lists are short, so a sentence has some
of them and a name or a formula has none.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

LANGUAGES: dict[str, tuple[str, ...]] = {
    "en": ("LATIN",),
    "de": ("LATIN",),
    "fr": ("LATIN",),
    "es": ("LATIN",),
    "it": ("LATIN",),
    "pt": ("LATIN",),
    "nl": ("LATIN",),
    "ru": ("CYRILLIC",),
    "uk": ("CYRILLIC",),
    "el": ("GREEK",),
    "ar": ("ARABIC",),
    "he": ("HEBREW",),
    "hi": ("DEVANAGARI",),
    "th": ("THAI",),
    "ko": ("HANGUL",),
    "zh": ("CJK",),
    "ja": ("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"),
}
"""Languages by ISO 639-1 code, with the scripts that they are written in."""

FREQUENT = {
    "en": "the and of to is that it was for with as this have be are by from which or were they "
    "their what so we you then there been if would will can how but not has had its first",
    "de": "der die das und ist nicht ein eine den von zu mit sich auf dem des als auch es an werden "
    "aus er hat dass sie nach wird bei wir ich sind noch wie einen zum aber dann oder also ergibt",
    "fr": "le la les et est des une du dans que qui pour pas par sur avec ce il au plus sont elle "
    "nous vous cette mais ou on donc alors aux ces leur fait être ont",
    "es": "el la los las y es de que en un una por con para del se no al lo como más pero sus le ya "
    "este porque esta entre cuando muy sin sobre también hay son entonces",
    "it": "il la di che è e un una per non con del della si le da sono dei gli al come anche più ma "
    "nel alla questo quindi dalla delle essere ha allora perché cui",
    "pt": "o a os as de que e é do da em um uma para com não por mais dos como mas ao ele das se na "
    "no são também pelo pela até isso entre depois então você",
    "nl": "de het een en van is dat op te zijn niet met voor in er aan ook als bij maar uit wordt "
    "naar om hij ze deze dan nog kan dus wij geen wat worden",
    "ru": "и в не на что с он как это по но из у за так же от о бы только было если она мы они был "
    "тогда или её все для чтобы этот есть",
    "uk": "і в не на що з він як це по але із у за так від про б тільки було якщо вона ми вони був "
    "тоді або її всі для щоб цей є та й",
}

_WORD = re.compile(r"[^\W\d_]+")


def _distinctive() -> dict[str, str]:
    """For each word that is frequent in one language alone, that language."""
    owners: dict[str, list[str]] = {}
    for code, words in FREQUENT.items():
        for word in words.split():
            owners.setdefault(word, []).append(code)
    return {word: codes[0] for word, codes in owners.items() if len(codes) == 1}


DISTINCTIVE = _distinctive()
"""Words that are on the list of one language alone, with it."""


def share_of_language(text: str, language: str) -> float:
    """The share of the letters in the language's scripts, times that of its own frequent words."""
    by_script = script_counts(text)
    letters = sum(by_script.values())
    if not letters:
        return 0.0
    written = sum(by_script[script] for script in LANGUAGES[language]) / letters
    own, others = _frequent_words(text, language)
    return written * (own / (own + others) if own + others else 1.0)


def script_counts(text: str) -> Counter[str]:
    """How many letters a text has of each script, by the first word of their Unicode names."""
    counts: Counter[str] = Counter()
    for character, times in Counter(text).items():
        if character.isalpha():
            counts[unicodedata.name(character, "UNNAMED").split(" ", 1)[0]] += times
    return counts


def _frequent_words(text: str, language: str) -> tuple[int, int]:
    """Distinctive words of the language, and of the others that share its script."""
    if language not in FREQUENT:
        return 0, 0
    own = others = 0
    for word, times in Counter(_WORD.findall(text.casefold())).items():
        code = DISTINCTIVE.get(word)
        if code == language:
            own += times
        elif code is not None and LANGUAGES[code] == LANGUAGES[language]:
            others += times
    return own, others
