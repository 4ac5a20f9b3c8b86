"""Which token completes so many characters of an answer."""

import numpy as np

from tests.tiny import tiny_policy


def test_a_character_belongs_to_the_token_that_brings_it():
    policy, _ = tiny_policy()
    tokens = np.array([12, 7, 20, 3, 1], dtype=np.int32)  # the last one ends the answer
    text = policy.text(tokens)
    for end in range(1, len(text) + 1):
        place = policy.token_at(tokens, end)
        assert len(policy.text(tokens[:place])) < end <= len(policy.text(tokens[: place + 1]))


def test_what_is_beyond_the_text_belongs_to_the_last_token():
    policy, _ = tiny_policy()
    tokens = np.array([12, 7, 1], dtype=np.int32)
    assert policy.token_at(tokens, 99) == 2
    assert policy.token_at(tokens, 0) == 0
