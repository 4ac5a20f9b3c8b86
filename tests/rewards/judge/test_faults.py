"""A judge's service that fails, and answers that attack it; all of both are in proofs/."""

import time

import pytest

from cohort.rewards.outcome import Failed, Scored
from cohort.rewards.services.asking import Patience
from proofs.judge_attacks import prove
from proofs.judge_faults import ask, replay
from tests.rewards.judge.faults import FAULTS, HEALING, KEY, self_signed

IMPATIENT = Patience(deadline_seconds=1.0, attempt_seconds=0.6, retry_budget=1, concurrency=2)
SAMPLE = (
    "refused", "no such name", "slow resolver", "name that leads to loopback", "closed after the request",
    "never answers", "body by drops", "body cut", "a gigabyte", "not UTF-8", "redirect", "429 for an hour",
    "401 that repeats the key", "HTML", "prose", "another nonce", "TLS to a server without",
)  # fmt: skip


@pytest.mark.parametrize("name", SAMPLE)
def test_a_fault_ends_in_a_failure_by_the_deadline(name: str) -> None:
    fault = FAULTS[name]
    with fault.begin() as target:
        began = time.monotonic()
        (outcome,) = ask(target, IMPATIENT, ("42",))
        assert time.monotonic() - began < IMPATIENT.seconds + 0.5
    assert isinstance(outcome, Failed)
    assert (outcome.kind, outcome.retryable) == (fault.kind, fault.retryable)
    assert KEY[:8] not in outcome.reason


@pytest.mark.parametrize("name", ["429 twice", "cut once"])
def test_what_goes_well_the_second_time_is_a_verdict(name: str) -> None:
    patient = Patience(deadline_seconds=10.0, attempt_seconds=5.0, retry_budget=4, concurrency=2)
    with HEALING[name]() as target:
        assert ask(target, patient, ("42",)) == [Scored(1.0)]


def test_a_certificate_of_its_own_is_trusted_where_the_environment_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    patient = Patience(deadline_seconds=10.0, attempt_seconds=5.0, retry_budget=0, concurrency=1)
    with self_signed() as (target, certificate):
        (outcome,) = ask(target, patient, ("42",))
        assert isinstance(outcome, Failed)
        assert "certificate" in outcome.reason
        monkeypatch.setenv("SSL_CERT_FILE", certificate)
        assert ask(target, patient, ("42",)) == [Scored(1.0)]


@pytest.mark.parametrize("number", range(4))
def test_what_a_journal_has_is_replayed_bit_for_bit_without_the_service(number: int) -> None:
    failures: list[str] = []
    replay(number, 4, failures)
    assert not failures


def test_no_attack_is_a_pass_and_no_url_leads_to_a_forbidden_connect() -> None:
    proof = prove(short=True, seed=1)
    assert proof["held"] == proof["asked"], proof["failures"]
    assert proof["forbidden_connects"] == 0
