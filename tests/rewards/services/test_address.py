"""Where a service may be."""

import asyncio

import pytest

from cohort.errors import RewardError
from cohort.rewards.services.address import Forbidden, addresses, destination
from tests.rewards.services.urls import LITERAL, NAMED


def found(url: str, *said: str) -> list[str]:
    return asyncio.run(addresses(destination(url), lambda host, port: said))


@pytest.mark.parametrize("url", LITERAL)
def test_a_url_that_leads_where_nothing_is_sent_is_refused_as_it_is_read(url: str) -> None:
    with pytest.raises(RewardError) as caught:
        destination(url)
    assert "user:pw" not in str(caught.value)


@pytest.mark.parametrize("url", NAMED)
def test_a_name_of_a_private_address_is_refused_when_it_is_resolved(url: str) -> None:
    with pytest.raises(Forbidden):
        found(url, *NAMED[url])


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:8000/v1", "127.0.0.1"), ("http://localhost:8000", "127.0.0.1"),
        ("http://[::1]:8000/v1?a=b", "::1"), ("http://10.1.2.3/", "10.1.2.3"),
        ("http://192.168.0.9/x", "192.168.0.9"), ("https://93.184.216.34/", "93.184.216.34"),
    ],
)  # fmt: skip
def test_a_machine_that_the_url_is_written_with_is_reached_without_a_resolver(
    url: str, address: str
) -> None:
    assert found(url, "169.254.169.254") == [address]


def test_a_public_name_leads_to_its_addresses_each_once() -> None:
    assert found("https://a.example/", "93.184.216.34", "93.184.216.34", "2606:4700::1") == [
        "93.184.216.34",
        "2606:4700::1",
    ]


def test_a_path_is_added_before_the_query() -> None:
    to = destination("https://a.example/v1/?version=2", "/chat/completions")
    assert (to.target, to.port, to.header) == ("/v1/chat/completions?version=2", 443, "a.example")
    assert to.shown == "https://a.example:443"


def test_a_name_without_addresses_is_an_error_of_the_system() -> None:
    with pytest.raises(OSError, match="no addresses"):
        found("https://a.example/")
