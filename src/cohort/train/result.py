"""The result of a run: an ordinary model folder that is there whole, and is what was trained."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from cohort.data.disk import refusing
from cohort.errors import StorageError
from cohort.policy.load import save_policy, saved_tensors
from cohort.policy.policy import Policy
from cohort.train.folder import MODEL
from cohort.train.products import put_in_place


def save_result(policy: Policy, run: Path) -> None:
    """Save the policy as `model/` of the run, and read it back. Raises StorageError.

    Written beside, read and compared bit for bit, fsynced, and renamed.
    """
    try:
        with refusing("saving the model"):
            put_in_place(run / MODEL, partial(save_policy, policy), partial(_verify, policy))
    except SafetensorError as error:
        raise StorageError(
            f"saving the model failed: {error}",
            "make room, then give the same command again: the last checkpoint has all of it",
        ) from error


def _verify(policy: Policy, folder: Path) -> None:
    """Raise StorageError where a weight in the folder is not the policy's."""
    weights = saved_tensors(policy)
    compared = 0
    for path in sorted(folder.glob("*.safetensors")):
        for name, tensor in load_file(path).items():
            if name in weights:
                compared += 1
                if not torch.equal(tensor, weights[name].detach().cpu()):
                    raise StorageError(f"{name} in {path.name} is not what was saved", "try again")
    if not compared:
        raise StorageError(f"no weight of the model is in {folder}", "try again")
