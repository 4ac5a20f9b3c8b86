"""What a worker sends is checked: it may be the work of a function gone wrong."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohort.rewards.isolation.frames import GarbledError, Inbox, arrived, carried, packed
from cohort.rewards.isolation.returned import outcomes, plain
from cohort.rewards.outcome import Failed, Scored, Unscorable

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["values", "odd", "steps", "failed", "unscorable", "raised"]), inner
        )
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(JSON)
def test_whatever_is_sent_there_is_one_outcome_per_rollout_or_a_failure(found: Any) -> None:
    said = outcomes(found, 2, (0.0, 1.0))
    if isinstance(said, Failed):
        return
    assert len(said) == 2
    for one in said:
        assert isinstance(one, (Scored, Unscorable, Failed))
        if isinstance(one, Scored):
            values = [one.value] if isinstance(one.value, float) else [v for _, v in one.value]
            assert all(math.isfinite(v) and 0.0 <= v <= 1.0 for v in values)


@pytest.mark.parametrize(
    ("returned", "outcome"),
    [
        (True, Scored(1.0)),
        (None, Unscorable("")),
        ([(3, 1), (1, None), (2, 0.5)], Scored(((2, 0.5), (3, 1.0)))),
        ([], Unscorable("it has no steps")),
        (Scored(2.0), Scored(2.0)),
        (Unscorable("no gold"), Unscorable("no gold")),
        (Failed("unreachable", "503", retryable=True), Failed("unreachable", "503", True)),
        ("1", Failed("invalid", "returned '1'")),
        (10**400, Failed("invalid", "returned 1000000000000000000000000000000000000...")),
        (float("nan"), Failed("invalid", "returned nan")),
    ],
)
def test_what_a_function_returns_survives_the_way(returned: Any, outcome: Any) -> None:
    sent = json.loads(json.dumps(plain([returned])))
    assert outcomes(sent, 1) == [outcome]


def test_a_wrong_count_is_a_failure_of_all() -> None:
    assert outcomes(plain([1.0]), 2) == Failed("invalid", "returned 1 values for 2 completions")


@settings(max_examples=40, deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text()
        | st.binary()
        | st.dates()
        | st.fractions(),
        lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.integers(), inner),
        max_leaves=8,
    )
)
def test_what_goes_to_a_worker_arrives_as_it_was(value: Any) -> None:
    there = arrived(json.dumps(carried(value)))
    assert there == value
    assert type(there) is type(value)


def test_a_message_may_arrive_in_pieces_and_garbage_is_none() -> None:
    inbox, data = Inbox(), packed({"a": 1}) + packed({"b": 2})
    found = []
    for byte in data:
        inbox.add(bytes([byte]))
        if (message := inbox.next()) is not None:
            found.append(message)
    assert found == [{"a": 1}, {"b": 2}]
    for garbage in (b"\xff\xff\xff\xff", b"\0\0\0\x02[]", b"\0\0\0\x02{x"):
        other = Inbox()
        other.add(garbage)
        with pytest.raises(GarbledError):
            other.next()
