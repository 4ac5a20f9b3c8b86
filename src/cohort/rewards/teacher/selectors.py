"""Which of a group's answers to take, without labels: the rules that a synthesis is compared with.

    least perplexity       argmin_j exp(-mean_t log pi(o_jt | q))
    mutual predictability  argmin_j exp(-mean_t log pi(o_jt | the other answers, in random order))
    self-chosen            the number that the model itself names when it is shown all of them

Pure functions of log-probabilities and texts; the majority is `agreement.majority`. Of equals the first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import fmean

_NUMBER = re.compile(r"[0-9]{1,4}")


def least_perplexity(logprobs: Sequence[Sequence[float] | None]) -> int | None:
    """The place of the answer whose tokens are likeliest on average; None where there is none.

    logprobs: of each answer's tokens, in nats; None for an answer that is left out.
    """
    means = {
        place: fmean(own) for place, own in enumerate(logprobs) if own is not None and len(own)
    }
    return max(means, key=means.__getitem__) if means else None


def chosen(reply: str, count: int) -> int | None:
    """The place of the answer whose number, from 1, a reply names first; None where it names none."""
    found = _NUMBER.search(reply)
    place = int(found.group()) - 1 if found else -1
    return place if 0 <= place < count else None
