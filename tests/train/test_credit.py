"""Which answers count, and what each is worth, before anything is cut."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cohort.data.records import Score
from cohort.objective.grpo import GRPO
from cohort.objective.presets import choose
from cohort.train.batch import Cutting, prepare
from cohort.train.credit import Shaping, penalized, select, with_advantages
from tests.tiny import group

PLAIN = GRPO.but(beta=0.0)


def credit(groups, algorithm=PLAIN, **more):
    return with_advantages(select(groups, algorithm), algorithm, **more)


def cut(one, *numbers):
    """The group with these answers cut at the limit."""
    rollouts = [
        replace(r, stop="length") if n in numbers else r for n, r in enumerate(one.rollouts)
    ]
    return replace(one, rollouts=tuple(rollouts))


def test_every_group_says_why_nothing_is_learned_from_it():
    groups = [
        group([1.0, 0.0], seed=1),
        group([None, None], seed=2),
        group([1.0, None], seed=3),
        group([0.3, 0.1 + 0.2], seed=4),
        cut(group([1.0, 0.0], seed=5), 0, 1),
    ]
    algorithm = PLAIN.but(groups="with-signal", overlong="mask")
    reasons = [one.discarded for one in select(groups, algorithm)]
    assert reasons == ["", "unscored", "single", "flat", "overlong"]
    usual = [one.discarded for one in select(groups, PLAIN)]
    assert usual == ["", "unscored", "single", "", ""]


def test_a_group_of_too_little_spread_says_nothing():
    groups = [group([0.5, 0.599], seed=1), group([0.5, 0.73], seed=2)]
    spread = PLAIN.but(groups="with-spread")
    assert [one.discarded for one in select(groups, spread)] == ["flat", ""]
    for changed in ({"least_spread": 0.04}, {"deviation": "sample", "least_spread": 0.06}):
        assert [one.discarded for one in select(groups, spread.but(**changed))] == ["", ""]


def test_a_method_without_a_group_learns_from_a_single_answer():
    alone = select([group([1.0, None], seed=3)], choose("reinforce", {}))
    assert alone[0].discarded == ""
    assert credit([group([1.0, None], seed=3)], choose("reinforce", {})).places == [(0, 0)]


def test_the_greedy_answer_is_needed_where_it_is_compared_with():
    one, remax = group([1.0, 0.0], seed=1), choose("remax", {})
    assert select([one], remax)[0].discarded == "unscored"
    found = credit([replace(one, greedy_reward=0.25)], remax)
    assert found.groups[0].advantages == pytest.approx((0.75, -0.25))


def test_masked_answers_enter_no_mean_and_no_count():
    one = cut(group([1.0, 0.0, 0.4], seed=1), 1)
    found = credit([one], PLAIN.but(overlong="mask", advantage="group-mean"))
    assert found.places == [(0, 0), (0, 2)]
    assert found.groups[0].advantages == pytest.approx((0.3, 0.0, -0.3))


def test_leaving_flat_groups_out_changes_the_weight_of_the_others():
    groups = [group([1.0, 0.0], seed=1), group([0.5, 0.5], seed=2)]
    cutting = Cutting(tokens_per_microbatch=999, budget_tokens=48, device=torch.device("cpu"))

    def first_weight(kind):
        algorithm = PLAIN.but(groups=kind)
        return float(prepare(credit(groups, algorithm), algorithm, cutting)[0].weights[0])

    assert first_weight("with-signal") == pytest.approx(2 * first_weight("all"))


def test_the_penalty_for_length_is_a_part_of_the_score():
    dapo = choose("dapo", {"overlong_margin": 0.5})
    made = penalized([group([1.0, None, 0.0], [4, 7, 9], seed=1)], dapo, longest=8)[0]
    assert made.rewards == pytest.approx((1.0, None, -1.0))
    assert [score.parts["overlong"] for score in made.scores] == [0.0, -0.75, -1.0]
    assert [score.whole for score in made.scores] == [0.0, -0.75, -1.0]
    assert penalized([group([1.0])], PLAIN, longest=8)[0].rewards == (1.0,)


def test_rewards_are_scaled_and_then_bounded_for_the_advantage_alone():
    centred = PLAIN.but(advantage="group-mean")
    found = credit([group([4.0, 0.0])], centred, shaping=Shaping(scale=0.5, bounds=(-1.0, 1.5)))
    assert found.groups[0].advantages == pytest.approx((0.75, -0.75))
    assert found.groups[0].rewards == (4.0, 0.0)


def test_each_reward_is_normalized_with_its_own_weight():
    one = group([0.0, 0.0, 0.0, 0.0], seed=1)
    parts = [(1.0, 0.0), (0.0, 0.0), (1.0, 0.0), (0.0, 9.0)]
    scores = tuple(Score(0.0, {"right": right, "short": short}) for right, short in parts)
    one = replace(one, scores=scores)
    gdpo = choose("gdpo", {"deviation": "population", "epsilon": 0.0})
    found = credit([one], gdpo, weights={"right": 1.0, "short": 0.5}).groups[0].advantages
    right, short = np.array([1, -1, 1, -1]), np.array([-1, -1, -1, 3]) / 3**0.5
    together = right + 0.5 * short
    together = together - together.mean()
    assert found == pytest.approx(tuple(together / together.std()))


def test_a_reward_that_cannot_say_of_an_answer_says_nothing_for_or_against_it():
    scores = tuple(Score(0.0, {"f": f, "g": g}) for f, g in [(1.0, 1.0), (0.0, None), (0.0, 0.0)])
    one = replace(group([0.0, 0.0, 0.0], seed=1), scores=scores)
    alone = tuple(Score(0.0, {"g": g}) for g in (1.0, 0.5, 0.0))
    other = replace(one, scores=alone)
    gdpo = choose("gdpo", {})
    with_gap = credit([one], gdpo, weights={"f": 0.0}).groups[0].advantages
    assert with_gap == pytest.approx(credit([other], gdpo).groups[0].advantages)


def test_what_tokens_pay_for_divergence_is_taken_from_their_rollout():
    rloo = choose("rloo", {})
    one = group([1.0, 0.0], [2, 1], seed=1)
    found = credit([one], rloo, penalty=torch.tensor([0.1, 0.3, 0.0], dtype=torch.float64))
    assert found.groups[0].advantages == pytest.approx((0.6, -0.6))


def test_returns_differ_within_a_rollout_and_the_group_shows_their_mean():
    one = group([1.0, 0.0], [2, 1], seed=1)
    penalty = torch.tensor([0.4, 0.1, 0.0], dtype=torch.float64)
    found = credit([one], choose("reinforce++", {}), penalty=penalty)
    returns = torch.tensor([0.5, 0.9, 0.0], dtype=torch.float64)
    expected = (returns - returns.mean()) / returns.std()
    assert np.concatenate(found.advantages) == pytest.approx(expected.numpy(), abs=1e-6)
    assert found.groups[0].advantages[0] == pytest.approx(float(expected[:2].mean()), abs=1e-6)


def test_a_step_where_nothing_counts_is_a_step_without_places():
    found = credit([group([None, None], seed=1)])
    assert (found.places, found.advantages) == ([], [])
    assert found.groups[0].advantages == (0.0, 0.0)


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_minibatches_share_the_groups_and_each_counts_its_own(parts):
    groups = [group([1.0, 0.0, 0.4], seed=n) for n in range(3)]
    found = credit(groups)
    cutting = Cutting(
        tokens_per_microbatch=999, budget_tokens=48, device=torch.device("cpu"), minibatches=parts
    )
    batches = prepare(found, PLAIN, cutting)
    assert len(batches) == parts
    assert sum(len(batch.rollout.unique()) for batch in batches) == 9
    every = PLAIN.but(advantage="reward", weight="token")
    for batch in prepare(credit(groups, every), every.but(entropy="bonus"), cutting):
        assert float(batch.weights.sum()) == pytest.approx(1.0)


def test_a_step_may_end_at_a_token_instead_of_a_character():
    one, process = group([0.0, 0.0], [4, 4], seed=1), choose("grpo-process", {})
    steps = (((2, 1.0), (4, 0.0)), ((1, 0.5),))
    characters = replace(one, scores=tuple(Score(0.5, {}, steps=own) for own in steps))
    tokens = replace(one, scores=tuple(Score(0.5, {}, token_steps=own) for own in steps))
    right = credit([characters], process, token_at=lambda _, end: end - 1)
    found = credit([tokens], process, token_at=lambda _, end: 0)
    for ours, theirs in zip(found.advantages, right.advantages, strict=True):
        assert ours.tolist() == theirs.tolist()
    assert right.advantages[0][1] != right.advantages[0][2]


def test_rewards_of_steps_are_normalized_together_and_summed_from_the_end():
    one = group([0.0, 0.0], [4, 4], seed=1)
    scores = (Score(0.5, {}, steps=((2, 1.0), (4, 0.0))), Score(0.0, {}, steps=((1, 0.5),)))
    one = replace(one, scores=scores)
    process = choose("grpo-process", {"epsilon": 0.0})
    found = credit([one], process, token_at=lambda tokens, end: end - 1)
    high = 0.5 / np.array([1.0, 0.0, 0.5]).std()
    assert found.advantages[0] == pytest.approx([0.0, 0.0, -high, -high])
    assert found.advantages[1] == pytest.approx([0.0] * 4)
    first = credit([replace(one, scores=scores[::-1])], process, token_at=lambda t, end: end - 1)
    assert first.advantages[1] == pytest.approx([0.0, 0.0, -high, -high])


def test_the_reward_of_the_whole_answer_is_that_of_a_last_step():
    made = group([1.0, 0.0, 0.3], seed=1)
    scores = tuple(replace(score, whole=score.total) for score in made.scores)
    process = choose("grpo-process", {})
    found = credit([replace(made, scores=scores)], process, token_at=lambda tokens, end: 0)
    usual = credit([made], GRPO)
    assert found.groups[0].advantages == pytest.approx(usual.groups[0].advantages)
    for ours, theirs in zip(found.advantages, usual.advantages, strict=True):
        assert ours == pytest.approx(theirs)


def test_each_rewarded_step_has_the_advantage_of_its_tokens_and_only_where_steps_are_learned_from():
    process = choose("grpo-process", {"epsilon": 0.0})
    scores = (Score(0.5, {}, steps=((2, 1.0), (4, 0.0))), Score(0.0, {}, steps=((1, 0.5),)))
    one = replace(group([0.5, 0.0], [4, 4]), scores=scores)
    found = credit([one], process, token_at=lambda tokens, end: end - 1)
    (judged,) = found.groups
    first, second = judged.steps
    assert [(s.end, s.last_token, s.reward) for s in first] == [(2, 1, 1.0), (4, 3, 0.0)]
    assert [s.advantage for s in first] == [found.advantages[0][1], found.advantages[0][3]]
    assert [s.advantage for s in second] == [found.advantages[1][0]]
    assert credit([one], GRPO).groups[0].steps == ()
