"""A judge's service fails in every way there is, on loopback: no reward is made up, nothing waits.

    python -m proofs.judge_faults [--short]

A fault held when each of three answers ended as a failure of the stated kind, never in a number, not
later than half a second after the deadline, and with the key in none of its texts. A fault that heals
held when the answers got the judge's true verdict by asking again. At last a service that fails at
random is asked, and asked again with the same journal: the second outcomes are the same bits where
there was an answer, and nothing that had one is asked twice.
"""

from __future__ import annotations

import asyncio
import dataclasses
import sys
import time
from collections import Counter
from collections.abc import Iterator

from cohort.rewards.asked import MemoryJournal
from cohort.rewards.judge.judge import Trial
from cohort.rewards.judge.prompt import Form
from cohort.rewards.outcome import Failed, Outcome, Scored
from cohort.rewards.services.asking import Patience, Service, share
from cohort.rewards.services.secret import Secret
from proofs.command import main
from tests.rewards.judge.faults import FAULTS, HEALING, KEY, Target, at, good
from tests.rewards.services.fault_server import response, serving

ANSWERS = ("41", "42", "43")
MOST_OVERSHOOT_SECONDS = 0.5
SHORT = 12
TRIAL = Trial(Form(model="m", rubric="Is it 42?", points=0, structured=True, most_tokens=64))
PATIENCE = Patience(deadline_seconds=2.0, attempt_seconds=1.2, retry_budget=3, concurrency=3)


def prove(short: bool, seed: int) -> dict[str, object]:
    """Every fault or some, the healing ones, and the replays."""
    del seed  # nothing is drawn
    names = list(FAULTS)[:: len(FAULTS) // SHORT] if short else list(FAULTS)
    failures: list[str] = []
    overshoots: dict[str, float] = {}
    kinds: Counter[str] = Counter()
    for name in names:
        fault = FAULTS[name]
        with fault.begin() as target:
            began = time.monotonic()
            outcomes = ask(target, PATIENCE, ANSWERS)
            overshoots[name] = time.monotonic() - began - PATIENCE.seconds
        kinds.update(outcome.kind for outcome in outcomes if isinstance(outcome, Failed))
        failures += [f"{name}: {wrong}" for wrong in _wrong(outcomes, fault.kind, fault.retryable)]
        if overshoots[name] > MOST_OVERSHOOT_SECONDS:
            failures.append(f"{name}: {overshoots[name]:.2f} s after the deadline")
    for name, begin in HEALING.items():
        with begin() as target:
            outcomes = ask(
                target,
                dataclasses.replace(PATIENCE, deadline_seconds=10.0, retry_budget=6),
                ANSWERS,
            )
        if outcomes != [Scored(1.0)] * len(ANSWERS):
            failures.append(f"{name}: {outcomes}")
    replayed = 4 if short else 12
    for number in range(replayed):
        replay(number, replayed, failures)
    asked = len(names) + len(HEALING) + replayed
    return {
        "name": "faults of a judge's service",
        "asked": asked,
        "held": asked - len({failure.split(":")[0] for failure in failures}),
        "failures": failures,
        "faults": len(names),
        "healing": len(HEALING),
        "replays": replayed,
        "invented_rewards": sum("no failure" in failure for failure in failures),
        "failed_by_kind": dict(kinds),
        "largest_overshoot_milliseconds": round(1000 * max(overshoots.values())),
    }


def ask(
    target: Target,
    patience: Patience,
    answers: tuple[str, ...],
    journal: MemoryJournal | None = None,
) -> list[Outcome]:
    local = target.to.address is not None or target.to.scheme == "https"
    service = Service(
        target.to,
        Secret(KEY) if local else None,
        patience,
        journal or MemoryJournal(),
        target.resolve,
    )
    problems = ["6 * 7 = ?"] * len(answers)
    return asyncio.run(TRIAL.outcomes(service, problems, answers, [""] * len(answers)))


def _wrong(outcomes: list[Outcome], kind: str, retryable: bool) -> Iterator[str]:
    for outcome in outcomes:
        if not isinstance(outcome, Failed):
            yield f"no failure but {outcome}"
        elif (outcome.kind, outcome.retryable) != (kind, retryable):
            yield f"{outcome}"
        elif KEY[:8] in repr(outcome):
            yield "its reason shows the key"


def replay(number: int, count: int, failures: list[str]) -> None:
    """A service that fails for some questions, asked again when it fails for all."""
    answers = tuple(str(n) for n in range(40))
    part = number / count
    patience = dataclasses.replace(
        PATIENCE, retry_budget=0, deadline_seconds=30.0, attempt_seconds=20.0, concurrency=8
    )
    dead = [False]

    def reply(body: bytes) -> bytes:
        if dead[0] or share(body.decode(), str(number)) < part:
            return response(b"", "500 No")
        return good(body, "pass" if share(body.decode()) < 0.5 else "fail")

    journal = MemoryJournal()
    with serving(reply)() as server:
        first = ask(Target(at(server)), patience, answers, journal)
        kept, asked = dict(journal.answers), server.connections
        dead[0] = True
        second = ask(Target(at(server)), patience, answers, journal)
        again = server.connections - asked
    scored = [n for n, outcome in enumerate(first) if isinstance(outcome, Scored)]
    if len(scored) != len(kept) or asked != len(answers) or (part == 0) != (len(scored) == 40):
        failures.append(f"replay {number}: {len(scored)} scored, {len(kept)} kept, {asked} asked")
    if [repr(first[n]) for n in scored] != [repr(second[n]) for n in scored]:
        failures.append(f"replay {number}: other outcomes")
    if again != len(answers) - len(scored) or journal.answers != kept:
        failures.append(f"replay {number}: {again} asked again")
    if any(isinstance(outcome, Scored) for n, outcome in enumerate(second) if n not in scored):
        failures.append(f"replay {number}: a reward out of nothing")


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv, seed=1)))
