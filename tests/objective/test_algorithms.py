"""An algorithm is its choices: each makes a difference, and nothing that is not read can be given."""

from itertools import combinations

import pytest
import torch

from cohort.errors import RecipeError
from cohort.objective.algorithms import ORDINARY, TABLES
from cohort.objective.choices import PARAMETERS
from cohort.objective.grpo import GRPO
from cohort.objective.presets import ALGORITHMS, choose
from tests.objective.steps import loss

WITH_KL = GRPO.but(beta=0.3)
IN_THE_LOSS = ("advantage", "weight", "surrogate", "behaviour", "kl", "correction", "entropy")
SAME_GRADIENT = {("k2", "k3-straight-through"), ("sequence-clip", "sequence-clip-by-token")}
"""The first two differ in value; the others where the tokens of a rollout differ in advantage."""
ELSEWHERE = {"adaptive-bonus"}
"""Its coefficient is moved between steps; within one it is the bonus."""


@pytest.mark.parametrize("table", IN_THE_LOSS)
def test_any_two_entries_of_a_table_have_different_gradients(table):
    entries = [entry for entry in TABLES[table] if entry not in ELSEWHERE]
    tight = {"two-sided": {"ratio_max": 1.5}}
    found = {
        entry: loss(WITH_KL.but(**{table: entry}, **tight.get(entry, {})))[1] for entry in entries
    }
    for one, other in combinations(entries, 2):
        if (one, other) in SAME_GRADIENT:
            continue
        assert not torch.allclose(found[one], found[other]), (one, other)


def test_gspo_by_token_differs_where_advantages_do():
    by_token = {"advantage": "process"}
    whole, token = (
        loss(WITH_KL.but(surrogate=surrogate, **by_token))[1]
        for surrogate in ("sequence-clip", "sequence-clip-by-token")
    )
    assert not torch.allclose(whole, token)


def test_the_straight_through_k3_has_another_value_than_k2():
    square, straight = (loss(WITH_KL.but(kl=kl)) for kl in ("k2", "k3-straight-through"))
    torch.testing.assert_close(square[1], straight[1])
    assert not torch.allclose(square[0], straight[0])


CASES = [
    (table, entry, key)
    for table in IN_THE_LOSS
    for entry, choice in TABLES[table].items()
    for key in choice.reads.values()
]
OTHER = {
    "deviation": "sample",
    "count_flat": "yes",
    "pkpo_baseline": "k-1",
    "k": 2,
    "ratio_max": 1.05,
    "clip_low": 0.05,
    "clip_high": 2.0,
    "log_clip_low": 0.05,
    "log_clip_high": 3.0,
    "loss_cap": 1.5,
    "ratio_low": 0.2,
    "ratio_high": 1.2,
    "region": 0.01,
    "correction_cap": 0.8,
    "correction_low": 0.2,
    "correction_high": 0.3,
    "drift": 0.01,
    "divergence_max": 0.3,
    "outlier_ratio": 1.01,
    "density_largest": 0.5,
    "half_life_tokens": 0.5,
    "right_above": 0.15,
    "gamma": 0.7,
    "turn_gamma": 0.5,
    "gae_lambda": 0.2,
    "n_steps": 2,
    "length_alpha": 0.5,
}
"""A value at which a number bites that its default does not reach, or the other way round."""


@pytest.mark.parametrize(("table", "entry", "key"), CASES)
def test_every_number_changes_the_loss(table, entry, key):
    algorithm = WITH_KL.but(**{table: entry})
    if key == "outlier_ratio":
        algorithm = algorithm.but(half_life_tokens=500.0)
    default = PARAMETERS[key].default
    other = OTHER.get(key, None if isinstance(default, str) else 3.0 * float(default) + 0.1)
    usual, changed = loss(algorithm), loss(algorithm.but(**{key: other}))
    assert not torch.allclose(usual[1], changed[1], rtol=1e-6), (usual[1], changed[1])


def test_beta_weighs_the_divergence():
    usual, without = loss(WITH_KL), loss(GRPO.but(beta=0.0))
    assert not torch.allclose(usual[1], without[1])
    in_reward = loss(GRPO.but(kl="in-reward", beta=0.3))
    assert not torch.allclose(in_reward[1], without[1])


@pytest.mark.parametrize("name", ALGORITHMS)
def test_an_algorithm_has_the_numbers_that_it_reads_and_no_others(name):
    algorithm = ALGORITHMS[name]
    assert algorithm.chosen.keys() == TABLES.keys()
    read = {key for table in TABLES for key in algorithm.of(table).parameters}
    assert algorithm.values.keys() == read | {"beta"}
    assert algorithm.title
    assert algorithm.paper
    assert algorithm.left_open or name == "prime-rl"


@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_loss_of_every_algorithm_is_finite_and_moves_something(name):
    total, slope = loss(ALGORITHMS[name])
    assert torch.isfinite(total)
    assert torch.isfinite(slope).all()
    assert slope.abs().sum() > 0


def test_two_algorithms_of_one_name_do_not_exist_and_no_two_are_equal():
    tables = [(dict(a.chosen), dict(a.values)) for a in ALGORITHMS.values()]
    assert all(one != other for one, other in combinations(tables, 2))


def test_a_choice_that_does_not_exist_names_the_nearest():
    with pytest.raises(RecipeError, match="grpoo") as refusal:
        choose("grpoo", {})
    assert "'grpo'" in refusal.value.hint
    with pytest.raises(RecipeError) as refusal:
        choose("grpo", {"cliphigh": 0.3})
    assert "'clip_high'" in refusal.value.hint


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("beta", "x"),
        ("beta", -1.0),
        ("weight", "sequence"),
        ("clip_low", True),
        ("deviation", "both"),
        ("deviation", 1),
    ],
)
def test_a_value_that_cannot_be_is_refused(key, value):
    with pytest.raises(RecipeError, match=key):
        choose("grpo", {key: value})


def test_a_whole_number_is_whole():
    assert choose("pass-at-k", {"k": 3}).values["k"] == 3
    with pytest.raises(RecipeError, match="whole number"):
        choose("pass-at-k", {"k": 2.5})


def test_a_number_that_nothing_reads_is_refused_and_its_readers_are_named():
    with pytest.raises(RecipeError, match="does not read ratio_max") as refusal:
        choose("grpo", {"ratio_max": 2.0})
    assert "surrogate = capped-ratio" in refusal.value.hint
    assert choose("grpo", {"ratio_max": 2.0, "surrogate": "capped-ratio"}).values["ratio_max"] == 2


@pytest.mark.parametrize(
    "changes", [{"kl": "k2"}, {"reference": "reset"}, {"adaptive_beta": "doubling"}]
)
def test_what_is_read_only_with_a_kl_term_is_refused_without_one(changes):
    with pytest.raises(RecipeError, match="beta is 0"):
        choose("dapo", changes)
    assert choose("dapo", {"beta": 0.1} | changes).beta == 0.1


def test_another_choice_brings_its_numbers_and_takes_those_of_the_old_one():
    changed = choose("grpo", {"surrogate": "soft-gate"})
    assert "clip_low" not in changed.values
    assert changed.values["tau_positive"] == 1.0


@pytest.mark.parametrize(
    ("changes", "drops"),
    [
        ({}, True),
        ({"beta": 0.1}, False),
        ({"beta": 0.1, "kl": "in-reward"}, True),
        ({"surrogate": "square"}, False),
        ({"entropy": "bonus"}, False),
        ({"entropy": "most-uncertain"}, False),
        ({"correction": "token-masked"}, True),
    ],
)
def test_dead_tokens_are_dropped_where_nothing_else_pulls(changes, drops):
    assert GRPO.but(**({"beta": 0.0} | changes)).drops_dead_tokens is drops


def test_the_ordinary_choices_are_entries():
    assert all(entry in TABLES[table] for table, entry in ORDINARY.items())
