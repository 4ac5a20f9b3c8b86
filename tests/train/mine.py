"""A reward of 0 or 1 that a random policy gets half of the time."""


def even_length(completions, **_):
    return [float(len(text) % 2 == 0) for text in completions]


def flat_for_most(prompts, completions, **_):
    """All answers to two prompts of three get the same."""
    return [
        float(len(text) % 2 == 0) if sum(prompt.encode()) % 3 == 0 else 1.0
        for prompt, text in zip(prompts, completions, strict=True)
    ]


def never(completions, **_):
    return [0.5 for _ in completions]


def silent(completions, **_):
    return [None for _ in completions]


def by_character(completions, **_):
    """Every fourth character ends a step; even digits are right."""
    return [
        [(end, float(text[end - 1] in "02468")) for end in range(4, len(text) + 1, 4)]
        for text in completions
    ]


def peeks(completions, answer=None, **_):
    """What would read a label if it were given one."""
    return [float(own is not None) for own in answer or [None] * len(completions)]


def labels_seen(completions, **columns):
    """How many labels are among everything that is given."""
    return [float(len({"answer", "pairs"} & set(columns))) for _ in completions]
