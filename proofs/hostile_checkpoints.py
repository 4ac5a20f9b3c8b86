"""Checkpoints that somebody else put there: refused, clearly, quickly, and nothing is executed.

Each is built with a manifest that is right about it wherever the attack allows that, so that what
refuses it is not only a hash. Whoever loads must name the reason, within two seconds.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from cohort.cli.main import refusal_lines
from cohort.config.load import load_recipe
from cohort.data.checkpoints import MANIFEST, Checkpoints, canonical
from cohort.errors import RunError
from proofs.command import main
from proofs.forks import command, forked, import_everything
from proofs.small_runs import recipes

Files = dict[str, bytes]
SLOWEST_SECONDS = 2.0
MOST_LINES = 6


class Payload:
    """Unpickled, it would leave a trace."""

    def __init__(self, canary: Path) -> None:
        self._canary = str(canary)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, ...]]:
        return os.mkdir, (self._canary,)


def prove(short: bool, seed: int) -> dict[str, object]:
    """All attacks, short or not: they take seconds."""
    import_everything()
    failures, slowest = [], 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = recipes(folder, steps=2)["grpo"]
        run, canary = folder / "run", folder / "canary"
        arguments = ("train", str(file), "--run", str(run))
        assert forked(lambda: command(*arguments)) == 0
        honest = Checkpoints(run / "checkpoints").read(4).files
        outside = folder / "outside"
        outside.write_bytes(honest["model.safetensors"])
        attacks = _attacks(dict(honest), canary, outside)
        for what, attack in attacks.items():
            before = sorted(path for path in folder.rglob("*") if "checkpoints" not in path.parts)
            why, seconds = _met(run, attack)
            slowest = max(slowest, seconds)
            after = sorted(path for path in folder.rglob("*") if "checkpoints" not in path.parts)
            if canary.exists() or before != after:
                why = "something was executed or written"
            if why:
                failures.append(f"{what}: {why}")
            elif seconds > SLOWEST_SECONDS:
                failures.append(f"{what}: {seconds:.1f} s")
    return {
        "name": "hostile checkpoints",
        "asked": len(attacks),
        "held": len(attacks) - len(failures),
        "slowest seconds": round(slowest, 3),
        "failures": failures[:10],
    }


def _met(run: Path, attack: Callable[[Path], None]) -> tuple[str, float]:
    """What is wrong with how a run's folder with this checkpoint is met, and how long it took."""
    from cohort.data.store import Store
    from cohort.policy.load import load_policy
    from cohort.train.plan import Given, make_plan
    from cohort.train.resume import find

    recipe = load_recipe(run / "recipe.toml")
    plans = make_plan(recipe, run, Given())
    policy = load_policy(recipe.model, vocabulary=plans[0].source.vocabulary(), seed=recipe.seed)
    store = Store(run / "run.db")
    checkpoints = run / "checkpoints"
    for old in checkpoints.iterdir():
        _remove(old)
    target = checkpoints / "step-000004"
    target.mkdir()
    attack(target)
    began = time.monotonic()
    try:
        found = find(Checkpoints(checkpoints), policy, store)
        why = f"it was accepted: {found}"[:200]
    except RunError as error:
        lines = refusal_lines(error)
        why = "" if len(lines) <= MOST_LINES and "passed over" in "".join(lines) else str(lines)
    finally:
        store.close(sealed=True)
    return why, time.monotonic() - began


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        for child in path.iterdir():
            _remove(child)
        path.rmdir()
    else:
        path.unlink()


def _write(folder: Path, saved: Files, **changes: Any) -> None:
    """A checkpoint whose manifest is right about its files."""
    for name, data in saved.items():
        (folder / name).write_bytes(data)
    listed = {n: {"bytes": len(d), "sha256": _hash(d)} for n, d in saved.items()}
    body = {"format": 1, "number": 4, "healthy": True, "files": listed} | changes
    (folder / MANIFEST).write_bytes(canonical(body | {"sha256": _hash(canonical(body))}))


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _header(header: object, body: bytes = b"") -> bytes:
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    return struct.pack("<Q", len(text)) + text + body


def _attacks(honest: Files, canary: Path, outside: Path) -> dict[str, Callable[[Path], None]]:  # noqa: C901  # one list
    model, optimizer = load(honest["model.safetensors"]), load(honest["optimizer.safetensors"])
    state = json.loads(honest["state.json"])
    first = next(iter(model))
    pickled = pickle.dumps(Payload(canary))

    def files(**changes: bytes | None) -> Callable[[Path], None]:
        wanted = {"model": "model.safetensors", "optimizer": "optimizer.safetensors"}
        named = {wanted.get(k, k.replace("__", ".")): v for k, v in changes.items()}
        changed = {n: d for n, d in (honest | named).items() if d is not None}
        return lambda folder: _write(folder, changed)

    def tensors(**changes: np.ndarray[Any, Any] | None) -> Callable[[Path], None]:
        changed = dict(model)
        for name, value in changes.items():
            key = first if name == "first" else name
            changed.pop(key, None)
            if value is not None:
                changed[key] = value
        return files(model=save(changed))

    def facts(**changes: Any) -> Callable[[Path], None]:
        return files(state__json=canonical(state | changes))

    def manifest(**changes: Any) -> Callable[[Path], None]:
        return lambda folder: _write(folder, honest, **changes)

    def raw(data: bytes) -> Callable[[Path], None]:
        def write(folder: Path) -> None:
            _write(folder, honest)
            (folder / MANIFEST).write_bytes(data)

        return write

    def instead(name: str, make: Callable[[Path], None]) -> Callable[[Path], None]:
        def write(folder: Path) -> None:
            _write(folder, honest)
            (folder / name).unlink()
            make(folder / name)

        return write

    def linked(folder: Path) -> None:
        folder.rmdir()
        folder.symlink_to(outside.parent)

    weight = model[first]
    claim = {"bytes": 1, "sha256": _hash(b"x")}
    huge = {first: {"dtype": "F32", "shape": [1 << 40, 1 << 20], "data_offsets": [0, 4]}}
    overlap = {
        "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
        "b": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
    }
    beyond = {"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 1 << 40]}}
    moment = next(name for name in optimizer if name.endswith("exp_avg"))
    return {
        "a pickle for weights": files(model=pickled),
        "a pickle for the optimizer": files(optimizer=pickled),
        "a pickle for the state": files(state__json=pickled),
        "a pickle beside": files(rng__pkl=pickled),
        "a pickle for the manifest": raw(pickled),
        "a header longer than the file": files(model=struct.pack("<Q", 1 << 40) + b"{}"),
        "a header of 2^63 bytes": files(model=struct.pack("<Q", 1 << 63) + b"{}"),
        "a header that is no JSON": files(model=_header(b"{]")),
        "a header nested 100,000 deep": files(model=_header(b"[" * 100_000)),
        "a huge shape": files(model=_header(huge, b"1234")),
        "tensors that overlap": files(model=_header(overlap, b"1234")),
        "an offset beyond the file": files(model=_header(beyond, b"1234")),
        "an unknown type": files(
            model=_header({"a": {"dtype": "X1", "shape": [], "data_offsets": [0, 1]}}, b"1")
        ),
        "no bytes at all": files(model=b""),
        "a tensor too many": tensors(extra=weight),
        "a tensor too few": tensors(first=None),
        "another shape": tensors(first=weight[:-1]),
        "another type": tensors(first=weight.astype(np.float64)),
        "a shape with one more dimension": tensors(first=weight[None]),
        "NaN weights": tensors(first=np.full_like(weight, np.nan)),
        "infinite weights": tensors(first=np.full_like(weight, np.inf)),
        "a NaN moment": files(
            optimizer=save(optimizer | {moment: np.full_like(optimizer[moment], np.nan)})
        ),
        "no optimizer": files(optimizer=None),
        "no state": files(state__json=None),
        "a step of 10^30": facts(step=10**30),
        "a negative step": facts(step=-1),
        "a step that is true": facts(step=True),
        "a stage that is text": facts(stage="../../x"),
        "a state that is a list": files(state__json=b"[]"),
        "a state nested deep": files(state__json=b"[" * 200_000),
        "a state with a number of 100,000 digits": files(
            state__json=b'{"step":' + b"9" * 100_000 + b"}"
        ),
        "a format from tomorrow": manifest(format=2),
        "another number": manifest(number=7),
        "a name with ..": manifest(files={"../../outside": claim}),
        "an absolute name": manifest(files={"/etc/passwd": claim}),
        "a name with a NUL": manifest(files={"a\0b": claim}),
        "a file that is not there": manifest(files={"model.safetensors": claim, "z": claim}),
        "sizes that are text": manifest(files={"model.safetensors": {"bytes": "1", "sha256": ""}}),
        "sizes of 10^30": manifest(files={n: claim | {"bytes": 10**30} for n in honest}),
        "a manifest with its keys twice": raw(b'{"format":1,"format":1}'),
        "a manifest of 2 MB": raw(b" " * (1 << 21)),
        "a manifest nested deep": raw(b'{"a":' * 100_000),
        "a manifest with NaN": raw(b'{"format":NaN}'),
        "a link for the weights": instead("model.safetensors", lambda p: p.symlink_to(outside)),
        "a link for the manifest": instead(MANIFEST, lambda p: p.symlink_to("/etc/hostname")),
        "a pipe for the weights": instead("model.safetensors", os.mkfifo),
        "a folder for the weights": instead("model.safetensors", os.mkdir),
        "a link for the checkpoint": linked,
        "a link that leads to itself": instead("model.safetensors", lambda p: p.symlink_to(p.name)),
    }


if __name__ == "__main__":
    raise SystemExit(main(prove("--short" in sys.argv, seed=1)))
