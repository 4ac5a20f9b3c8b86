"""A NaN or an infinity put into a run, at many places and moments: named, and never saved.

Each is injected once, in the first, a middle or the last step. The run must say where it was, by an
error or by an event, and every checkpoint and the result must be finite. Runs that can go on must:
an update that is left out, or a return to a healthy checkpoint, ends with exit code 0.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load

from cohort.data.checkpoints import Checkpoints
from cohort.train.state import first_not_finite
from proofs.command import main
from proofs.forks import command, forked, import_everything
from proofs.small_runs import HEAD, LENGTH, REINFORCE, SUPERVISED

STEPS = 4
MOMENTS = (1, 2, 4)
NAN, INF = float("nan"), float("inf")
EMBEDDING, NORM = "model.embed_tokens.weight", "model.norm.weight"

Due = Callable[[], bool]
"""Whether it is the moment; says so once."""


def prove(short: bool, seed: int) -> dict[str, object]:
    """Every place at every moment (short: one moment each)."""
    import_everything()
    failures, asked = [], 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, (place, (inject, words, codes)) in enumerate(PLACES.items()):
            moments = MOMENTS[number % 3 : number % 3 + 1] if short else MOMENTS
            for moment in moments:
                asked += 1
                why = _one(folder / f"{number}-{moment}", inject, moment, words, codes)
                if why:
                    failures.append(f"{place}, step {moment}: {why}")
    return {
        "name": "a NaN or an infinity at many places and moments",
        "asked": asked,
        "held": asked - len(failures),
        "places": len(PLACES),
        "failures": failures[:10],
    }


def _one(
    folder: Path, inject: Callable[[Due], None], moment: int, words: str, codes: tuple[int, ...]
) -> str:
    """What is wrong with how a run meets it."""
    folder.mkdir()
    file, log = folder / "run.toml", folder / "log"
    kind = "bfloat16" if inject is _master else "float32"
    stage = SUPERVISED if inject is _supervised_gradient else REINFORCE
    text = HEAD.format(dtype=kind, every=1) + stage.format(steps=STEPS)
    if stage is REINFORCE:
        text += LENGTH + 'algorithm = { name = "grpo", beta = 0.05 }\nupdates_per_step = 2\n'
    file.write_text(text)
    arguments = ("train", str(file), "--run", str(folder / "run"), "--quiet")
    code = forked(partial(_injected, inject, moment, arguments), log=log)
    said = log.read_text() + "".join(_events(folder / "run"))
    if codes == (
        2,
        0,
    ):  # a mistake of the function in the first step, a failure that is counted later
        codes = codes[:1] if moment == 1 else codes[1:]
    if code not in codes:
        return f"exit {code}, not {codes}: {said[-300:]}"
    if words not in " ".join(said.split()):
        return f"{words!r} is not said: {said[-300:]}"
    return _poisoned(folder / "run")


def _events(run: Path) -> list[str]:
    with closing(sqlite3.connect(run / "run.db")) as db:
        return [text for (text,) in db.execute("SELECT text FROM events")]


def _poisoned(run: Path) -> str:
    """The first tensor of a checkpoint or the result that is not finite."""
    checkpoints = Checkpoints(run / "checkpoints")
    for number in checkpoints.numbers():
        for name, data in checkpoints.read(number).files.items():
            if name.endswith(".safetensors") and (bad := first_not_finite({name: load(data)})):
                return f"checkpoint {number}: {bad}"
    for path in (run / "model").glob("*.safetensors"):
        if bad := first_not_finite({path.name: load(path.read_bytes())}):
            return f"result: {bad}"
    return ""


def _injected(inject: Callable[[Due], None], moment: int, arguments: tuple[str, ...]) -> int:
    from cohort.train import reinforce, supervised

    seen, done = [0], [False]

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*given: Any, **more: Any) -> Any:
            seen[0] += 1
            return function(*given, **more)

        return called

    def due() -> bool:
        if done[0] or seen[0] < moment:
            return False
        done[0] = True
        return True

    reinforce.collect = counted(reinforce.collect)
    supervised.imitate = counted(supervised.imitate)
    inject(due)
    return command(*arguments)


def _replace(owner: Any, name: str, change: Callable[..., Any], due: Due) -> None:
    """After each call of this function, when it is due, change what it returned."""
    real = getattr(owner, name)

    def called(*given: Any, **more: Any) -> Any:
        returned = real(*given, **more)
        return change(returned, *given) if due() else returned

    setattr(owner, name, called)


def _reward(value: float, due: Due) -> None:
    from cohort.rewards import built_in

    def spoil(values: list[float], *_: Any) -> list[float]:
        return [value, *values[1:]]

    real = built_in.BUILT_IN["format"]

    def format_reward(completions: Any, **more: Any) -> Any:
        values = list(real(completions=completions, **more))
        return spoil(values) if due() else values

    built_in.BUILT_IN["format"] = format_reward


def _advantage(due: Due) -> None:
    from cohort.train import reinforce

    def spoil(credit: Any, *_: Any) -> Any:
        credit.advantages[0][0] = NAN
        return credit

    _replace(reinforce, "with_advantages", spoil, due)


def _weight_of_token(due: Due) -> None:
    from cohort.train import reinforce

    def spoil(batches: Any, *_: Any) -> Any:
        batches[0].weights[0] = INF
        return batches

    _replace(reinforce, "prepare", spoil, due)


def _sampler(due: Due) -> None:
    from cohort.train import talk

    def spoil(groups: Any, *_: Any) -> Any:
        groups[0][0].logprobs[0] = NAN
        return groups

    _replace(talk, "sample", spoil, due)


def _computed(number: int, value: float, calls: int, due: Due) -> None:
    """In what `no_grad_logprobs` gives: the reference's come first, then the old ones."""
    from cohort.train import step

    count = [0]

    def late() -> bool:
        count[0] += 1
        return count[0] % 2 == calls and due()

    def spoil(found: Any, *_: Any) -> Any:
        found[number][0] = value
        return found

    _replace(step, "no_grad_logprobs", spoil, late)


def _policy(number: int, value: float, due: Due) -> None:
    """In what the policy gives while there is a gradient."""
    from cohort.policy.policy import Policy

    def spoil(found: Any, *_: Any) -> Any:
        spoilt = list(found)
        spoilt[number] = found[number] * value
        return tuple(spoilt)

    _replace(Policy, "logprobs_from", spoil, lambda: torch.is_grad_enabled() and due())


def _loss(due: Due) -> None:
    from cohort.train import step

    _replace(step, "policy_loss", lambda loss, *_: loss * NAN, due)


def _gradient(index: int, value: float, due: Due) -> None:
    from cohort.train.rows import Rows

    def spoil(found: Any, *_: Any) -> Any:
        found[0][0][index].view(-1)[0] = value
        return found

    _replace(Rows, "gradient", spoil, due)


def _supervised_gradient(due: Due) -> None:
    _gradient(0, NAN, due)


def _before_update(spoil: Callable[[Any], None], due: Due) -> None:
    from cohort.train.optim import Updater

    update = Updater.update

    def called(self: Any) -> Any:
        if self._optimizer(0).state(self._held[0]) and due():
            with torch.no_grad():
                spoil(self)
        return update(self)

    Updater.update = called


def _moment(what: str, value: float, due: Due) -> None:
    def spoil(updater: Any) -> None:
        updater._optimizer(0).state(updater._held[0])[what].view(-1)[0] = value

    _before_update(spoil, due)


def _weight(value: float, due: Due) -> None:
    _before_update(lambda updater: updater._parameters[0].view(-1)[0].fill_(value), due)


def _master(due: Due) -> None:
    _before_update(lambda updater: updater._held[0].view(-1)[0].fill_(NAN), due)


def _after_update(due: Due) -> None:
    _replace(
        torch.optim.AdamW,
        "step",
        lambda _, optimizer, *__: (
            optimizer.param_groups[0]["params"][0].data.view(-1)[0].fill_(INF)
        ),
        due,
    )


Place = tuple[Callable[[Due], None], str, tuple[int, ...]]

PLACES: dict[str, Place] = {
    "a reward is NaN": (partial(_reward, NAN), "returned nan", (2, 0)),
    "a reward is infinite": (partial(_reward, INF), "returned inf", (2, 0)),
    "an advantage": (_advantage, "the advantage of problem", (0,)),
    "a token's weight": (_weight_of_token, "the weight of problem", (0,)),
    "the sampler's log-probability": (_sampler, "the sampler's log-probability of an answer", (0,)),
    "the reference's log-probability": (
        partial(_computed, 0, NAN, 1),
        "the reference's log-probability of problem",
        (0,),
    ),
    "an old log-probability": (
        partial(_computed, 0, -INF, 0),
        "the old log-probability of problem",
        (0,),
    ),
    "the policy's log-probability": (
        partial(_policy, 0, NAN),
        "the policy's log-probability of problem",
        (0,),
    ),
    "the policy's entropy": (partial(_policy, 1, INF), "the policy's entropy of problem", (0,)),
    "the loss": (_loss, "the loss has the value nan", (0,)),
    "the gradient of the embedding": (partial(_gradient, 0, NAN), f"that of {EMBEDDING}", (0,)),
    "the gradient of a norm": (partial(_gradient, -1, INF), f"that of {NORM}", (0,)),
    "a supervised gradient": (_supervised_gradient, f"that of {EMBEDDING}", (0,)),
    "AdamW's first moment": (
        partial(_moment, "exp_avg", NAN),
        f"exp_avg of {EMBEDDING} is not finite",
        (0,),
    ),
    "AdamW's second moment": (
        partial(_moment, "exp_avg_sq", INF),
        f"optimizer {EMBEDDING}/exp_avg_sq is not finite",
        (0,),
    ),
    "a weight before an update": (partial(_weight, NAN), "not finite", (0,)),
    "a weight after an update": (_after_update, f"{EMBEDDING} is not finite", (0,)),
    "a float32 master": (_master, f"{EMBEDDING} is not finite", (0,)),
}
"""What is put where, the words that must be said, and the exit codes that are right."""


if __name__ == "__main__":
    np.seterr(all="ignore")
    raise SystemExit(main(prove("--short" in sys.argv, seed=1)))
