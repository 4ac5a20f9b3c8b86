"""A reward of 0 or 1 that a random policy gets half of the time."""


def even_length(completions, **_):
    return [float(len(text) % 2 == 0) for text in completions]
