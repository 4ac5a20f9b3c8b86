"""The result of a run: an ordinary model folder that is there whole, and is what was trained."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from safetensors import SafetensorError

from cohort.data.disk import refusing
from cohort.errors import StorageError
from cohort.policy.load import save_policy, saved_tensors
from cohort.policy.policy import Policy
from cohort.train.folder import MODEL
from cohort.train.products import put_in_place
from cohort.train.written import compared


def save_result(policy: Policy, run: Path) -> None:
    """Save the policy as `model/` of the run, and read it back. Raises StorageError.

    Written beside, read and compared bit for bit, fsynced, and renamed.
    """
    try:
        with refusing("saving the model"):
            put_in_place(run / MODEL, partial(save_policy, policy), partial(_verify, policy))
    except (SafetensorError, ValueError) as error:
        raise StorageError(
            f"saving the model failed: {error}",
            "make room, then give the same command again: the last checkpoint has all of it",
        ) from error


def _verify(policy: Policy, folder: Path) -> None:
    """Raise StorageError where a weight in the folder is not the policy's."""
    weights = saved_tensors(policy)
    count = 0
    for path in sorted(folder.glob("*.safetensors")):
        for name, same in compared(path, weights):
            count += 1
            if not same:
                raise StorageError(f"{name} in {path.name} is not what was saved", "try again")
    if not count:
        raise StorageError(f"no weight of the model is in {folder}", "try again")
