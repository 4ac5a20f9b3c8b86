"""Calls reward functions of a recipe in a process of its own, and says what each call did.

`python -m cohort.train.check_calls` reads an order from stdin and writes a line of JSON before and
after every call, so that whoever waits knows which call does not come back. Each function is called
with all answers at once, again, in another order, and where that raises, with each kind of answer
alone. What it is given is compared with a copy afterwards. No torch is loaded here.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
import math
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cohort.config.load import read_recipe
from cohort.config.stages import Sampled
from cohort.data.imported import cause_of
from cohort.data.records import Problem
from cohort.rewards.asked import MemoryJournal
from cohort.rewards.functions import RewardFunction, load_rewards
from cohort.rewards.outcome import Failed, Scored, Unscorable
from cohort.tasks.problems import open_source
from cohort.train.check_answers import Probe, golds_of, probes, problems_of

Say = Callable[[Mapping[str, object]], None]


def main() -> None:
    """Carry out the order; `only`: one function, each kind of answer alone."""
    order = json.load(sys.stdin)
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what functions print belongs to nobody here

    def say(what: Mapping[str, object]) -> None:
        out.write(json.dumps(what) + "\n")
        out.flush()

    options = read_recipe(order["recipe"]).stage[order["stage"]]
    assert isinstance(options, Sampled), options.kind
    source = open_source(options.problems, Path(order["base"]))
    rewards = load_rewards(options.rewards, task_rewards=source.rewards, base=Path(order["base"]))
    problems = problems_of(source, order["seed"])
    tried = probes(problems, golds_of(source, problems, order["seed"]))
    for reward in rewards:
        if order["only"] in ("", reward.name) and reward.name not in order["skip"]:
            _try(reward, problems, tried, say, alone=bool(order["only"]))


def _try(
    reward: RewardFunction,
    problems: Sequence[Problem],
    tried: Sequence[Probe],
    say: Say,
    *,
    alone: bool,
) -> None:
    """The calls of one function."""
    places = [n for n, probe in enumerate(tried) if not asks_a_service(reward) or not probe.problem]
    if not alone and _call(reward, problems, tried, "once", say, places):
        _call(reward, problems, tried, "twice", say, places)
        _call(reward, problems, tried, "another order", say, places[::-1])
        return
    for kind in dict.fromkeys(probe.kind for probe in tried):
        own = [place for place in places if tried[place].kind == kind]
        _call(reward, problems, tried, kind, say, own)


def _call(
    reward: RewardFunction,
    problems: Sequence[Problem],
    tried: Sequence[Probe],
    name: str,
    say: Say,
    places: Sequence[int],
) -> bool:
    """One call with the answers at these places; whether it returned."""
    units = [
        keywords_for(reward, problems, [tried[place] for place in unit])
        for unit in _units(reward, tried, places)
    ]
    before = copy.deepcopy(units)
    call = {"reward": reward.name, "call": name}
    say({"begins": call})
    began = time.perf_counter()
    try:
        values = [plain(value) for given in units for value in _returned(reward, given)]
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it is code of the user
        say({"ended": call, "raised": cause_of(error, ""), "places": list(places)})
        return False
    changed = {
        key
        for given, own in zip(units, before, strict=True)
        for key, value in given.items()
        if repr(value) != repr(own[key])
    }
    say(
        {
            "ended": call,
            "values": values,
            "places": list(places),
            "seconds": time.perf_counter() - began,
            "changed": sorted(changed),
        }
    )
    return True


def asks_a_service(reward: RewardFunction) -> bool:
    """Whether the function keeps answers of a service, which cost time or money: it is asked less."""
    return "journal" in reward.parameters


def _units(
    reward: RewardFunction, tried: Sequence[Probe], places: Sequence[int]
) -> list[list[int]]:
    """The answers of each call: all at once, unless the function is called for each group or answer."""
    if not reward.by_unit:
        return [list(places)]
    keys = [tried[place].problem if reward.per_group else place for place in places]
    return [
        [place for place, own in zip(places, keys, strict=True) if own == key]
        for key in dict.fromkeys(keys)
    ]


def _returned(reward: RewardFunction, given: Mapping[str, Any]) -> list[Any]:
    extra = {"journal": MemoryJournal()} if asks_a_service(reward) else {}
    returned: Any = reward.function(**given, **copy.deepcopy(dict(reward.arguments)), **extra)
    return list(asyncio.run(returned) if inspect.iscoroutine(returned) else returned)


def keywords_for(
    reward: RewardFunction, problems: Sequence[Problem], chosen: Sequence[Probe]
) -> dict[str, list[Any]]:
    """What a function is given for these answers, as it is in training."""
    owners = [problems[probe.problem] for probe in chosen]
    names = dict.fromkeys(name for problem in problems for name in problem.columns)
    given: dict[str, list[Any]] = {
        name: [copy.deepcopy(problem.columns.get(name)) for problem in owners] for name in names
    }
    given["prompts"] = [
        p.prompt if isinstance(p.prompt, str) else [dict(message) for message in p.prompt]
        for p in owners
    ]
    given["completions"] = [
        probe.text
        if isinstance(problem.prompt, str)
        else [{"role": "assistant", "content": probe.text}]
        for problem, probe in zip(owners, chosen, strict=True)
    ]
    given["completion_ids"] = [[1] * (1 + len(probe.text.split())) for probe in chosen]
    accepted = given if reward.takes_everything else reward.parameters
    return {
        name: given[name] for name in given if name in accepted and name not in reward.arguments
    }


def plain(value: Any) -> float | str | None:
    """A value as a number, None for "cannot say", or a text that says what is wrong with it."""
    match value:
        case None | Unscorable():
            return None
        case Scored():
            return plain(value.value)
        case Failed():
            return f"failed ({value.kind}): {value.reason}"
        case list() | tuple():
            return _mean(value)
    try:
        number = float(value) if not isinstance(value, (str, bytes)) else math.nan
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    return number if math.isfinite(number) else f"{value!r:.40}"


def _mean(steps: Sequence[Any]) -> float | str | None:
    values = [
        plain(step[1]) for step in steps if isinstance(step, (list, tuple)) and len(step) == 2
    ]
    numbers = [value for value in values if isinstance(value, float)]
    if len(values) != len(steps) or len(numbers) != len(values):
        return f"{steps!r:.40}"
    return math.fsum(numbers) / len(numbers) if numbers else None


if __name__ == "__main__":
    main()
