"""Environments of the tests, named in recipes as `tests/train/environments.py:NAME`."""

import json

from cohort.rollout.environments import Observed


class Talkative:
    """Shows a digit after each of three turns; every third problem's environment breaks at the second."""

    def __init__(self, breaks=True):
        self._breaks = breaks

    def reset(self, problem, seed):
        self._broken = self._breaks and seed % 3 == 0
        return problem.prompt

    def step(self, spoken):
        if self._broken:
            raise OSError("no connection")
        over = spoken.number == 2
        facts = {"turns": spoken.number + 1, "said": len(spoken.text)}
        return Observed("1+", over=over, reward=float(spoken.number), facts=facts)


class Once:
    """Over with the first turn: what a stage without an environment does."""

    def reset(self, problem, seed):
        return problem.prompt

    def step(self, spoken):
        return Observed(over=True)


def told(episodes, **_):
    """More for whoever said more; what came of each episode goes to stdout as JSON."""
    assert all(one["failure"] is None for one in episodes), "nobody asks about a failed episode"
    print(json.dumps([one["stop"] for one in episodes]))
    return [float(one["facts"].get("said", 0)) for one in episodes]


class Paying:
    """Pays for each of one to four turns by what was said in it."""

    quick = True

    def reset(self, problem, seed):
        return problem.prompt

    def step(self, spoken):
        if not spoken.number:
            self._turns = 1 + len(spoken.text) % 4
        over = spoken.number + 1 >= self._turns
        return Observed("1+", over=over, reward=len(spoken.text) / 10)
