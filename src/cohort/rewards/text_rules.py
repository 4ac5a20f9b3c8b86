"""Rewards that compare an answer's words: with a reference, or with a language.

Words, not meaning: a text of the right words in the wrong order, or of the right language without
sense, is paid. Signature and arguments are as in `rules`; the longest common
subsequence is taken of at most 10,000 words, everything else in time in proportion to the text.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence

from cohort.config.lookup import nearest
from cohort.errors import RewardError, legible
from cohort.rewards.form_rules import TAGS, said_in
from cohort.rewards.languages import LANGUAGES, share_of_language
from cohort.rewards.reading import Text, text_of, texts

MOST_WORDS = 10_000
"""Words of an answer and of a reference that are compared; what follows only counts as length."""

BLEU_ORDER = 4

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+")


def language(*, completions: Sequence[Text], language: str = "en", **_: object) -> list[float]:
    """The share of an answer that is in the language asked for, thinking included; from 0 to 1.

        letters of its scripts / letters  *  own words / (own + others' words)

    The language consistency of DeepSeek-R1 (arXiv:2501.12948, section 2.3.2: the share of words in
    the target language), as far as it can be told without a model. The first factor goes by Unicode
    script. The second goes by words that are frequent in one language and not in the others of its
    script (`languages`); it is 1 where none of them occurs. So a short text, a list of names or code
    counts as any language of its script, and one in a language that is not listed does too. The
    four tags do not count. A text without letters is worth 0.
    """
    if language not in LANGUAGES:
        near = nearest(language, LANGUAGES)
        raise RewardError(
            f'reward "language" knows no "{legible(language)}"; it knows {", ".join(LANGUAGES)}',
            f'did you mean "{near}"?' if near else "a language is named by its ISO 639-1 code",
        )
    return [share_of_language(_without_tags(text_of(c)), language) for c in completions]


def overlap(
    *,
    completions: Sequence[Text],
    answer: Sequence[object],
    prompts: Sequence[Text] | None = None,
    measure: str = "f1",
    **_: object,
) -> list[float | None]:
    """How far an answer's words are those of the column `answer`, by `measure`; from 0 to 1.

        f1        2 m / (c + r), m words in common, each as often as in both (Rajpurkar et al. 2016)
        rouge-l   2 l / (c + r), l the longest common subsequence (Lin 2004, F with beta = 1)
        bleu      exp(min(0, 1 - r/c)) (prod over n = 1..4 of p_n)^(1/4), p_n the share of the
                  n-grams found in the reference, (m + 1) / (c + 1) from n = 2 on (Lin and Och 2004)

    c and r count the words of the answer, as `choice` reads it, and of the reference. Words are
    runs of letters and digits without case, a Chinese or Japanese character is one. Of a list of
    references the best counts. None without a reference, or for one without words. Copying words
    of the prompt that are likely in an answer pays: use it where nothing stricter is at hand.
    """
    if measure not in MEASURES:
        raise RewardError(
            f'reward "overlap" has no measure "{legible(measure)}"',
            f"use one of {', '.join(MEASURES)}",
        )
    return [
        _best(text, _references(gold), MEASURES[measure])
        for text, gold in zip(texts(prompts, completions), answer, strict=True)
    ]


def words_in(text: str) -> list[str]:
    """The words of a text: runs of letters and digits, in lower case."""
    return _WORD.findall(text.casefold())


def f1(answer: Sequence[str], reference: Sequence[str]) -> float:
    """The harmonic mean of precision and recall of words, as often as they occur in both."""
    shared = Counter(answer[:MOST_WORDS]) & Counter(reference[:MOST_WORDS])
    return 2.0 * shared.total() / (len(answer) + len(reference))


def rouge_l(answer: Sequence[str], reference: Sequence[str]) -> float:
    """The harmonic mean of precision and recall of the longest common subsequence."""
    shared = _in_same_order(answer[:MOST_WORDS], reference[:MOST_WORDS])
    return 2.0 * shared / (len(answer) + len(reference))


def bleu(answer: Sequence[str], reference: Sequence[str]) -> float:
    """Smoothed BLEU of one sentence against one reference, orders 1 to 4."""
    shares = []
    for n in range(1, BLEU_ORDER + 1):
        ours, theirs = _grams(answer[:MOST_WORDS], n), _grams(reference[:MOST_WORDS], n)
        smoothed = int(n > 1)
        total = max(len(answer) - n + 1, 0) + smoothed
        shares.append(((ours & theirs).total() + smoothed) / total)
    if not shares[0]:
        return 0.0
    brevity = min(0.0, 1.0 - len(reference) / len(answer))
    return math.exp(brevity + sum(map(math.log, shares)) / BLEU_ORDER)


MEASURES: dict[str, Callable[[Sequence[str], Sequence[str]], float]] = {
    "f1": f1,
    "rouge-l": rouge_l,
    "bleu": bleu,
}
"""The measures of `overlap`, of two lists of words that are not empty."""


def _best(
    text: str,
    references: Sequence[Sequence[str]],
    measure: Callable[[Sequence[str], Sequence[str]], float],
) -> float | None:
    if not references:
        return None
    words = words_in(said_in(text) or "")
    return max(measure(words, reference) for reference in references) if words else 0.0


def _references(gold: object) -> list[list[str]]:
    listed = gold if isinstance(gold, (list, tuple)) else [gold]
    read = [words_in(str(one)) for one in listed if one is not None]
    return [words for words in read if words]


def _grams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[i:] for i in range(n)), strict=False))


def _in_same_order(first: Sequence[str], second: Sequence[str]) -> int:
    """The length of the longest common subsequence, a column of the table as bits of one number.

    Allison and Dix (1986), in Hyyro's form (2004): a zero in `row` is a step of the staircase.
    """
    places: dict[str, int] = {}
    for place, word in enumerate(second):
        places[word] = places.get(word, 0) | 1 << place
    full = (1 << len(second)) - 1
    row = full
    for word in first:
        found = row & places.get(word, 0)
        row = ((row + found) | (row - found)) & full
    return len(second) - row.bit_count()


def _without_tags(text: str) -> str:
    for tag in TAGS:
        text = text.replace(tag, " ")
    return text
