"""The true reward of the proof `iterative`: an answer should have four equals signs, no more and no fewer."""

from collections.abc import Sequence

WANTED = 4


def signs(completions: Sequence[str], **_: object) -> list[float]:
    """-|4 - number of equals signs|."""
    return [-float(abs(WANTED - text.count("="))) for text in completions]
