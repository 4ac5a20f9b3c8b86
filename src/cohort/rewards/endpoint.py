"""Any HTTP service as a reward: the rollouts go out as JSON, a list of numbers comes back.

    POST url    {"prompts": [...], "completions": [...], "answer": [...], ...}
    200         [1.0, null, 0.25, ...]

One entry per completion, in order: a finite number, or null for "cannot say". A prompt or completion is
a text, or a list of messages where the prompt is a chat; every column of the problems is there under
its own name. Anything else that comes back, or nothing, is a failure of the service and never a number.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from cohort.errors import RewardError, legible
from cohort.rewards.asked import Journal, MemoryJournal
from cohort.rewards.outcome import Failed, Outcome, Scored, Unscorable
from cohort.rewards.reading import Text
from cohort.rewards.services.address import destination
from cohort.rewards.services.asking import Patience, Service
from cohort.rewards.services.client import NoAnswer
from cohort.rewards.services.secret import key_from


async def endpoint(  # noqa: PLR0913  # the parameters of a reward are its options
    *,
    completions: Sequence[Text],
    prompts: Sequence[Text] | None = None,
    url: str = "",
    key_variable: str = "",
    answers_per_request: int = 64,
    deadline_seconds: float = 60.0,
    attempt_seconds: float = 30.0,
    retry_budget: int = 20,
    concurrency: int = 8,
    journal: Journal | None = None,
    completion_ids: object = None,
    **columns: Sequence[object],
) -> list[Outcome]:
    """What the service at `url` says of every completion.

    key_variable: the environment variable whose content is sent as a bearer token. The others: how
    many completions a request has, and see `Patience`. Raises RewardError for an option or a column
    that cannot be sent.
    """
    del completion_ids  # the tokens of one model are no one else's business
    if type(answers_per_request) is not int or answers_per_request < 1:
        raise RewardError(
            f"answers_per_request is {answers_per_request!r:.40}", "it is a whole number from 1 on"
        )
    patience = Patience(
        deadline_seconds=deadline_seconds, attempt_seconds=attempt_seconds,
        retry_budget=retry_budget, concurrency=concurrency,
    )  # fmt: skip
    service = Service(
        destination(url), key_from(key_variable), patience, journal or MemoryJournal()
    )
    return await ask(service, completions, prompts, columns, answers_per_request)


async def ask(
    service: Service,
    completions: Sequence[Text],
    prompts: Sequence[Text] | None,
    columns: dict[str, Sequence[object]],
    answers_per_request: int,
) -> list[Outcome]:
    """The same of a service that is already there."""
    given: dict[str, Sequence[object]] = {**columns, "completions": completions}
    if prompts is not None:
        given["prompts"] = prompts
    begins = range(0, len(completions), answers_per_request)
    bodies = [_body(given, begin, begin + answers_per_request) for begin in begins]
    answers = await service.answers(bodies, _kept)
    outcomes: list[Outcome] = []
    for begin, answer in zip(begins, answers, strict=True):
        count = len(completions[begin : begin + answers_per_request])
        outcomes += [answer] * count if isinstance(answer, Failed) else read(answer, count)
    return outcomes


def read(answer: str, count: int) -> list[Outcome]:
    """The outcomes that an answer stands for; all Failed where it is no list of `count` rewards."""
    said = json.loads(answer)
    if len(said) != count:
        reason = f"the service gives {len(said):,} rewards for {count:,} completions"
        return [Failed("invalid", reason)] * count
    return [_outcome(value) for value in said]


def _outcome(value: object) -> Outcome:
    if value is None:
        return Unscorable("the service cannot say")
    try:
        number = float(value) if type(value) in (int, float) else math.nan  # type: ignore[arg-type]
    except OverflowError:
        number = math.nan
    if math.isfinite(number):
        return Scored(number)
    return Failed("invalid", f"the service gives {legible(repr(value)[:200], 40)} as a reward")


def _kept(text: str) -> str:
    """The text of a list, for the journal. Raises NoAnswer for all other texts."""
    try:
        said = json.loads(text)
        json.dumps(said).encode("ascii")
    except (ValueError, RecursionError):
        raise NoAnswer("the service's answer is not JSON", kind="invalid", retryable=True) from None
    if not isinstance(said, list):
        reason = f"the service's answer is {legible(repr(said)[:200], 40)}, not a list"
        raise NoAnswer(reason, kind="invalid", retryable=False)
    return text


def _body(given: dict[str, Sequence[object]], begin: int, end: int) -> bytes:
    part: dict[str, Any] = {name: list(values[begin:end]) for name, values in given.items()}
    try:
        return json.dumps(part, sort_keys=True, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise RewardError(
            f"the service cannot be sent what is not JSON: {error}",
            "columns hold texts, finite numbers, lists and objects",
        ) from error
