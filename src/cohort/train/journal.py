"""The journal: what a step sampled and was told, kept until a checkpoint has what it led to.

    journal/stage-2-step-000017   SHA-256 of the rest, then safetensors: tokens and log-probabilities,
                                  and as JSON texts, scores, and what reward functions remember

A step that is gone through again after a crash reads it instead of sampling and asking again. So the
hours that sampling took are not lost, and what came from outside (a judge's answer, a clock) is what
it was. An entry that is not whole, or is of other problems, is passed over: the step is sampled.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from cohort.data.checkpoints import DamagedError, canonical
from cohort.data.disk import Disk, RealDisk, refusing, remove_tree, replace_file
from cohort.data.episodes import episode_from, told_of
from cohort.data.records import Group, Message, Problem, Rollout, Score
from cohort.data.sealed import added_to, adding
from cohort.train.state import Place

_NAME = re.compile(r"stage-(\d+)-step-(\d{6,12})")
_DIGEST_BYTES = 32


class Journal:
    """The entries below one folder."""

    def __init__(self, folder: Path, disk: Disk | None = None) -> None:
        self._folder, self._disk = folder, disk or RealDisk()

    def keep(self, place: Place, groups: Sequence[Group], facts: dict[str, Any]) -> None:
        """Keep a step's groups with their scores. Raises StorageError."""
        data = _encoded(groups, facts)
        with refusing("writing the journal"):
            if not self._folder.is_dir():
                self._disk.make_folder(self._folder)
            replace_file(self._disk, self._path(place), hashlib.sha256(data).digest() + data)

    def find(self, place: Place) -> Entry | None:
        """What was kept of a step; None where there is nothing that can be trusted."""
        path = self._path(place)
        if path.is_symlink() or not path.is_file():
            return None
        with refusing("reading the journal"):
            data = path.read_bytes()
        digest, data = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
        if hashlib.sha256(data).digest() != digest:
            return None
        try:
            return Entry(data)
        except DamagedError:
            return None

    def forget_until(self, place: Place) -> None:
        """Forget the steps that a checkpoint at this place has gone through."""
        self._forget(lambda found: found <= (place.stage, place.step))

    def forget_all(self) -> None:
        """Forget everything: what follows will be different."""
        self._forget(lambda _: True)

    def close(self) -> None:
        """Remove the journal of a run that is finished."""
        self.forget_all()
        if self._folder.is_dir():
            with refusing("removing the journal"):
                remove_tree(self._disk, self._folder)

    def _forget(self, unwanted: Callable[[tuple[int, int]], bool]) -> None:
        if not self._folder.is_dir():
            return
        with refusing("clearing the journal"):
            for path in list(self._folder.iterdir()):
                name = _NAME.fullmatch(path.name)
                if name is not None and unwanted((int(name[1]), int(name[2]))):
                    self._disk.remove(path)

    def _path(self, place: Place) -> Path:
        return self._folder / f"stage-{place.stage}-step-{place.step:06d}"


class Entry:
    """What was kept of a step."""

    def __init__(self, data: bytes) -> None:
        """Raises DamagedError for bytes that are no entry."""
        try:
            tensors = load(data)
            self._tokens, self._logprobs = tensors["tokens"], tensors["logprobs"]
            self._lengths, self._sampled = tensors["lengths"], tensors["sampled"]
            read = json.loads(tensors["json"].tobytes())
            self.facts: dict[str, Any] = read["facts"]
            self._groups: list[dict[str, Any]] = read["groups"]
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise DamagedError(f"the journal's entry cannot be read: {error}") from error

    @property
    def problems(self) -> list[str]:
        """The ids of the problems, in order."""
        return [group["problem"] for group in self._groups]

    def groups(
        self, problems: Mapping[str, Problem], prompt_tokens: Callable[[Problem], Any]
    ) -> list[Group]:
        """The groups, their problems looked up."""
        tokens, logprobs = (
            np.split(flat, np.cumsum(lengths)[:-1])
            for flat, lengths in ((self._tokens, self._lengths), (self._logprobs, self._sampled))
        )
        places = zip(tokens, logprobs, strict=True)
        return [self._group(group, problems, prompt_tokens, places) for group in self._groups]

    def _group(
        self,
        kept: dict[str, Any],
        problems: Mapping[str, Problem],
        prompt_tokens: Callable[[Problem], Any],
        places: Iterator[tuple[NDArray[np.int32], NDArray[np.float32]]],
    ) -> Group:
        problem = problems[kept["problem"]]
        if kept["prompt"] is None:
            tokens = prompt_tokens(problem)
        else:
            problem = replace(problem, prompt=_prompt(kept["prompt"]))
            tokens = np.array(kept["prompt_tokens"], dtype=np.int32)
        problem = adding(problem, kept["told"])
        return Group(
            problem,
            tokens,
            tuple(_rollout(dict(rollout), *next(places)) for rollout in kept["rollouts"]),
            tuple(_score(score) for score in kept["scores"]),
            greedy_reward=kept["greedy_reward"],
            discarded=kept["discarded"],
            begun=kept["begun"],
        )


def _rollout(
    kept: dict[str, Any], tokens: NDArray[np.int32], logprobs: NDArray[np.float32]
) -> Rollout:
    episode = kept.pop("episode")
    return Rollout(tokens, logprobs, **kept, episode=episode and episode_from(episode))


def _prompt(kept: Any) -> str | tuple[Message, ...]:
    return kept if isinstance(kept, str) else tuple(kept)


def _encoded(groups: Sequence[Group], facts: Mapping[str, Any]) -> bytes:
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    text = canonical({"facts": dict(facts), "groups": [_kept(group) for group in groups]})
    assert rollouts, "a step that sampled nothing"
    return save(
        {
            "tokens": np.concatenate([rollout.tokens for rollout in rollouts]),
            "logprobs": np.concatenate([rollout.logprobs for rollout in rollouts]),
            "lengths": np.array([len(r.tokens) for r in rollouts], dtype=np.int32),
            "sampled": np.array([len(r.logprobs) for r in rollouts], dtype=np.int32),
            "json": np.frombuffer(text, dtype=np.uint8),
        }
    )


def _kept(group: Group) -> dict[str, Any]:
    # A prompt and the tools in it may come from an environment, which is not asked again.
    shown = any(rollout.episode for rollout in group.rollouts)
    return {
        "problem": group.problem.id,
        "prompt": group.problem.prompt if shown else None,
        "prompt_tokens": group.prompt_tokens.tolist() if shown else None,
        "told": added_to(group.problem),
        "greedy_reward": group.greedy_reward,
        "discarded": group.discarded,
        "begun": group.begun,
        "rollouts": [
            {
                "stop": r.stop,
                "text": r.text,
                "version": r.version,
                "temperature": r.temperature,
                "episode": r.episode and told_of(r.episode),
            }
            for r in group.rollouts
        ],
        "scores": [
            {
                "total": s.total,
                "parts": dict(s.parts),
                "steps": s.steps,
                "whole": s.whole,
                "unsaid": dict(s.unsaid),
                "token_steps": s.token_steps,
            }
            for s in group.scores
        ],
    }


def _score(kept: dict[str, Any]) -> Score:
    unsaid = {name: (str(kind), str(why)) for name, (kind, why) in kept["unsaid"].items()}
    return Score(
        kept["total"],
        kept["parts"],
        _steps(kept["steps"]),
        kept["whole"],
        unsaid,
        _steps(kept["token_steps"]),
    )


def _steps(kept: list[Any]) -> tuple[tuple[int, float], ...]:
    return tuple((int(end), float(value)) for end, value in kept)
