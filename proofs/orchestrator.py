"""A small orchestrator that minds the bill: the recipe, seed by seed, on problems that it never saw.

Held of every seed, on 200 held-out problems of each kind of trial, with greedy answers:

    ordinary    the cheap tool is asked first of at least 90 % of easy problems, the strong one of 90 % of
                hard ones
    bill        where problems are as hard as they look: at least 99 % solved, as always asking the strong
                tool would, for at most half of what that costs
    swapped     the strong tool is the cheapest: it is asked first of at least 90 % of all problems
    unseen      prices that training never had: the fitting tool is asked first of at least 90 %
    shifted     the problems of `ordinary`, where only the outcome matters: the cheap tool is asked first of
                at most half as many easy problems as before, and at least as many problems are solved
    minutes     the training took at most 15 minutes of the processor, on one thread

Beside them stands preference adherence (see objective.orchestra), summed over the problems of `ordinary`
for cost against the same problems for the outcome alone, as a mean per problem.

`--seeds 1 2` are some of them; with `--found FOLDER` what was found of a seed is kept there, and one that
is there is not trained again, so that seeds can be trained side by side and told of together.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from cohort.config.environments import Environment
from cohort.config.load import load_recipe, packaged_recipes
from cohort.config.recipe import Model
from cohort.data.records import Problem
from cohort.objective.orchestra import adherence
from cohort.policy.load import load_policy
from cohort.policy.policy import Policy
from cohort.rollout.request import Sampling
from cohort.tasks.orchestrator import Orchestrator, asked_for
from cohort.tasks.orchestrator_desk import REACH, Desk
from cohort.tasks.orchestrator_measures import first_tools, fitting_tool
from cohort.train.run import train_recipe
from cohort.train.talk import Talk, answered

SEEDS, SHORT_SEEDS = (1, 2, 3, 4, 5), (1,)
PROBLEMS = 200
LEAST_SHARE, MOST_COST, LEAST_SOLVED, MOST_MINUTES = 0.9, 0.5, 0.99, 15.0
T_95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776}
"""Student's t for 95 % on both sides, by degrees of freedom."""
CLAIMS = ("ordinary", "bill", "swapped", "unseen", "shifted", "minutes")


@dataclass(frozen=True, slots=True)
class Played:
    """Problems, and the facts of the episode that each led to."""

    problems: Sequence[Problem]
    facts: Sequence[dict[str, Any]]

    @property
    def solved(self) -> float:
        """The share that was answered rightly."""
        return statistics.fmean(bool(own.get("outcome")) for own in self.facts)

    @property
    def cost(self) -> float:
        """Cents per problem."""
        return statistics.fmean(own["cost"] for own in self.facts)

    @property
    def cost_of_strong(self) -> float:
        """Cents per problem of whoever asks the strong tool once, always."""
        return statistics.fmean(own.columns["prices"]["strong"] for own in self.problems)

    @property
    def cost_of_fitting(self) -> float:
        """Cents per problem of whoever asks the fitting tool once, always: the least that solves all."""
        return statistics.fmean(p.columns["prices"][fitting_tool(p.columns)] for p in self.problems)

    @property
    def first(self) -> dict[str, dict[str, float]]:
        """The shares of the tools that were asked first, by kind of problem."""
        return first_tools(zip(self.problems, self.facts, strict=True))

    @property
    def fitting(self) -> float:
        """The share in which the fitting tool was asked first."""
        pairs = zip(self.problems, self.facts, strict=True)
        return statistics.fmean(facts["first"] == fitting_tool(p.columns) for p, facts in pairs)


def play(policy: Policy, problems: Sequence[Problem]) -> Played:
    """A greedy episode about each problem."""
    talk = Talk(Desk, Environment(name="orchestrator", max_turns=4))
    greedy = Sampling(rollouts_per_prompt=1, max_new_tokens=40, greedy=True)
    groups = answered(policy, problems, greedy, key=("proof",), talk=talk)
    episodes = [group.rollouts[0].episode for group in groups]
    return Played(problems, [dict(episode.facts) for episode in episodes if episode is not None])


def trials(policy: Policy) -> dict[str, Played]:
    """Every kind of trial."""
    ordinary = {"prices": "ordinary", "preferences": ["cost"]}
    asked = {
        "ordinary": ordinary,
        "bill": ordinary | {"harder_share": 0.0},
        "swapped": ordinary | {"prices": "swapped"},
        "unseen": {"unseen_prices": True},
        "unseen ordinary": ordinary | {"unseen_prices": True},
    }
    problems = {
        name: Orchestrator(**options, held_out_problems=PROBLEMS).held_out()
        for name, options in asked.items()
    }
    problems["shifted"] = [asked_for(problem, "outcome") for problem in problems["ordinary"]]
    return {name: play(policy, own) for name, own in problems.items()}


def followed(found: dict[str, Played]) -> float:
    """Preference adherence of the answers for cost, beside those for the outcome alone."""
    matrices = [
        [
            [*(f["calls"][tool] for tool in REACH), bool(f.get("outcome")), f["cost"], f["latency"]]
            for f in found[name].facts
        ]
        for name in ("ordinary", "shifted")
    ]
    wish = [[0, 0, 0, 1, 1, 0]] * PROBLEMS
    tensors = [torch.tensor(rows, dtype=torch.float64) for rows in (*matrices, wish)]
    return float(adherence(*tensors).mean())


def figures(found: dict[str, Played], minutes: float) -> dict[str, Any]:
    """What is claimed, in numbers."""
    ordinary, bill, shifted = found["ordinary"], found["bill"], found["shifted"]
    return {
        "minutes": minutes,
        "cheap on easy": ordinary.first["easy"]["cheap"],
        "strong on hard": ordinary.first["hard"]["strong"],
        "solved": ordinary.solved,
        "solved, as hard as they look": bill.solved,
        "cost": bill.cost,
        "cost of strong": bill.cost_of_strong,
        "cost of fitting": bill.cost_of_fitting,
        "swapped: strong": statistics.fmean(f["first"] == "strong" for f in found["swapped"].facts),
        "unseen: fitting": found["unseen"].fitting,
        "unseen: cheap on easy": found["unseen ordinary"].first["easy"]["cheap"],
        "unseen: strong on hard": found["unseen ordinary"].first["hard"]["strong"],
        "shifted: cheap on easy": shifted.first["easy"]["cheap"],
        "shifted: solved": shifted.solved,
        "shifted: cost": shifted.cost,
        "ordinary: cost": ordinary.cost,
        "adherence": followed(found),
    }


def holds(seen: dict[str, Any]) -> dict[str, bool]:
    """Which claims hold of a seed."""
    unseen = [seen[f"unseen: {name}"] for name in ("fitting", "cheap on easy", "strong on hard")]
    return {
        "ordinary": min(seen["cheap on easy"], seen["strong on hard"]) >= LEAST_SHARE,
        "bill": seen["solved, as hard as they look"] >= LEAST_SOLVED
        and seen["cost"] <= MOST_COST * seen["cost of strong"],
        "swapped": seen["swapped: strong"] >= LEAST_SHARE,
        "unseen": min(unseen) >= LEAST_SHARE,
        "shifted": seen["shifted: cheap on easy"] <= seen["cheap on easy"] / 2
        and seen["shifted: solved"] >= seen["solved"],
        "minutes": seen["minutes"] <= MOST_MINUTES,
    }


def trained(seed: int, folder: Path) -> tuple[Policy, float]:
    """The recipe's policy with this seed, and the minutes of the processor that it took."""
    recipe = load_recipe(packaged_recipes()["orchestrator"], [f"seed={seed}"])
    began = processor_seconds()
    run = train_recipe(
        recipe, run=folder / f"seed-{seed}", base=folder, name="orchestrator", quiet=True
    )
    minutes = (processor_seconds() - began) / 60
    return load_policy(Model(path=str(run / "model")), vocabulary=[], seed=seed), minutes


def processor_seconds() -> float:
    """Those of this process and of its children that have ended: a stopped process takes none."""
    return sum(os.times()[:4])


def found_of(seed: int, kept: Path) -> dict[str, Any]:
    """The figures of a seed: as they were kept, or of a policy that is trained for them."""
    file = kept / f"{seed}.json"
    if not file.exists():
        with tempfile.TemporaryDirectory() as name:
            policy, minutes = trained(seed, Path(name))
        file.write_text(json.dumps(figures(trials(policy), minutes)), encoding="utf-8")
    known: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return known


def interval(values: Sequence[float]) -> str:
    """A mean and its 95 % interval."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return f"{mean:.3f}"
    half = T_95[len(values) - 1] * statistics.stdev(values) / len(values) ** 0.5
    return f"{mean:.3f} [{mean - half:.3f}, {mean + half:.3f}]"


def table(found: dict[int, dict[str, Any]]) -> list[str]:
    """A row for each figure and each claim, a column for each seed."""
    names = list(next(iter(found.values())))
    lines = ["| | " + " | ".join(f"seed {seed}" for seed in found) + " | mean |"]
    lines += ["|" + " --- |" * (len(found) + 2)]
    for name in names:
        own = [seen[name] for seen in found.values()]
        lines.append(f"| {name} | {' | '.join(f'{n:.3f}' for n in own)} | {interval(own)} |")
    held = [holds(seen) for seen in found.values()]
    for claim in CLAIMS:
        said = " | ".join("holds" if own[claim] else "FAILS" for own in held)
        lines.append(f"| {claim} | {said} | |")
    return lines


def prove(seeds: Sequence[int], kept: Path) -> dict[str, Any]:
    """These seeds, and the table of them on stderr."""
    kept.mkdir(parents=True, exist_ok=True)
    found = {seed: found_of(seed, kept) for seed in seeds}
    print("\n".join(table(found)), file=sys.stderr)
    held = {seed: holds(seen) for seed, seen in found.items()}
    return {
        "name": "a small orchestrator",
        "asked": len(CLAIMS) * len(seeds),
        "held": sum(sum(own.values()) for own in held.values()),
        "failures": [
            f"seed {s}: {c}" for s, own in held.items() for c, ok in own.items() if not ok
        ],
        "figures": {key: interval([found[s][key] for s in seeds]) for key in found[seeds[0]]},
        "seeds": {s: {k: round(v, 3) for k, v in own.items()} for s, own in found.items()},
    }


def main() -> int:
    """1 where a claim fails."""
    parser = argparse.ArgumentParser(prog="python -m proofs.orchestrator", description=__doc__)
    parser.add_argument("--short", action="store_true", help="the first seed alone")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--found", type=Path, help="a folder that keeps what was found of a seed")
    asked = parser.parse_args()
    seeds = SHORT_SEEDS if asked.short else asked.seeds
    with tempfile.TemporaryDirectory() as name:
        return told(prove(seeds, asked.found or Path(name)))


if __name__ == "__main__":
    from proofs.command import main as told

    raise SystemExit(main())
