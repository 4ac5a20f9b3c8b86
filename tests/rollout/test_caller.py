"""Calls of tools: one at a time, and what comes too late is never the answer to another call."""

import threading

import pytest

from cohort.errors import RecipeError
from cohort.rollout.caller import Caller


def test_what_comes_too_late_is_not_the_answer_to_another_call() -> None:
    caller, released, ended = Caller(0.1), threading.Event(), threading.Event()

    def late() -> str:
        released.wait(20)
        threading.Timer(0.2, ended.set).start()
        return "late"

    assert "was given up" in caller.call(late, {}).failure
    assert "was not made" in caller.call(lambda: "own", {}).failure
    released.set()
    ended.wait(20)
    assert caller.call(lambda: "own", {}).value == "own"


def test_what_a_tool_raises_is_kept_as_it_is_whatever_ends_a_thread_included() -> None:
    error = SystemExit(3)

    def leave() -> None:
        raise error

    came = Caller(20.0).call(leave, {})
    assert (came.raised, came.failure) == (error, "SystemExit: 3")


def test_no_time_at_all_is_refused() -> None:
    with pytest.raises(RecipeError, match="a tool has 0 seconds"):
        Caller(0.0)
