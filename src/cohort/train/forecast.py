"""What the stages of a recipe will take: peak memory by item, tokens and seconds of a step, the expected end.

Answers are taken to be as long as they may be, so a run whose answers end sooner is faster and smaller.
The time of reward functions is not known before they ran and not in it.

    operations of a token: 2 N forward, 4 N backward, for the N weights that it meets
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cohort.config.optimizer import Optimizer
from cohort.config.preferences import Preference, RewardModel
from cohort.config.recipe import Recipe
from cohort.config.selection import Select
from cohort.config.stages import Evaluate, Sampled, Supervised
from cohort.data.records import Problem
from cohort.policy.outline import Sizes, sizes_of
from cohort.policy.policy import ROW_TOKENS, Policy
from cohort.rewards.isolation.workers import home_of
from cohort.rollout.sampler import SLOTS
from cohort.tasks.later import Later
from cohort.tasks.mixed import Mixed
from cohort.tasks.problems import ProblemSource
from cohort.train.machine import Machine
from cohort.train.memory import Load, items, peak
from cohort.train.plan import StagePlan
from cohort.train.supervised import demonstrated

LOOKED_AT = 256
"""Problems whose prompts are made into tokens to find out how long they are."""
REACHED = {"cpu": 0.5, "cuda": 0.35}
"""The share of a machine's operations that rows come to."""
READ = 0.6
"""The share of its bandwidth that a decode step comes to."""


@dataclass(frozen=True, slots=True)
class StageForecast:
    """A stage: bytes by item, and what a step of it takes."""

    name: str
    kind: str
    steps: int
    load: Load
    bytes: dict[str, int]
    tokens_per_step: int
    step_seconds: float

    @property
    def peak_bytes(self) -> int:
        """The most that is there at a time."""
        return peak(self.bytes)

    @property
    def seconds(self) -> float:
        """All of its steps."""
        return self.steps * self.step_seconds


def forecast(
    recipe: Recipe, plans: Sequence[StagePlan], policy: Policy, machine: Machine
) -> list[StageForecast]:
    """Every stage of a recipe, on a machine; `policy` is an outline."""
    sizes = sizes_of(policy)
    found = []
    for plan in plans:
        load = load_of(plan, policy, recipe, machine)
        found.append(
            StageForecast(
                name=plan.name,
                kind=plan.options.kind,
                steps=getattr(plan.options, "steps", 1),
                load=load,
                bytes=items(sizes, load),
                tokens_per_step=load.tokens,
                step_seconds=step_seconds(sizes, load, machine),
            )
        )
    return found


def load_of(plan: StagePlan, policy: Policy, recipe: Recipe, machine: Machine) -> Load:
    """What a stage asks of a machine."""
    options, context, device = plan.options, policy.context, machine.device
    groups, members = _counts(plan)
    prompt = min(_longest_prompt(plan, policy), context - 1)
    answer = getattr(options, "max_new_tokens", 0)
    if isinstance(options, Supervised) or _of_rows(plan):
        answer = _longest_demonstration(plan, policy)
    asked = getattr(options, "tokens_per_microbatch", 0)
    critic = getattr(options, "critic", None)
    optimizer = getattr(options, "optimizer", Optimizer())
    return Load(
        device=device,
        learns=not isinstance(options, Evaluate | Select),
        samples=isinstance(options, Sampled) and not _of_rows(plan),
        prompt=prompt,
        answer=min(answer, context - prompt),
        groups=groups,
        members=members,
        row_tokens=asked or ROW_TOKENS.get(device, 8192),
        rows_at_once=machine.threads,
        slots=getattr(options, "slots", 0) or SLOTS.get(device, 256),
        reference=isinstance(options, Preference)
        or bool(plan.algorithm is not None and plan.algorithm.beta),
        optimizer=optimizer.name,
        rounding=optimizer.rounding,
        beside=int(isinstance(options, RewardModel) or getattr(critic, "kind", "") == "own"),
        recompute=recipe.model.recompute,
        copies_state=recipe.checkpoints.in_background,
        process_bytes=machine.process_bytes,
        workers=len({home_of(reward) for reward in plan.rewards} - {None}),
    )


def step_seconds(sizes: Sizes, load: Load, machine: Machine) -> float:
    """Sampling and learning of one step, as far as arithmetic and memory say it."""
    rate = machine.operations * REACHED[machine.device]
    seconds = 0.0
    if load.learns:
        passes = 3 + load.recompute + load.reference + 3 * load.beside
        seconds += 2 * passes * sizes.met * load.tokens / rate
    if load.samples:
        lanes = min(load.slots, load.groups * load.members)
        rounds = -(-load.groups * load.members // lanes) * load.answer
        weights = sizes.met * sizes.number_bytes / (READ * machine.bandwidth)
        seconds += rounds * max(weights, 2 * sizes.met * lanes / rate)
        seconds += 2 * sizes.met * load.groups * load.prompt / rate
    return seconds


def _of_rows(plan: StagePlan) -> bool:
    """Whether a stage that could sample learns from rows instead."""
    return isinstance(plan.options, Preference | RewardModel) and not plan.options.rewards


def _counts(plan: StagePlan) -> tuple[int, int]:
    """Groups of a step, and answers of a group."""
    match plan.options:
        case Supervised() as options:
            return options.rows_per_step, 1
        case Evaluate() as options:
            held = sum(len(source.held_out()) for source in _sources(plan))
            return max(1, held), options.samples_per_problem
        case RewardModel() as options:
            return options.examples_per_step, 2 if _of_rows(plan) else options.rollouts_per_prompt
        case Preference() as options if _of_rows(plan):
            return options.pairs_per_step, 2
        case options:
            return options.prompts_per_step, options.rollouts_per_prompt


def _sources(plan: StagePlan) -> list[ProblemSource]:
    """Where a stage's problems come from, but for those that an earlier stage will leave."""
    sources: list[ProblemSource] = [plan.source]
    if isinstance(plan.source, Mixed):
        sources = [part.source for part in plan.source.parts]
    return [source for source in sources if not isinstance(source, Later)]


def _problems(plan: StagePlan) -> list[Problem]:
    """Some of a stage's problems."""
    found: list[Problem] = []
    for source in _sources(plan):
        known = source.known()[:LOOKED_AT]
        found += known or source.batch(seed=0, purpose="plan", step=1, count=LOOKED_AT)
    return found


def _longest_prompt(plan: StagePlan, policy: Policy) -> int:
    return max((len(policy.prompt_tokens(p)) for p in _problems(plan)), default=1)


def _longest_demonstration(plan: StagePlan, policy: Policy) -> int:
    """Of a supervised stage's rows; of pairs, of their longer column."""
    if isinstance(plan.options, Supervised):
        rows = [
            row
            for source in _sources(plan)
            for row in source.demonstrations(seed=0, step=1, count=LOOKED_AT)
        ]
        lengths = [len(demonstrated(row, policy).tokens) for row in rows]
        return max(lengths, default=policy.context // 2)
    texts = [
        text
        for problem in _problems(plan)
        for name in ("chosen", "rejected", "answers")
        for text in [problem.columns.get(name)]
        if isinstance(text, str)
    ]
    return max((len(policy.completion_tokens(text)) for text in texts), default=policy.context // 2)
