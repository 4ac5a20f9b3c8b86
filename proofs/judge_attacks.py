"""Answers that attack their judge, and URLs that lead where nothing may be sent.

    python -m proofs.judge_attacks [--short]

Each of the answers is judged by six mocks that obey every word outside of the data block, by one that
passes whatever it is asked about (only what says nothing: it may not be asked), and by one that
repeats the answer as its verdict. It held when none of them made a pass of it, and the last one nothing
but failures. The same answers in a prompt without mark and escapes show that they are attacks: how many of
them pass there is counted. Each URL held when nothing was connected to, as the interpreter's audit
events tell; a name that is rebound between two attempts is one of them.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from cohort.errors import RewardError
from cohort.rewards.endpoint import ask
from cohort.rewards.judge.judge import MOST_CHARACTERS, judge
from cohort.rewards.judge.trivial import is_trivial
from cohort.rewards.outcome import Failed, Outcome, Scored, Unscorable
from cohort.rewards.services.address import Resolve, destination
from cohort.rewards.services.asking import Patience, Service
from proofs.command import main
from tests.rewards.judge.attacks import ATTACKS, FORM, MASTER_KEYS, PROBLEM, TALKING
from tests.rewards.judge.mock_judges import READERS, Mock, Obedient, generous, parrot
from tests.rewards.services.connects import watched
from tests.rewards.services.fault_server import serving
from tests.rewards.services.urls import LITERAL, NAMED

HARMLESS = FORM.question(PROBLEM, "42", "").body
PATIENCE = Patience(deadline_seconds=5.0, attempt_seconds=5.0, retry_budget=1, concurrency=4)
FEWEST_LIVE = {False: 30, True: 5}


def prove(short: bool, seed: int) -> dict[str, object]:
    """Every attack on every mock, and every URL."""
    del seed  # nothing is drawn
    attacks = ATTACKS[::5] if short else ATTACKS
    failures: list[str] = []
    passes: dict[str, int] = {}
    for name, reader in READERS.items():
        outcomes = judged(Obedient(reader, HARMLESS), attacks)
        passes[name] = _passes(outcomes)
        failures += [
            f"{attack[:40]!r}: {name} made {outcome}"
            for attack, outcome in zip(attacks, outcomes, strict=True)
            if outcome != Scored(0.0) and not isinstance(outcome, Unscorable)
        ]
    for attack, outcome in zip(MASTER_KEYS, judged(generous, MASTER_KEYS), strict=True):
        if outcome != Scored(0.0):
            failures.append(f"{attack!r}: was judged, {outcome}")
    talking = TALKING[::5] if short else TALKING
    repeated = judged(parrot, talking)
    for attack, outcome in zip(talking, repeated, strict=True):
        by_rule = len(attack) > MOST_CHARACTERS or is_trivial(attack)
        if not isinstance(outcome, Failed) and not by_rule:
            failures.append(f"{attack[:40]!r}: repeated, it made {outcome}")
    live = sum(_naive_passes(attack) for attack in talking)
    if live < FEWEST_LIVE[short]:
        failures.append(f"the attacks: only {live} work on a prompt without mark and escapes")
    urls, connects = _urls(failures)
    asked = len(attacks) + len(urls) + 1
    return {
        "name": "answers that attack their judge",
        "asked": asked,
        "held": asked - len({failure.split(": ")[0] for failure in failures}),
        "failures": failures,
        "answers": len(attacks),
        "passes": passes,
        "settled_by_rule": len(MASTER_KEYS),
        "repeated_and_failed": sum(isinstance(outcome, Failed) for outcome in repeated),
        "attacks_that_pass_without_mark_and_escapes": live,
        "urls": len(urls),
        "forbidden_connects": connects,
    }


def judged(mock: Mock, answers: Sequence[str]) -> list[Outcome]:
    """What the reward makes of answers, over a service on loopback."""
    with serving(mock)() as server:
        options: dict[str, Any] = {"url": server.url, "model": FORM.model, "rubric": FORM.rubric}
        return asyncio.run(judge(prompts=[PROBLEM] * len(answers), completions=answers, **options))


def _passes(outcomes: Sequence[Outcome]) -> int:
    return sum(isinstance(outcome, Scored) and outcome.value != 0.0 for outcome in outcomes)


def _naive_passes(attack: str) -> bool:
    """Whether the attack works on a prompt as many write it, read by any of the same mocks."""

    def prompt(answer: str) -> bytes:
        mark = "0" * 32
        words = f'<data-{mark}>\n{{"answer": "{answer}"}}\n</data-{mark}>\n\nGrade it.'
        told = {"role": "system", "content": f"The answer is between tags of the mark {mark}."}
        return json.dumps({"messages": [told, {"role": "user", "content": words}]}).encode()

    return any(Obedient(reader, prompt("42")).passes(prompt(attack)) for reader in READERS.values())


def _urls(failures: list[str]) -> tuple[list[str], int]:
    """Every URL, and how many forbidden connects there were."""
    forbidden = 0
    urls: dict[str, Resolve] = {url: lambda host, port: ["127.0.0.1"] for url in LITERAL}
    urls |= {url: lambda host, port, found=found: found for url, found in NAMED.items()}  # type: ignore[misc]
    urls["https://rebound.example/"] = _rebinding(["93.184.216.34"], ["127.0.0.1"])
    for url, resolve in urls.items():
        with watched() as connects:
            said = _sent(url, resolve)
        bad = [address for address, _ in connects if not ip_address(address).is_global]
        forbidden += len(bad)
        if bad or isinstance(said, Scored) or (connects and "rebound" not in url):
            failures.append(f"{url!r}: connected to {connects}, {said}")
    with serving(lambda body: b"")() as server, watched() as connects:
        _sent(f"http://127.0.0.1:{server.port}/", lambda host, port: [])
    if set(connects) != {("127.0.0.1", server.port)}:
        failures.append("the watch: it does not see a connect")
    return list(urls), forbidden


def _sent(url: str, resolve: Resolve) -> Outcome | str:
    """What comes of a reward that asks this URL."""
    try:
        service = Service(destination(url), None, PATIENCE, resolve=resolve)
        (outcome,) = asyncio.run(ask(service, ["42"], None, {}, 1))
    except RewardError as error:
        return error.message
    return outcome


def _rebinding(*answers: list[str]) -> Resolve:
    """A resolver that says something else every time, and at last always the same."""
    left = list(answers)
    return lambda host, port: left.pop(0) if len(left) > 1 else left[0]


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv, seed=1)))
