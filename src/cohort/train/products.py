"""What the stages of a run leave behind for later ones: a data set, a policy, a reward model.

    stages/NAME/   kept.jsonl   what `select` kept
                   model/       what `reward-model` trained, an ordinary folder
                   policy.safetensors   the policy as the stage left it, where a later one begins with it

A folder is written beside, fsynced and renamed; it is there whole or not at all. A stage that went
through leaves it before the next one begins, so whoever goes on from a later place finds it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cohort.data.disk import Disk, RealDisk, refusing, remove_tree
from cohort.errors import RunError

STAGES = "stages"
KEPT, MODEL, POLICY = "kept.jsonl", "model", "policy.safetensors"


class Products:
    """The folder `stages` of a run."""

    def __init__(self, run: Path) -> None:
        self._run = run

    @property
    def run(self) -> Path:
        """The run's folder."""
        return self._run

    def leave(self, stage: str, write: Callable[[Path], None]) -> Path:
        """Put a stage's folder in place, filled by `write`. Raises StorageError."""
        final = self._run / STAGES / stage
        with refusing(f"saving what stage {stage} leaves"):
            final.parent.mkdir(exist_ok=True)
            put_in_place(final, write)
        return final

    def of(self, stage: str, what: str) -> Path:
        """Where something that a stage left is. Raises RunError where it is gone."""
        found = self._run / STAGES / stage / what
        if not found.exists():
            raise RunError(
                f"{found} is gone, and a later stage needs it",
                "put it back, or begin anew in another folder with --run",
            )
        return found


def put_in_place(
    final: Path, write: Callable[[Path], None], check: Callable[[Path], None] = lambda _: None
) -> None:
    """Fill a folder beside its place, check it, fsync it, and rename it; what was there goes."""
    disk, aside = RealDisk(), final.parent / f".{final.name}"
    if aside.is_dir():
        remove_tree(disk, aside)
    aside.mkdir()
    write(aside)
    check(aside)
    _sync(disk, aside)
    if final.is_dir():
        remove_tree(disk, final)
    disk.rename(aside, final)
    disk.sync_folder(final.parent)


def _sync(disk: Disk, folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                disk.sync(file.fileno())
        elif path.is_dir():
            disk.sync_folder(path)
    disk.sync_folder(folder)
