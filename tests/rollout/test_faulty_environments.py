"""Environments at fault: their episodes fail by a named kind, and nothing beside them is another."""

import threading

import pytest

from cohort.rollout.environments import Observed
from tests.rollout.test_episodes import PROMPTS, Counting, Quick, same, sampled
from tests.tiny import tiny_policy


class Together(Counting):
    barrier = threading.Barrier(18, timeout=20)

    def reset(self, problem, seed):
        self.barrier.wait()
        return super().reset(problem, seed)


def test_environments_are_reset_side_by_side():
    policy, _ = tiny_policy()
    same(sampled(policy, Together)[1], sampled(policy, Quick)[1])


class Wrong(Quick):
    """At fault for the first prompt alone, in a way that the next one knows."""

    def reset(self, problem, seed):
        self._wrong = problem.prompt == PROMPTS[0]
        return super().reset(problem, seed)

    def step(self, spoken):
        return self.fault() if self._wrong else super().step(spoken)


def _exits():
    raise SystemExit(3)


FAULTS = {
    "exits": (_exits, "raised"),
    "bytes": (lambda: Observed(b"20"), "invalid"),
    "half": (lambda: Observed("20 \ud800"), "invalid"),
    "messages": (lambda: Observed(({"role": "user"},)), "invalid"),
    "facts": (lambda: Observed(facts={"a": {1}}), "invalid"),
    "text": (lambda: Observed(reward="1"), "raised"),
    "gone": (lambda: (_ for _ in ()).throw(ConnectionError("gone")), "unreachable"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_has_a_kind_and_leaves_the_groups_beside_it_alone(name):
    policy, _ = tiny_policy()
    fault, kind = FAULTS[name]
    made = type("Faulty", (Wrong,), {"fault": staticmethod(fault)})
    wrong, *groups = sampled(policy, made)[1]
    assert {r.episode.failure[0] for r in wrong if r.stop != "length"} == {kind}
    same(groups, sampled(policy, Quick)[1][1:])


class Long(Quick):
    def reset(self, problem, seed):
        prompt = super().reset(problem, seed)
        return "7 " * 200 if prompt == PROMPTS[0] else prompt


def test_a_prompt_of_an_environment_that_is_too_long_is_its_failure():
    policy, _ = tiny_policy()
    wrong, *groups = sampled(policy, Long)[1]
    assert {r.episode.failure[0] for r in wrong} == {"invalid"}
    same(groups, sampled(policy, Quick)[1][1:])


CLOSED = []


class Closing(Counting):
    def close(self):
        CLOSED.append(self)
        raise SystemExit("no")


def test_every_environment_is_closed_once_and_what_that_raises_is_not_heard():
    policy, _ = tiny_policy()
    CLOSED.clear()
    same(sampled(policy, Closing)[1], sampled(policy, Quick)[1])
    assert len(set(CLOSED)) == len(CLOSED) == 18
