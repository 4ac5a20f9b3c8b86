"""Settings with which a recipe fits into the memory there is, or what is missing.

What costs least is given up first: tokens of a row, answers side by side, time (a run that waits for its
checkpoints, recompute), the training of all weights (adapters), and at last precision. None before adapters
changes what is learned. The optimizer is the user's to choose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cohort.config.recipe import LoRA, Recipe
from cohort.errors import ModelError, RecipeError
from cohort.policy.outline import outline
from cohort.train.forecast import StageForecast, forecast
from cohort.train.located import located
from cohort.train.machine import Machine
from cohort.train.memory import phases
from cohort.train.plan import Given, StagePlan, make_plan

SHARE = 0.95
"""Of the memory given: what a forecast may fall short by."""
LEAST_ROW = 128
LEAST_SLOTS = 8
UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
         "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Planned:
    """A recipe as it will be trained, what each stage takes, and why it is so.

    memory_bytes: 0 where none was given.
    """

    recipe: Recipe
    machine: Machine
    memory_bytes: int
    stages: tuple[StageForecast, ...]
    chosen: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def largest(self) -> StageForecast:
        """The stage that takes the most."""
        return max(self.stages, key=lambda stage: stage.peak_bytes)


def parse_memory(text: str) -> int:
    """Bytes of `16GiB`, `24 GB`, `512MiB`. Raises RecipeError."""
    number = text.strip().rstrip("BbIiKkMmGgTt ")
    unit = text.strip()[len(number) :].strip().upper()
    try:
        value = float(number)
    except ValueError:
        value = 0.0
    if unit not in UNITS or not 0 < value * UNITS.get(unit, 0) < 1 << 60:
        raise RecipeError(
            f"memory is {text[:40]!r}", "write a number and a unit: 16GiB, 24GB, 800MiB"
        )
    return int(value * UNITS[unit])


def plan_recipe(recipe: Recipe, *, base: Path, machine: Machine, memory: int = 0) -> Planned:
    """The forecast of a recipe whose file is in `base`; with `memory`, with settings that fit into it.

    Raises ModelError where none do, saying how much is missing.
    """
    plans = make_plan(located(recipe, base), base, Given())
    given = _Given(plans, machine, base)
    stages, chosen = given.stages(recipe), list[str]()
    if memory and _over(stages, int(SHARE * memory)):
        recipe, stages, chosen = _fitted(recipe, given, stages, memory)
    return Planned(
        recipe, machine, memory, tuple(stages), tuple(chosen), tuple(_notes(recipe, stages))
    )


@dataclass(frozen=True, slots=True)
class _Given:
    plans: Sequence[StagePlan]
    machine: Machine
    base: Path

    def stages(self, recipe: Recipe) -> list[StageForecast]:
        """The forecast with other settings of the same recipe."""
        located_one = located(recipe, self.base)
        pieces = self.plans[0].source.vocabulary() if recipe.model.new is not None else []
        policy = outline(located_one.model, vocabulary=pieces)
        pairs = zip(self.plans, located_one.stage, strict=True)
        plans = [replace(plan, options=options) for plan, options in pairs]
        return forecast(recipe, plans, policy, self.machine)


def _fitted(
    recipe: Recipe, given: _Given, stages: list[StageForecast], memory: int
) -> tuple[Recipe, list[StageForecast], list[str]]:
    """Settings given up one kind after another, each only as far as it helps and as is needed."""
    limit = int(SHARE * memory)
    chosen: list[str] = []
    for change in CHANGES:
        before, kept = stages, ""
        for candidate, why in change(recipe, stages):
            tried = given.stages(candidate)
            if _over(tried, limit) < _over(stages, limit):
                recipe, stages, kept = candidate, tried, why
            if not _over(stages, limit):
                break
        if kept:
            chosen.append(f"{kept}, which saves {shown(_all(before) - _all(stages))}")
        if not _over(stages, limit):
            return recipe, stages, chosen
    worst = max(stages, key=lambda stage: stage.peak_bytes)
    largest = sorted(worst.bytes.items(), key=lambda item: -item[1])[:3]
    missing = shown(worst.peak_bytes - limit)
    raise ModelError(
        f"the recipe does not fit into {shown(memory)}: with the smallest settings stage "
        f"{worst.name} takes {shown(worst.peak_bytes)}, {missing} more than there is for it",
        "the most is "
        + ", ".join(f"{name} {shown(size)}" for name, size in largest)
        + "; give more memory, or a smaller model",
    )


def _over(stages: Sequence[StageForecast], limit: int) -> int:
    """Bytes by which all stages together are over the limit, while they learn and while they sample."""
    return sum(max(0, size - limit) for stage in stages for size in phases(stage.bytes))


def _all(stages: Sequence[StageForecast]) -> int:
    """Everything that the largest stage has at one time or another."""
    return max(sum(stage.bytes.values()) for stage in stages)


Candidates = Iterator[tuple[Recipe, str]]
Change = Callable[[Recipe, Sequence[StageForecast]], Candidates]


def _shorter_rows(recipe: Recipe, stages: Sequence[StageForecast]) -> Candidates:
    tokens = max(stage.load.row_tokens for stage in stages)
    while (tokens := tokens // 2) >= LEAST_ROW:
        option = "tokens_per_microbatch"
        yield _each(recipe, option, tokens), f"{option} = {tokens}"


def _fewer_slots(recipe: Recipe, stages: Sequence[StageForecast]) -> Candidates:
    slots = max(stage.load.slots for stage in stages)
    while (slots := slots // 2) >= LEAST_SLOTS:
        yield _each(recipe, "slots", slots), f"slots = {slots}"


def _no_copy(recipe: Recipe, stages: Sequence[StageForecast]) -> Candidates:
    if recipe.checkpoints.in_background:
        saving = recipe.checkpoints.model_copy(update={"in_background": False})
        changed = recipe.model_copy(update={"checkpoints": saving})
        yield changed, "checkpoints.in_background = false"


def _recompute(recipe: Recipe, stages: Sequence[StageForecast]) -> Candidates:
    if not recipe.model.recompute:
        yield _model(recipe, recompute=True), "recompute = true"


def _narrow(recipe: Recipe, stages: Sequence[StageForecast]) -> Candidates:
    if recipe.model.dtype != "bfloat16":
        yield _model(recipe, dtype="bfloat16"), 'dtype = "bfloat16"'


def _adapters(recipe: Recipe, stages: Sequence[StageForecast]) -> Candidates:
    if recipe.model.lora is None and find_spec("peft") is not None:
        yield _model(recipe, lora=LoRA()), f"lora = {{ rank = {LoRA().rank} }}"


ROUNDED = {
    "masters": "bfloat16 weights have float32 masters, 4 bytes a weight: without them updates of a small "
    "learning rate would round to nothing",
    "stochastic": "bfloat16 weights have no masters: what an update asks for is rounded up or down by "
    "chance, right on average",
    "nearest": "bfloat16 weights have no masters: what an update changes by less than 1/512 of a weight is "
    "lost, which at a small learning rate is nearly everything",
}
"""What a user should know of each way of `optimizer.rounding`."""

CHANGES: tuple[Change, ...] = (
    _shorter_rows, _fewer_slots, _no_copy, _recompute, _adapters, _narrow,
)  # fmt: skip
"""In the order in which they are tried; each starts from where the one before it has come to."""


def _model(recipe: Recipe, **values: Any) -> Recipe:
    return recipe.model_copy(update={"model": recipe.model.model_copy(update=values)})


def _each(recipe: Recipe, option: str, value: int) -> Recipe:
    """The recipe with an option of every stage that has it."""
    stages = [
        stage.model_copy(update={option: value}) if option in type(stage).model_fields else stage
        for stage in recipe.stage
    ]
    return recipe.model_copy(update={"stage": stages})


def _notes(recipe: Recipe, stages: Sequence[StageForecast]) -> Iterator[str]:
    """What a user should know of the settings."""
    learning = [stage for stage in stages if stage.load.learns]
    if recipe.model.dtype == "bfloat16":
        for rounding in dict.fromkeys(stage.load.rounding for stage in learning):
            yield ROUNDED[rounding]
    if recipe.model.lora is not None:
        yield "adapters are trained, the model's own weights stay; the reference is the base, at no memory"
    if learning and learning[0].bytes["checkpoint"] > learning[0].bytes["optimizer"] > 0:
        yield (
            "a checkpoint is copied in memory, and written from there: "
            f"{shown(max(s.bytes['checkpoint'] for s in learning))}; with checkpoints.in_background = false "
            "the run waits instead"
        )


def shown(size: int) -> str:
    """Bytes for people: 1.5 GiB, 230 MiB."""
    if abs(size) >= 1 << 30:
        return f"{size / (1 << 30):.2f} GiB"
    return f"{size / (1 << 20):.0f} MiB"
