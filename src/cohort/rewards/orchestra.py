"""The reward `orchestra`: what an episode with tools is worth to whoever asked, by outcome, cost and time.

ToolOrchestra (arXiv:2511.21689), section 3: see `objective.orchestra` for its equation. The group is seen
as a whole, since cost and time count beside those of the others. What is known of an episode are facts of
its environment:

    calls       how often each tool was called, by name, those included that were not
    outcome     whether the answer was right; none where no answer was given
    cost        what it cost, in any unit;  latency: how long its tools took, in seconds
    mistakes    how many calls had a wrong form; 0 where it is not there
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cohort.config.lookup import nearest
from cohort.errors import RewardError, legible
from cohort.rewards.outcome import Outcome, Scored, Unscorable

SPENT = ("cost", "latency")
COLUMNS = ("outcome", *SPENT)
"""What a preference can weigh beside the calls of tools, in the order of the columns."""

NO_EPISODE = Unscorable("it had no environment")
NO_ANSWER = Unscorable("it gave no answer")
WRONG_FORM = Unscorable("a call had a wrong form")


@dataclass(frozen=True, slots=True)
class Done:
    """What a rollout did: calls of each tool, whether it solved the problem, what it spent."""

    calls: Mapping[str, float]
    solved: bool
    cost: float
    latency: float


class Orchestra:
    """The reward `orchestra`. Called with the rollouts of one group."""

    per_group = True
    in_process = True
    """It is arithmetic of torch, which workers do not load."""

    def __call__(
        self,
        *,
        episodes: Sequence[Mapping[str, Any] | None],
        preference: Sequence[Mapping[str, float] | None],
        **_: object,
    ) -> list[Outcome]:
        """M~ . P for what was solved, 0 for what was not, and nothing for what has no valid answer.

        Episodes without an answer and those with a call of a wrong form are dropped, as the paper does;
        they are not among those that the columns are stretched over. `preference` weighs the calls of
        tools by name, `outcome`, `cost` and `latency`; what it does not name weighs 0. Raises
        RewardError for a name that is neither, and for facts that are missing.
        """
        read = [done_in(episode) for episode in episodes]
        valid = [number for number, one in enumerate(read) if isinstance(one, Done)]
        done = [one for one in read if isinstance(one, Done)]
        tools = sorted({name for one in done for name in one.calls})
        wishes = [_wish(preference[number], tools) for number in valid]
        said = dict(zip(valid, _worth(done, tools, wishes), strict=True))
        return [Scored(said[n]) if n in said else one for n, one in enumerate(read)]  # type: ignore[misc]


orchestra = Orchestra()


def done_in(episode: Mapping[str, Any] | None) -> Done | Unscorable:
    """What an episode did, by its facts, or why it is dropped. Raises RewardError for facts that miss."""
    if episode is None:
        return NO_EPISODE
    facts = episode["facts"]
    if facts.get("mistakes") or any(turn.get("mistakes") for turn in episode["turns"]):
        return WRONG_FORM
    if facts.get("outcome") is None:
        return NO_ANSWER
    calls, cost, latency = facts.get("calls"), facts.get("cost"), facts.get("latency")
    numbers = isinstance(calls, Mapping) and all(map(_is_number, [cost, latency, *calls.values()]))
    if not numbers:
        raise RewardError(
            f'reward "orchestra" reads calls {legible(repr(calls))}, cost {legible(repr(cost))} and latency '
            f"{legible(repr(latency))} among the facts of an episode",
            "an environment says them with each answer: a count by tool, and two numbers",
        )
    return Done(calls, bool(facts["outcome"]), float(cost), float(latency))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _wish(preference: Mapping[str, float] | None, tools: Sequence[str]) -> list[float]:
    """A preference as weights of the columns: the tools in order, outcome, cost, latency."""
    known = [*tools, *COLUMNS]
    for name in preference or {}:
        if name not in known:
            near = nearest(name, known)
            raise RewardError(
                f'reward "orchestra": a preference weighs "{legible(name)}"; there are {", ".join(known)}',
                f'did you mean "{near}"?'
                if near
                else "it weighs tools by name, outcome, cost and latency",
            )
    return [float((preference or {}).get(name, 0.0)) for name in known]


def _worth(
    done: Sequence[Done], tools: Sequence[str], wishes: Sequence[Sequence[float]]
) -> list[float]:
    """The reward of each, beside the others."""
    import torch  # `rewards` is loaded where nothing is computed, too

    from cohort.objective.orchestra import preferred

    if not done:
        return []
    rows = [
        [*(one.calls.get(name, 0) for name in tools), one.solved, -one.cost, -one.latency]
        for one in done
    ]
    matrix = torch.tensor(rows, dtype=torch.float64)
    solved = torch.tensor([one.solved for one in done])
    group = torch.zeros(len(done), dtype=torch.long)
    wish = torch.tensor(wishes, dtype=torch.float64)
    found: list[float] = preferred(matrix, group, solved=solved, preference=wish).tolist()
    return found
