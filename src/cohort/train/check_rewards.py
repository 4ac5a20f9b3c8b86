"""The rewards of a stage, tried before a model is trained: what their calls did, what they pay for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cohort.config.recipe import Recipe
from cohort.data.records import Problem
from cohort.rewards.functions import RewardFunction
from cohort.rewards.reading import found_answer
from cohort.train.check_answers import DEMONSTRATION, Probe, golds_of, probes, problems_of
from cohort.train.check_apart import Calls, call_all
from cohort.train.check_findings import Checked, Finding
from cohort.train.check_values import about_values, paid_sources
from cohort.train.plan import StagePlan

LEAKED_SHARE = 0.9
"""The share of prompts that hold their own answer from which on it is no accident."""

_OPTIONS = re.compile(r"(?m)^\s{0,9}\(?[A-Ea-e1-5][).:]\s")


def check_rewards(
    checked: Checked, recipe: Recipe, plan: StagePlan, number: int, *, base: Path, seconds: float
) -> float:
    """Try the rewards of a stage; how many seconds they take for one answer, all together."""
    where = f"stage {plan.name}"
    seed = recipe.seed % 2**31
    problems = problems_of(plan.source, seed)
    golds = golds_of(plan.source, problems, seed)
    tried = probes(problems, golds)
    names = [reward.name for reward in plan.rewards]
    calls = call_all(recipe, number, names, base=base, seconds=seconds)
    for name, made in calls.items():
        checked.findings += about_calls(f'{where}, reward "{name}"', made, tried, seconds)
    weighed = [reward for reward in plan.rewards if reward.weight]
    totals = _totals(weighed, calls, len(tried))
    reads = {name for reward in weighed for name in _columns(reward, problems)}
    paid = reads
    if totals is not None:
        checked.findings += about_values(_named(where, weighed), tried, totals, reads)
        paid = reads & paid_sources(tried, totals)
    checked.findings += about_prompts(where, problems, golds, paid)
    cost = sum(_seconds(made) for made in calls.values())
    checked.facts.append(
        f"{where}: {', '.join(names)} tried with {len(tried)} answers to {len(problems)} problems, "
        f"{cost * 1000:.2g} ms for an answer; right ones by "
        f"{', '.join(golds) or 'nobody: the problems do not say what is right'}."
    )
    return cost


def about_calls(where: str, made: Calls, tried: Sequence[Probe], seconds: float) -> list[Finding]:
    """Findings about how a function behaves, whatever its values mean."""
    found = []
    if made.hung:
        kind = f"; {made.hung[1]} alone does it" if len(made.hung) > 1 else ""
        text = f"a call did not return within {seconds:g} seconds{kind}."
        found.append(Finding("hangs", where, text))
    raised = {call: why for call, why in made.raised.items() if call != "once"} or made.raised
    if raised:
        kinds = ", ".join(raised)
        text = f"it raises on {kinds}: {next(iter(raised.values()))}"
        found.append(Finding("raises", where, text))
    once = made.returned.get("once")
    if once is None:
        return found
    if len(once["values"]) != len(once["places"]):
        text = f"it returned {len(once['values'])} values for {len(once['places'])} answers."
        return [*found, Finding("is no number", where, text)]
    if once["changed"]:
        text = f"it changes its argument {', '.join(once['changed'])}: others are given the same."
        found.append(Finding("changes what it is given", where, text))
    odd = {v: tried[n].kind for n, v in _in_order(once).items() if isinstance(v, str)}
    for value, kind in list(odd.items())[:1]:
        found.append(Finding("is no number", where, f"{kind} got {value}, which is no reward."))
    return found + _about_repeats(where, made, tried)


def _about_repeats(where: str, made: Calls, tried: Sequence[Probe]) -> list[Finding]:
    """Whether the second time and another order change a value."""
    first = _in_order(made.returned["once"])
    for call, name, text in (
        ("twice", "impure", "the second time"),
        ("another order", "depends on order", "in another order"),
    ):
        again = made.returned.get(call)
        if again is None:
            continue
        other = _in_order(again)
        differ = [n for n, value in first.items() if other.get(n) != value]
        if differ:
            n = differ[0]
            words = (
                f"{len(differ)} of {len(first)} answers got another value {text}, such as "
                f"{tried[n].kind}: {first[n]} and then {other.get(n)}."
            )
            return [Finding(name, where, words)]
    return []


def about_prompts(
    where: str, problems: Sequence[Problem], golds: Mapping[str, Sequence[str]], reads: set[str]
) -> list[Finding]:
    """Whether the prompts hold what the rewards call right; lists of choices may."""
    found = []
    prompts = [p.prompt if isinstance(p.prompt, str) else str(p.prompt) for p in problems]
    for source, values in golds.items():
        if source == DEMONSTRATION or source not in reads:
            continue
        finals = [(found_answer(v) if "####" in v else v) or v for v in values]
        own = sum(_holds(prompt, gold) for prompt, gold in zip(prompts, finals, strict=True))
        others = sum(
            _holds(prompt, gold)
            for prompt, gold in zip(prompts, finals[1:] + finals[:1], strict=True)
        )
        listed = sum(len(_OPTIONS.findall(prompt)) >= 2 for prompt in prompts)
        if own >= LEAKED_SHARE * len(prompts) and 2 * others <= own and not listed:
            text = f'{own} of {len(prompts)} prompts hold their own answer, the column "{source}".'
            found.append(Finding("gold in the prompt", where, text))
    return found


def _holds(prompt: str, gold: str) -> bool:
    bare = re.escape(gold.strip())
    return bool(bare) and re.search(rf"(?<!\w){bare}(?!\w)", prompt) is not None


def _columns(reward: RewardFunction, problems: Sequence[Problem]) -> list[str]:
    """The columns of the problems that a function is given and may read."""
    known = dict.fromkeys(name for problem in problems for name in problem.columns)
    named = [name for name in known if name in reward.parameters]
    return named if named or not reward.takes_everything else list(known)


def _totals(
    weighed: Sequence[RewardFunction], calls: Mapping[str, Calls], count: int
) -> list[float | None] | None:
    """The weighted sums of the first calls, of `count` answers; None where a function gave none at all."""
    columns = []
    for reward in weighed:
        once = calls[reward.name].returned.get("once")
        if once is None or len(once["values"]) != len(once["places"]):
            return None
        said = _in_order(once)
        columns.append([(reward.weight, said.get(place, "not asked")) for place in range(count)])
    return [_total(row) for row in zip(*columns, strict=True)] if columns else None


def _total(row: Sequence[tuple[float, Any]]) -> float | None:
    said = [weight * value for weight, value in row if isinstance(value, (int, float))]
    asked = all(value is None or isinstance(value, (int, float)) for _, value in row)
    return sum(said) if said and asked else None


def _in_order(line: Mapping[str, Any]) -> dict[int, Any]:
    return dict(sorted(zip(line["places"], line["values"], strict=False)))


def _seconds(made: Calls) -> float:
    """What a function took for one answer."""
    once = made.returned.get("once")
    return float(once["seconds"]) / max(1, len(once["places"])) if once else 0.0


def _named(where: str, weighed: Sequence[RewardFunction]) -> str:
    names = ", ".join(reward.name for reward in weighed)
    return (
        f'{where}, reward "{names}"' if len(weighed) == 1 else f"{where}, rewards {names} together"
    )
