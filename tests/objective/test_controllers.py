"""Controllers move toward their target, and no further than they may."""

import pytest

from cohort.objective import controllers


@pytest.mark.parametrize(
    ("kl", "factor"), [(6.0, 1.0), (6.6, 1.01), (5.4, 0.99), (60.0, 1.02), (0.0, 0.98)]
)
def test_the_proportional_controller_follows_the_error_up_to_a_fifth(kl, factor):
    found = controllers.kl_proportional(0.2, kl, target=6.0, gain=0.1)
    assert found == pytest.approx(0.2 * factor)


def test_the_gain_over_a_horizon_is_the_share_of_its_rollouts():
    found = controllers.kl_over_horizon(0.5, 0.11, target=0.1, rollouts=200, horizon=1000)
    assert found == pytest.approx(0.5 * (1 + 0.1 * 0.2))


@pytest.mark.parametrize(
    ("kl", "expected"), [(0.0066, 0.5), (0.0067, 1.0), (0.01, 1.0), (0.015, 1.0), (0.0151, 2.0)]
)
def test_the_doubling_controller_has_a_dead_zone(kl, expected):
    assert controllers.kl_doubling(1.0, kl, target=0.01) == expected


@pytest.mark.parametrize(
    ("coefficient", "entropy", "expected"),
    [
        (0.0, 0.1, 1e-4),
        (0.0003, 0.3, 0.0002),
        (0.005, 0.1, 0.005),
        (0.0, 0.5, 0.0),
        (0.001, 0.2, 0.001),
    ],
)
def test_the_entropy_coefficient_steps_within_its_bounds(coefficient, entropy, expected):
    found = controllers.entropy_coefficient(
        coefficient, entropy, target=0.2, change=1e-4, largest=0.005
    )
    assert found == pytest.approx(expected)


def test_the_bonus_is_off_above_the_target():
    assert controllers.applied_entropy_coefficient(0.003, 0.2, target=0.2) == 0.003
    assert controllers.applied_entropy_coefficient(0.003, 0.21, target=0.2) == 0.0


def test_a_target_of_zero_is_no_target():
    with pytest.raises(AssertionError):
        controllers.kl_proportional(0.2, 1.0, target=0.0, gain=0.1)
