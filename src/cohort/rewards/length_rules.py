"""Rewards that look at how long an answer is, or how much it repeats itself.

Lengths are sampled tokens, the end token included. The formulas are their papers'; the numbers of a
recipe's stage (`max_new_tokens`) are not known here and have to be given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from cohort.errors import RewardError
from cohort.rewards.reading import Text, text_of
from cohort.rewards.rules import correct


def overlong(
    *,
    completion_ids: Sequence[Sequence[int]],
    longest: int = 20480,
    margin: int = 4096,
    **_: object,
) -> list[float]:
    """A penalty that grows from 0 to -1 over the last `margin` tokens of the budget `longest`.

        0 if |y| <= L - m;   (L - m - |y|) / m up to L;   -1 beyond

    DAPO (arXiv:2503.14476), eq. 13, with its L and m as defaults; `algorithm = "dapo"` has the same
    as part of its reward. Set `longest` to the stage's max_new_tokens: with a larger one no answer
    ever pays. A margin of 0 is the step from 0 to -1 after `longest`.
    """
    if not 0 <= margin <= longest:
        raise RewardError(
            f'reward "overlong": margin is {margin} and longest is {longest}',
            "the margin is a part of longest: 0 <= margin <= longest",
        )
    return [_overlong(len(ids), longest, margin) for ids in completion_ids]


def cosine_length(
    *,
    completions: Sequence[Text],
    completion_ids: Sequence[Sequence[int]],
    answer: Sequence[object],
    prompts: Sequence[Text] | None = None,
    longest: int = 256,
    right: Sequence[float] = (2.0, 1.0),
    wrong: Sequence[float] = (-10.0, 0.0),
    exceeding: float = -10.0,
    **_: object,
) -> list[float | None]:
    """Right answers are worth more when short, wrong ones cost less when long: a cosine in between.

        r_L + 1/2 (r_0 - r_L) (1 + cos(pi |y| / L)),   `exceeding` where |y| >= L

    r_0 and r_L are what an answer is worth at length 0 and at L = `longest`: `right` for a right
    one, `wrong` for a wrong one. Yeo et al., "Demystifying Long Chain-of-Thought Reasoning"
    (arXiv:2502.03373), section 4, its numbers as defaults. Right is what `correct` says; None
    without a gold. Set `longest` to the stage's max_new_tokens. A wrong answer gains by mere length
    here: the paper adds a repetition penalty against that.
    """
    if longest < 1 or len(right) != 2 or len(wrong) != 2:
        raise RewardError(
            f'reward "cosine_length": longest is {longest}, right {right} and wrong {wrong}',
            "longest is at least 1; right and wrong are two numbers, at length 0 and at longest",
        )
    said = correct(completions=completions, answer=answer, prompts=prompts)
    return [
        None
        if is_right is None
        else exceeding
        if len(ids) >= longest
        else _cosine(len(ids) / longest, *(right if is_right else wrong))
        for is_right, ids in zip(said, completion_ids, strict=True)
    ]


def repetition(*, completions: Sequence[Text], words: int = 3, **_: object) -> list[float]:
    """-(share of the answer's n-grams that have occurred in it before), n = `words`.

        -(1 - distinct n-grams / n-grams);   0 for fewer than n words

    Words are what whitespace separates, in lower case. A penalty on repeated n-grams goes with
    length rewards (arXiv:2502.03373, section 4, which charges the tokens of each repetition; this
    is one number per answer, as in open replications of R1). Between -1 and 0; text without
    whitespace is one word and repeats nothing.
    """
    if words < 1:
        raise RewardError(f'reward "repetition": words is {words}', "use at least 1")
    return [-_repeated(text_of(completion).casefold().split(), words) for completion in completions]


def _overlong(length: int, longest: int, margin: int) -> float:
    over = length - (longest - margin)
    if margin == 0:
        return -float(over > 0)
    return -min(max(over / margin, 0.0), 1.0)


def _cosine(share: float, short: float, long: float) -> float:
    return long + 0.5 * (short - long) * (1.0 + math.cos(math.pi * share))


def _repeated(words: Sequence[str], n: int) -> float:
    grams = list(zip(*(words[i:] for i in range(n)), strict=False))
    return 1.0 - len(set(grams)) / len(grams) if grams else 0.0
