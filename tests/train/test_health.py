"""Three updates in a row that cannot be made end in a way back, and a wild KL is not healthy."""

import pytest

from cohort.errors import DivergedError, NotFiniteError
from cohort.train.health import KL_WINDOW, Health


def test_three_in_a_row_are_too_many_and_a_good_one_between_starts_anew():
    health = Health()
    for _ in range(2):
        health.left_out(NotFiniteError("a"))
    assert not health.healthy
    health.made({})
    assert health.healthy
    for _ in range(2):
        health.left_out(NotFiniteError("a"))
    with pytest.raises(DivergedError, match="3 updates"):
        health.left_out(NotFiniteError("the third"))


def test_a_kl_far_above_its_past_is_not_healthy_and_one_far_below_is():
    for level, healthy in ((50.0, False), (0.001, True)):
        health = Health()
        for kl in [1.0] * KL_WINDOW + [level]:
            health.made({"kl": kl})
        assert health.healthy is healthy


def test_a_rollback_halves_the_rate_once_and_a_checkpoint_remembers_it():
    health, again = Health(), Health()
    health.roll_back()
    again.restore(health.facts())
    assert (again.rolled_back, again.rate_factor) == (True, 0.5)
