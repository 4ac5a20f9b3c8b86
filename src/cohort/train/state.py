"""Everything that the next step of a stage depends on, besides the recipe; and its form on disk.

    model.safetensors       every parameter once, by name, and the buffers that a model folder has; of a
                            model with adapters only those
    optimizer.safetensors   by name of the parameter: what the optimizer keeps, float32 masters
    reference.safetensors   the reference policy's parameters, where there is one
    critic.safetensors, critic-optimizer.safetensors   and those of a reward model, where there is one
    state.json              the place in the run, the counts, the algorithm as its controllers left it,
                            the health of the run, and what reward functions remember

Draws are functions of keys (`data.keyed`) and problems of the step, so nothing else has a memory.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from cohort.data.checkpoints import DamagedError, canonical
from cohort.objective.algorithms import Algorithm
from cohort.policy.adapters import own_weights
from cohort.policy.policy import Policy
from cohort.rewards.functions import RewardFunction
from cohort.train.optim import Trainable, Updater
from cohort.train.written import Written

MODEL, OPTIMIZER, REFERENCE = "model", "optimizer", "reference"
CRITIC, REWARD_MODEL = "critic", "reward-model"
"""What else a stage can train."""
STATE = "state.json"

Tensors = dict[str, Tensor]


@dataclass(slots=True)
class Cost:
    """Tokens that a stage sampled, and tokens whose gradient it computed."""

    sampled_tokens: int = 0
    trained_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Learner:
    """What a stage trains beside the policy, and its optimizer."""

    trained: Trainable
    updater: Updater


@dataclass(slots=True)
class StageState:
    """What a stage works with, after so many of its steps.

    updater: the policy's, None where the stage leaves the policy alone. others: what else it trains,
    by the names that checkpoints have for it.
    """

    updater: Updater | None
    cost: Cost = field(default_factory=Cost)
    algorithm: Algorithm | None = None
    reference: Policy | None = None
    step: int = 0
    others: dict[str, Learner] = field(default_factory=dict)

    @property
    def updaters(self) -> list[Updater]:
        """Every optimizer of the stage."""
        own = [] if self.updater is None else [self.updater]
        return [*own, *(learner.updater for learner in self.others.values())]


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a run: a stage, from 0, and how many of its steps are done."""

    stage: int = 0
    step: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything at a place: a copy, unless it was asked to be the state itself."""

    place: Place
    tensors: Mapping[str, Tensors]
    facts: Mapping[str, Any]


def snapshot(
    policy: Policy,
    stage: int,
    state: StageState,
    rewards: Sequence[RewardFunction],
    health: Mapping[str, Any],
    spare: Mapping[str, Tensors] | None = MappingProxyType({}),
) -> Snapshot:
    """A copy of everything that the next step depends on.

    spare: the tensors of a snapshot that nobody needs any more; their memory is used again. None: nothing is
    copied, and what goes on afterwards changes the snapshot.
    """
    own = state.updater
    parts = {MODEL: weights_of(policy), OPTIMIZER: {} if own is None else own.tensors()}
    if state.reference is not None:
        parts[REFERENCE] = weights_of(state.reference)
    for name, learner in state.others.items():
        parts[name] = weights_of(learner.trained)
        parts[_optimizer_of(name)] = learner.updater.tensors()
    tensors = {
        name: part if spare is None else _copies(part, spare.get(name, {}))
        for name, part in parts.items()
    }
    algorithm = state.algorithm
    facts = {
        "stage": stage,
        "step": state.step,
        "updates": 0 if own is None else own.made,
        "others": {name: learner.updater.made for name, learner in state.others.items()},
        "version": policy.version,
        "sampled_tokens": state.cost.sampled_tokens,
        "trained_tokens": state.cost.trained_tokens,
        "algorithm": None if algorithm is None else dict(algorithm.values),
        "health": dict(health),
        "rewards": remembered(rewards),
    }
    return Snapshot(Place(stage, state.step), tensors, json.loads(canonical(facts)))


def encoded(taken: Snapshot) -> dict[str, bytes | Written]:
    """The files of a checkpoint."""
    files: dict[str, bytes | Written] = {STATE: canonical(taken.facts)}
    for name, tensors in taken.tensors.items():
        files[f"{name}.safetensors"] = Written(tensors)
    return files


def decoded(files: Mapping[str, bytes]) -> Snapshot:
    """What `encoded` was given. Raises DamagedError for what no Cohort wrote."""
    tensors = {}
    for name in _FILES:
        if (data := files.get(f"{name}.safetensors")) is not None:
            try:
                tensors[name] = load(data)
            except SafetensorError as error:
                raise DamagedError(f"{name}.safetensors: {str(error)[:100]}") from error
    unknown = set(files) - {f"{name}.safetensors" for name in tensors} - {STATE}
    if unknown or MODEL not in tensors or OPTIMIZER not in tensors or STATE not in files:
        raise DamagedError(f"its files are {', '.join(sorted(files))[:100]}")
    facts = _facts(files[STATE])
    return Snapshot(Place(facts["stage"], facts["step"]), tensors, facts)


def _optimizer_of(name: str) -> str:
    return f"{name}-{OPTIMIZER}"


_OTHERS = (CRITIC, REWARD_MODEL)
_FILES = (MODEL, OPTIMIZER, REFERENCE, *_OTHERS, *map(_optimizer_of, _OTHERS))
LARGEST_COUNT = 1 << 53
_COUNTS = ("stage", "step", "updates", "version", "sampled_tokens", "trained_tokens")


def _facts(data: bytes) -> dict[str, Any]:
    try:
        facts = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"{STATE} is not JSON: {str(error)[:80]}") from error
    if not isinstance(facts, dict):
        raise DamagedError(f"{STATE} is not an object")
    for name in _COUNTS:
        if type(facts.get(name)) is not int or not 0 <= facts[name] < LARGEST_COUNT:
            raise DamagedError(f"{STATE}: {name} is {facts.get(name)!r:.40}")
    kinds = (("algorithm", dict | None), ("health", dict), ("rewards", dict), ("others", dict))
    for name, kind in kinds:
        if not isinstance(facts.get(name), kind):
            raise DamagedError(f"{STATE}: {name} is {facts.get(name)!r:.40}")
    return facts


def check(taken: Snapshot, policy: Policy) -> None:
    """Raise DamagedError where a checkpoint is not of this policy, or has a number not finite."""
    for name in (MODEL, REFERENCE):
        if name in taken.tensors:
            _check_alike(name, taken.tensors[name], weights_of(policy))
    bad = first_not_finite(taken.tensors)
    if bad:
        raise DamagedError(f"{bad} is not finite")


def first_not_finite(tensors: Mapping[str, Mapping[str, Tensor]]) -> str:
    """The first tensor with a NaN or an infinity, as "file tensor"; empty where there is none."""
    for file, named in tensors.items():
        for name, tensor in named.items():
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                return f"{file} {name}"
    return ""


def restore_weights(taken: Snapshot, policy: Policy) -> None:
    """The policy as it was; `check` has been asked."""
    _put(taken.tensors[MODEL], weights_of(policy))
    policy.version = taken.facts["version"]


def restore_stage(taken: Snapshot, state: StageState, rewards: Sequence[RewardFunction]) -> None:
    """The stage's own state as it was: optimizer, reference, controllers, counts, rewards.

    Raises DamagedError where the checkpoint is not of this stage.
    """
    facts = taken.facts
    if state.updater is not None:
        state.updater.restore(taken.tensors[OPTIMIZER], made=facts["updates"])
    _restore_others(taken, state)
    if (state.reference is None) != (REFERENCE not in taken.tensors):
        raise DamagedError("it is with a reference policy where the stage is without, or without")
    if state.reference is not None:
        _put(taken.tensors[REFERENCE], weights_of(state.reference))
    if state.algorithm is not None:
        values, saved = state.algorithm.values, facts["algorithm"] or {}
        moved = {name: value for name, value in saved.items() if values.get(name) != value}
        state.algorithm = state.algorithm.but(**moved)
    state.cost.sampled_tokens = facts["sampled_tokens"]
    state.cost.trained_tokens = facts["trained_tokens"]
    state.step = facts["step"]
    remember(rewards, facts["rewards"])


def _restore_others(taken: Snapshot, state: StageState) -> None:
    made = taken.facts["others"]
    if set(made) != set(state.others):
        raise DamagedError(f"it has {', '.join(made) or 'nothing'} beside the policy")
    for name, learner in state.others.items():
        optimizer = _optimizer_of(name)
        if name not in taken.tensors or optimizer not in taken.tensors:
            raise DamagedError(f"{name} or its optimizer is not there")
        weights = weights_of(learner.trained)
        _check_alike(name, taken.tensors[name], weights)
        _put(taken.tensors[name], weights)
        learner.updater.restore(taken.tensors[optimizer], made=made[name])


def remembered(rewards: Sequence[RewardFunction]) -> dict[str, Any]:
    """What reward functions with `state_dict` say of themselves, by name. Raises RewardError."""
    return {reward.name: reward.remembered() for reward in rewards if reward.remembers}


def remember(rewards: Sequence[RewardFunction], states: Mapping[str, Any]) -> None:
    """Give reward functions back what they said of themselves."""
    for reward in rewards:
        if reward.remembers and reward.name in states:
            reward.remember(states[reward.name])


def weights_of(policy: Trainable) -> Tensors:
    """Every parameter that may have changed, once, and the buffers that belong to a saved model, by name."""
    model = policy.model
    saved = set(model.state_dict())
    buffers = {name: buffer for name, buffer in model.named_buffers() if name in saved}
    parameters: dict[str, nn.Parameter] = dict(own_weights(model))
    return {**parameters, **buffers}


def _copies(tensors: Mapping[str, Tensor], spare: Mapping[str, Tensor]) -> Tensors:
    copies = {}
    for name, tensor in tensors.items():
        old = spare.get(name)
        if old is not None and old.shape == tensor.shape and old.dtype == tensor.dtype:
            copies[name] = old.copy_(tensor.detach())  # new memory costs more than copying
        else:
            copies[name] = tensor.detach().to("cpu", copy=True).contiguous()
    return copies


@torch.no_grad()
def _put(saved: Mapping[str, Tensor], into: Mapping[str, Tensor]) -> None:
    for name, tensor in into.items():
        tensor.copy_(saved[name])


def _check_alike(file: str, saved: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    odd = set(saved).symmetric_difference(wanted)
    if odd:
        raise DamagedError(f"{file}: {sorted(odd)[0][:80]} is in one of model and checkpoint only")
    for name, tensor in wanted.items():
        found = saved[name]
        if found.shape != tensor.shape or found.dtype != tensor.dtype:
            shape = tuple(tensor.shape)
            raise DamagedError(
                f"{file} {name} is {found.dtype} {tuple(found.shape)}, not {tensor.dtype} {shape}"
            )
