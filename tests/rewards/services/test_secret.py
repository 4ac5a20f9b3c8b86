"""A key is shown nowhere."""

import pickle
import traceback

import pytest

from cohort.errors import RewardError
from cohort.rewards.services.address import destination
from cohort.rewards.services.asking import Patience, Service
from cohort.rewards.services.secret import Secret, key_from

KEY = "canary-5d1e90aa"
PATIENCE = Patience(deadline_seconds=1.0, attempt_seconds=1.0, retry_budget=0, concurrency=1)


def test_a_secret_prints_as_stars_and_is_not_pickled() -> None:
    secret = Secret(KEY)
    assert {str(secret), repr(secret), f"{secret}", str([secret])} == {"***", "[***]"}
    assert secret.reveal() == KEY
    with pytest.raises(TypeError, match="stays in its process"):
        pickle.dumps(secret)


def test_a_service_with_a_key_does_not_print_it() -> None:
    service = Service(destination("http://127.0.0.1/"), Secret(KEY), PATIENCE)
    try:
        raise ValueError(service)
    except ValueError as error:
        shown = "".join(
            traceback.TracebackException.from_exception(error, capture_locals=True).format()
        )
    assert KEY not in shown
    assert "***" in shown


def test_the_environment_holds_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_KEY", f" {KEY}\n")
    secret = key_from("JUDGE_KEY")
    assert secret is not None
    assert secret.reveal() == KEY
    assert key_from("") is None


@pytest.mark.parametrize(
    "variable", ["sk-canary-5d1e90aa", "sk_live_canary", "UNSET_VARIABLE", "A" * 65]
)
def test_a_name_that_is_none_is_refused_and_not_repeated(variable: str) -> None:
    with pytest.raises(RewardError) as caught:
        key_from(variable)
    assert variable not in str(caught.value)


@pytest.mark.parametrize("held", ["two words here", "zeile\nzwei-mal", "kurz", "schlüssel-ä"])
def test_what_is_no_key_is_refused_and_not_repeated(
    held: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_KEY", held)
    with pytest.raises(RewardError) as caught:
        key_from("JUDGE_KEY")
    assert held not in str(caught.value)


def test_a_key_does_not_travel_in_plain_text() -> None:
    with pytest.raises(RewardError, match="plain text"):
        Service(destination("http://a.example/"), Secret(KEY), PATIENCE)
    Service(destination("https://a.example/"), Secret(KEY), PATIENCE)


def test_a_piece_of_a_key_is_noticed() -> None:
    assert Secret(KEY).is_in("you sent ary-5d... no")
    assert not Secret(KEY).is_in("you sent a key")
