"""Where a run goes on: its newest checkpoint that is whole, of this policy, and behind the store.

A checkpoint that cannot be gone on from is passed over with its reason, never in silence; where there
are checkpoints and none of them is whole, the run is refused rather than begun anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cohort.data.checkpoints import Checkpoints, DamagedError
from cohort.data.store import Store
from cohort.errors import RunError
from cohort.policy.policy import Policy
from cohort.train.state import Snapshot, check, decoded


@dataclass(frozen=True, slots=True)
class Found:
    """A checkpoint to go on from, and why newer ones were passed over."""

    number: int
    taken: Snapshot
    passed_over: tuple[str, ...]


def find(
    checkpoints: Checkpoints, policy: Policy, store: Store, *, healthy_only: bool = False
) -> Found | None:
    """The newest checkpoint to go on from; None where none was ever saved.

    Raises RunError where there are some and none can be used.
    """
    passed_over: list[str] = []
    for number in reversed(checkpoints.numbers()):
        try:
            taken = _usable(checkpoints, number, policy, store, healthy_only)
        except DamagedError as error:
            passed_over.append(f"checkpoint step-{number:06d} is passed over: {error}")
            continue
        return Found(number, taken, tuple(passed_over))
    if passed_over:
        raise RunError(
            "\n".join(["no checkpoint of this run can be used", *passed_over[:3]]),
            "give another folder with --run; this one is left as it is",
        )
    return None


def _usable(
    checkpoints: Checkpoints, number: int, policy: Policy, store: Store, healthy_only: bool
) -> Snapshot:
    found = checkpoints.read(number)
    if healthy_only and not found.healthy:
        raise DamagedError("it is not healthy")
    taken = decoded(found.files)
    check(taken, policy)
    if not store.has_step(taken.place.stage, taken.place.step):
        raise DamagedError("run.db does not have its last step")
    return taken


def refuse_changes(changes: Sequence[str], folder: str) -> RunError:
    """The refusal to go on where something that the bits depend on has changed."""
    shown = list(changes[:3]) + ([f"and {len(changes) - 3} more"] if len(changes) > 3 else [])
    return RunError(
        "\n".join([f"what {folder} depends on has changed", *(f"  {line}" for line in shown)]),
        "change it back, or go on all the same by --accept-changes, which is recorded",
    )
