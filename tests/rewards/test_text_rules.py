"""Words and languages: the measures by their formulas, and what they can and cannot tell apart."""

from __future__ import annotations

import math
import random
from functools import cache

import pytest

from cohort.errors import RewardError
from cohort.rewards.languages import FREQUENT, LANGUAGES
from cohort.rewards.text_rules import MEASURES, language, overlap, words_in

SENTENCES = {
    "en": "We add the two numbers, and then we see that it is the sum which was asked for.",
    "de": "Wir addieren die beiden Zahlen, und dann sehen wir, dass es die Summe ist.",
    "fr": "Nous ajoutons les deux nombres, et nous avons donc la somme qui est dans la question.",
    "es": "Sumamos los dos números, y entonces el resultado es la suma que hay en la pregunta.",
    "it": "Sommiamo i due numeri, quindi il risultato è la somma della domanda, che non è altro.",
    "pt": "Somamos os dois números, então o resultado é a soma que não está na pergunta.",
    "nl": "Wij tellen de twee getallen op, dus het is de som die wordt gevraagd, en niet meer.",
    "ru": "Мы сложим два числа, и тогда это будет сумма, которая была в вопросе.",
    "uk": "Ми додамо два числа, і тоді це буде сума, яка була в питанні, або щось таке.",
    "el": "Προσθέτουμε τους δύο αριθμούς.",
    "ar": "نجمع العددين معا",
    "he": "נחבר את שני המספרים",
    "hi": "हम दो संख्याओं को जोड़ते हैं",
    "th": "เราบวกเลขสองจำนวน",
    "ko": "두 수를 더합니다",
    "zh": "我们把两个数字相加",
    "ja": "二つの数を足すと答えになります",
}


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_sentence_is_most_in_its_own_language(code: str) -> None:
    own = language(completions=[SENTENCES[code]], language=code)[0]
    assert own > 0.8
    for other in LANGUAGES:
        if other not in (code, "ja" if code == "zh" else code):  # Japanese may be all kanji
            assert language(completions=[SENTENCES[code]], language=other)[0] < 0.7 * own


def test_a_mixture_gets_a_share_and_a_text_without_letters_nothing() -> None:
    said = language(completions=["сумма sums!", "12 + 3 = 15", "", "\u0301\ud7fc\x00", "Paris"])
    assert said == [4 / 9, 0.0, 0.0, 0.0, 1.0]
    mixed = SENTENCES["en"] + " " + SENTENCES["de"]
    assert 0.2 < language(completions=[mixed])[0] < 0.8


def test_tags_numbers_and_case_do_not_change_the_language() -> None:
    plain = SENTENCES["ru"]
    tagged = f"<think>{plain} 1234</think>\n<answer>{plain.upper()}</answer>"
    said = language(completions=[plain, tagged], language="ru")
    assert said[0] == said[1] == 1.0


def test_an_unknown_language_is_refused_and_every_listed_word_is_lower_case() -> None:
    with pytest.raises(RewardError):
        language(completions=["a"], language="en-GB")
    assert all(words == words.casefold() for words in FREQUENT.values())
    assert set(FREQUENT) <= set(LANGUAGES)


@pytest.mark.parametrize("measure", MEASURES)
def test_the_reference_itself_is_worth_1_and_no_common_word_0(measure: str) -> None:
    gold = ["The quick brown fox jumps", "Yes", "答案 是 二"]
    same = ["the QUICK, brown fox jumps!", "<think>no</think> yes.", "答案是二"]
    assert overlap(completions=same, answer=gold, measure=measure) == pytest.approx([1.0] * 3)
    others = ["lazy dogs", "no", ""]
    assert overlap(completions=others, answer=gold, measure=measure) == [0.0] * 3


def test_the_measures_follow_their_formulas() -> None:
    answer, gold = ["the cat sat on mat"], ["the cat on the mat sat"]
    assert overlap(completions=answer, answer=gold) == [pytest.approx(2 * 5 / 11)]
    lcs = overlap(completions=answer, answer=gold, measure="rouge-l")
    assert lcs == [pytest.approx(2 * 4 / 11)]
    parts = [5 / 5, (1 + 1) / 5, 1 / 4, 1 / 3]
    expected = math.exp(1 - 6 / 5) * math.prod(parts) ** 0.25
    assert overlap(completions=answer, answer=gold, measure="bleu") == [pytest.approx(expected)]


def test_of_several_references_the_best_counts_and_none_says_nothing() -> None:
    said = overlap(
        completions=["blue sky"] * 4, answer=[["red", "blue sky"], None, "...", [None, "sky"]]
    )
    assert said == [1.0, None, None, pytest.approx(2 / 3)]
    with pytest.raises(RewardError):
        overlap(completions=["a"], answer=["a"], measure="meteor")


def test_the_longest_common_subsequence_is_that_of_the_table() -> None:
    draw = random.Random(3)
    for _ in range(100):
        first, second = (tuple(draw.choices("abc", k=draw.randint(1, 12))) for _ in range(2))

        @cache
        def longest(i: int, j: int, a: tuple = first, b: tuple = second) -> int:
            if i == len(a) or j == len(b):
                return 0
            if a[i] == b[j]:
                return 1 + longest(i + 1, j + 1)
            return max(longest(i + 1, j), longest(i, j + 1))

        total = len(first) + len(second)
        assert MEASURES["rouge-l"](first, second) == pytest.approx(2 * longest(0, 0) / total)


@pytest.mark.parametrize("measure", ["f1", "rouge-l"])
def test_overlap_is_symmetric_and_repeating_a_right_word_does_not_pay(measure: str) -> None:
    first, second = words_in("to be or not to be"), words_in("not to be is the question")
    assert MEASURES[measure](first, second) == MEASURES[measure](second, first)
    assert MEASURES[measure](["be"] * 50, second) < MEASURES[measure](["be"], second)
