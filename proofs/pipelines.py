"""The recipes `r1` and `r1-zero`, shortened, killed with -9 once in each stage: the same bits at the end.

In a stage that trains or samples the kill comes when one of its steps, drawn by key, is about to be kept;
in an evaluation, when its answers are. The same command given again must go on in that stage, and what
stands there at the end is compared with a run that nobody killed: weights, optimizer, run.db (times
aside), and what the stages left for each other.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cohort.config.load import dump_recipe, load_recipe, packaged_recipes, read_recipe
from cohort.config.references import stage_of
from cohort.data import keyed
from cohort.data.store import Store
from proofs.command import main
from proofs.compare import differences
from proofs.forks import command, forked, import_everything

SHORT: dict[str, dict[str, Any]] = {
    "supervised": {"steps": 30},
    "reinforce": {"steps": 3, "prompts_per_step": 4, "rollouts_per_prompt": 4},
    "select": {"steps": 3, "prompts_per_step": 4, "keep": {"correct": 0.0}, "best_of": 3},
    "reward-model": {"steps": 3, "examples_per_step": 4},
    "evaluate": {"samples_per_problem": 1},
}
"""What makes a recipe short, by kind of stage. A base of 30 steps has no right answer: all are kept."""


def prove(short: bool, seed: int) -> dict[str, object]:
    """A run per recipe that is killed in every stage (short: of `r1` alone)."""
    import_everything()
    asked, held, failures = 0, 0, []
    with tempfile.TemporaryDirectory() as name:
        for recipe in ("r1",) if short else ("r1", "r1-zero"):
            stages = _shortened(recipe, Path(name))
            found = _killed(Path(name), recipe, stages, seed)
            asked += len(stages)
            held += 0 if found else len(stages)
            failures += found
    return {"name": "pipelines", "asked": asked, "held": held, "failures": failures[:10]}


def _shortened(name: str, folder: Path) -> list[dict[str, Any]]:
    """The recipe's stages, short; and its file in the folder."""
    data = tomllib.loads(dump_recipe(load_recipe(packaged_recipes()[name])))
    for stage in data["stage"]:
        stage |= SHORT[stage["kind"]]
        for source in stage["problems"].get("mix") or [stage["problems"]]:
            if not stage_of(source["source"]):
                source["held_out_problems"] = 6
    data["checkpoints"] = {"every_steps": 2}
    text = dump_recipe(read_recipe(data))
    (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return data["stage"]


def _killed(folder: Path, name: str, stages: list[dict[str, Any]], seed: int) -> list[str]:
    """What differs between the run that was killed in each stage and the one that was not."""
    file, plain, run = folder / f"{name}.toml", folder / f"{name}-plain", folder / name
    if code := forked(_train(file, plain), log=folder / "log"):
        return [f"{name} does not run: {code}: {(folder / 'log').read_text()[-600:]}"]
    draw = keyed.generator(seed, "pipelines", name)
    for number, stage in enumerate(stages):
        step = int(draw.integers(1, stage["steps"] + 1)) if "steps" in stage else 0
        code = forked(_dying(number, step, _train(file, run)))
        if code != -signal.SIGKILL:
            return [f"{name} was not killed in stage {number}, step {step}: {code}"]
    if code := forked(_train(file, run), log=folder / "log"):
        return [f"{name} did not go on: {code}: {(folder / 'log').read_text()[-600:]}"]
    return differences(plain, run) + _products(plain / "stages", run / "stages")


def _products(one: Path, other: Path) -> list[str]:
    """What stages left for later ones that is not the same in two runs."""
    files = {str(path.relative_to(root)) for root in (one, other) for path in root.rglob("*")}
    return [
        f"stages/{name}"
        for name in sorted(files)
        if not (one / name).is_dir()
        and (not (one / name).is_file() or not (other / name).is_file()
             or (one / name).read_bytes() != (other / name).read_bytes())
    ]  # fmt: skip


def _train(file: Path, run: Path) -> Callable[[], int]:
    return lambda: command("train", str(file), "--run", str(run))


def _dying(stage: int, step: int, work: Callable[[], int]) -> Callable[[], int]:
    """The work, in a process that kills itself where this step, or this evaluation, is to be kept."""
    method = "write_step" if step else "write_evaluation"

    def begun() -> int:
        keep = getattr(Store, method)

        def kept(store: Store, number: int, *rest: Any, **more: Any) -> None:
            if number == stage and (not step or rest[0] == step):
                os.kill(os.getpid(), signal.SIGKILL)
            keep(store, number, *rest, **more)

        setattr(Store, method, kept)
        return work()

    return begun


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv, seed=1)))
