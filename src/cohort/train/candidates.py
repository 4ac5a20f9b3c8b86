"""The policies that a name stands for: a model, a run's result, or each of its checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cohort.config.recipe import Model
from cohort.data.checkpoints import Checkpoints, DamagedError
from cohort.errors import RunError
from cohort.policy.load import load_policy
from cohort.policy.policy import Policy
from cohort.train.folder import CHECKPOINTS, DATABASE, MODEL, recipe_of
from cohort.train.plan import Given, make_plan
from cohort.train.state import check, decoded, restore_weights


@dataclass(frozen=True, slots=True)
class Candidate:
    """A policy that can be loaded, and what it is called."""

    label: str
    load: Callable[[], Policy]


def candidates(name: str, model: Model, *, seed: int, checkpoints: bool) -> list[Candidate]:
    """What `name` stands for, in the order in which it came about.

    model: how it is loaded where it is no run. checkpoints: every one of a run, and not its result alone; the
    last of a finished run is its result. Raises RunError where a run has nothing to load.
    """
    run = Path(name)
    if not (run / DATABASE).is_file():
        if checkpoints:
            raise RunError(f"{name} is no run: it has no checkpoints", "leave --checkpoints out")
        return [Candidate(name, lambda: _of_folder(model, name, seed))]
    result = run / MODEL
    if result.is_dir() and not checkpoints:
        return [Candidate(name, lambda: _of_folder(model, str(result), seed))]
    numbers = Checkpoints(run / CHECKPOINTS).numbers()
    if not numbers:
        raise RunError(f"{name} has no model and no checkpoint yet", "wait for the first one")
    wanted = numbers if checkpoints else numbers[-1:]
    return [Candidate(f"{name} step {n}", lambda n=n: _of_checkpoint(run, n)) for n in wanted]  # type: ignore[misc]


def _of_folder(model: Model, path: str, seed: int) -> Policy:
    return load_policy(model.model_copy(update={"path": path}), vocabulary=[], seed=seed)


def _of_checkpoint(run: Path, number: int) -> Policy:
    """The policy that the run's recipe begins with, with the weights of a checkpoint."""
    recipe = recipe_of(run)
    pieces: list[str] = []
    if recipe.model.new is not None:
        pieces = list(make_plan(recipe, run, Given())[0].source.vocabulary())
    policy = load_policy(recipe.model, vocabulary=pieces, seed=recipe.seed)
    try:
        taken = decoded(Checkpoints(run / CHECKPOINTS).read(number).files)
        check(taken, policy)
    except DamagedError as error:
        raise RunError(f"checkpoint step-{number:06d} of {run}: {error}", "name another") from error
    restore_weights(taken, policy)
    return policy
