"""Repeated stages written out: iteration by iteration, each naming the latest of what it names.

Iterative GRPO (DeepSeekMath, arXiv:2402.03300, algorithm 1) is two stages that are repeated: the reward
model that goes on training, and the policy that is trained with it; each `reinforce` takes its
reference from the policy that it begins with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cohort.config.any_stage import AnyStage
from cohort.config.lookup import numbered
from cohort.config.preferences import RewardModel
from cohort.config.references import PREFIX, stage_of
from cohort.config.selection import Select
from cohort.config.stages import Reinforce, Sampled, Trained


def unrolled(stages: Sequence[AnyStage], repeated: Sequence[str], times: int) -> list[AnyStage]:
    """The stages with those that are repeated written out `times` times.

    Raises ValueError where they do not follow one another in the recipe.
    """
    names = numbered(stage.name or stage.kind for stage in stages)
    named = [
        stage.model_copy(update={"name": name}) for stage, name in zip(stages, names, strict=True)
    ]
    begin = names.index(repeated[0]) if repeated[0] in names else len(names)
    end = begin + len(repeated)
    if names[begin:end] != list(repeated):
        raise ValueError(
            f"the stages to repeat are {', '.join(repeated)}, and the recipe has "
            f"{', '.join(names)}: they must follow one another there"
        )
    found = named[:begin]
    latest = {name: name for name in names}
    for time in range(1, times + 1):
        for stage in named[begin:end]:
            found.append(_again(stage, time, latest))
    return found + [_meant(stage, latest) for stage in named[end:]]


def _again(stage: AnyStage, time: int, latest: dict[str, str]) -> AnyStage:
    """The stage at its `time`-th time; whoever names it from then on means this one."""
    before = latest[stage.name]
    copy = _meant(stage, latest)
    if time == 1:
        return copy
    own = f"{stage.name}.{time}"
    latest[stage.name] = own
    update: dict[str, Any] = {"name": own}
    if isinstance(stage, RewardModel):
        update["start"] = PREFIX + before
    return copy.model_copy(update=update)


def _meant(stage: AnyStage, latest: Mapping[str, str]) -> AnyStage:
    """The stage with what it names replaced by the latest of it."""

    def of(text: str) -> str:
        named = stage_of(text)
        return PREFIX + latest.get(named, named) if named else text

    update: dict[str, Any] = {
        "problems": stage.problems.each(lambda one: {"source": of(one.source)}),
    }
    if isinstance(stage, Trained | RewardModel):
        update["start"] = of(stage.start)
    if isinstance(stage, Reinforce) and stage.critic is not None:
        update["critic"] = stage.critic.model_copy(update={"start": of(stage.critic.start)})
    if isinstance(stage, Sampled):
        update["rewards"] = {of(name): reward for name, reward in stage.rewards.items()}
    if isinstance(stage, Select):
        update["keep"] = {of(name): least for name, least in stage.keep.items()}
    return stage.model_copy(update=update)
