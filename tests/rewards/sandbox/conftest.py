"""Each tier of this machine; a test of one that is not here is skipped with what the probe says."""

from collections.abc import Iterator

import pytest

from cohort.errors import RewardError
from cohort.rewards.sandbox.sandbox import Sandbox


def here(tier: str) -> Sandbox:
    try:
        return Sandbox(tier)
    except RewardError as error:
        pytest.skip(error.message.replace("\n", ": "))


@pytest.fixture(params=["namespaces", "landlock"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    box = here(request.param)
    yield box
    box.close()


@pytest.fixture
def alone() -> Iterator[Sandbox]:
    """The tier of namespaces."""
    box = here("namespaces")
    yield box
    box.close()


@pytest.fixture
def single() -> Iterator[Sandbox]:
    """The tier of Landlock."""
    box = here("landlock")
    yield box
    box.close()
