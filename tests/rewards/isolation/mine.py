"""Reward functions that tests have run in workers; "bad" in an answer makes them go wrong."""

import asyncio
import os
import time


def module_level(*, completions, **_):
    return [float(os.getpid()) for _ in completions]


def in_trainer(*, completions, **_):
    return [float(os.getpid()) for _ in completions]


in_trainer.in_process = True


def dies(*, completions, **_):
    if "bad" in completions:
        print("about to die", flush=True)
        os._exit(3)
    return [1.0 for _ in completions]


def hangs(*, completions, **_):
    if "bad" in completions:
        time.sleep(60)
    return [1.0 for _ in completions]


def raises(*, completions, **_):
    if "bad" in completions:
        raise ValueError("a bad one")
    return [1.0 for _ in completions]


def takes_memory(*, completions, **_):
    block = b"x" * (300 << 20)
    time.sleep(60)
    return [float(len(block)) for _ in completions]


def asks(*, completions, journal, **_):
    if journal.recall("asked") is None:
        journal.keep("asked", "7")
    return [float(journal.recall("asked")) for _ in completions]


def ranks(*, completions, **_):
    """Sees one group at a time."""
    order = sorted(completions)
    return [order.index(text) / len(completions) for text in completions]


ranks.per_group = True


def by_token(*, completion_ids, **_):
    return [[(1, 1.0), (len(tokens), 0.0)] for tokens in completion_ids]


by_token.positions = "tokens"


def bounded(*, completions, **_):
    return [2.0 if text == "bad" else 0.5 for text in completions]


bounded.range = (0.0, 1.0)


class Counts:
    """Remembers how many answers it has seen; forgets what it saw in a call that raised or died."""

    def __init__(self):
        self.seen = 0

    def __call__(self, *, completions, **_):
        values = []
        for text in completions:
            self.seen += 1
            if text == "bad":
                os._exit(1)
            values.append(float(self.seen))
        return values

    def state_dict(self):
        return {"seen": self.seen}

    def load_state_dict(self, state):
        self.seen = state["seen"]


counts = Counts()

together = [0, 0]


async def waits(*, completions, **_):
    """1.0 per call that ran beside it, itself included, at most."""
    together[0] += 1
    together[1] = max(together)
    await asyncio.sleep(0.05)
    together[0] -= 1
    return [float(together[1]) for _ in completions]


def knows_tuples(*, completions, pair, **_):
    return [float(one == (1, {2: b"x"})) for one in pair]
