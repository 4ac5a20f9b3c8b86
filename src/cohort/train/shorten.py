"""Prompts that are too long, cut where the recipe asks for it: what is lost is the beginning of a text.

What is left is the prompt from then on: the policy is asked it, rewards are given it, and reports show it. A
system message is never cut, nor the beginning of an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from cohort.data.records import Problem
from cohort.errors import DataError
from cohort.policy.policy import Policy


def shortened(problem: Problem, policy: Policy, room: int) -> Problem:
    """The problem with at most `room` tokens in its prompt; the very same where it has no more.

    Raises DataError where nothing of the text would be left.
    """
    if len(policy.prompt_tokens(problem)) <= room:
        return problem
    text, put = _cuttable(problem)
    kept = _longest(text, lambda end: len(policy.prompt_tokens(put(end))) <= room)
    if not text[len(text) - kept :].strip():
        raise DataError(
            f"the prompt of problem {problem.id!r} has no room for a word of it: {room} tokens",
            "give answers fewer tokens, or use a model with a longer context",
        )
    return put(text[len(text) - kept :])


def _cuttable(problem: Problem) -> tuple[str, Callable[[str], Problem]]:
    """The text that may be cut, and what makes the problem with another one in its place."""
    prompt = problem.prompt
    if isinstance(prompt, str):
        return prompt, lambda text: replace(problem, prompt=text)
    places = [n for n, message in enumerate(prompt) if message["role"] == "user"]
    if not places:
        raise DataError(
            f"the prompt of problem {problem.id!r} is too long, and no message of a user could be cut",
            'leave such problems out: problems.too_long = "drop"',
        )
    place = max(places, key=lambda n: len(prompt[n]["content"]))

    def put(text: str) -> Problem:
        own = {**prompt[place], "content": text}
        return replace(problem, prompt=(*prompt[:place], own, *prompt[place + 1 :]))

    return prompt[place]["content"], put


def _longest(text: str, fits: Callable[[str], bool]) -> int:
    """How many of the last characters fit; 0 where not one does."""
    least, most = 0, len(text)
    while most - least > 1:
        middle = (least + most) // 2
        if fits(text[len(text) - middle :]):
            least = middle
        else:
            most = middle
    return least
