"""Each tier of this machine; a test of one that is not here is skipped with what the probe says."""

from collections.abc import Iterator

import pytest

from cohort.errors import RewardError
from cohort.rewards.sandbox.sandbox import Sandbox


def here(tier: str) -> Iterator[Sandbox]:
    try:
        box = Sandbox(tier)
    except RewardError as error:
        pytest.skip(error.message.replace("\n", ": "))
    yield box
    box.close()


@pytest.fixture(scope="session")
def alone() -> Iterator[Sandbox]:
    """The tier of namespaces."""
    yield from here("namespaces")


@pytest.fixture(scope="session")
def single() -> Iterator[Sandbox]:
    """The tier of Landlock."""
    yield from here("landlock")


@pytest.fixture(params=["alone", "single"])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """Each of the two."""
    box: Sandbox = request.getfixturevalue(request.param)
    return box
