"""Stages that name earlier ones, and stages that are repeated."""

import tomllib

import pytest

from cohort.config.load import dump_recipe, read_recipe
from cohort.errors import RecipeError

SUPERVISED = {"kind": "supervised", "problems": "chain", "steps": 1}
JUDGE = {
    "kind": "reward-model", "name": "judge", "problems": "chain", "steps": 1, "rewards": {"correct": 1.0},
    "max_new_tokens": 48,
}  # fmt: skip
POLICY = {
    "kind": "reinforce", "name": "policy", "problems": "chain", "steps": 1,
    "rewards": {"stage:judge": 1.0}, "max_new_tokens": 48,
}  # fmt: skip
KEEP = {
    "kind": "select", "name": "keep", "problems": "chain", "steps": 1, "rewards": {"correct": 1.0},
    "max_new_tokens": 48,
}  # fmt: skip


def recipe(*stages: dict, **more: object):
    return read_recipe({"model": {"new": {}}, "stage": list(stages), **more})


def test_repeated_stages_are_written_out_and_name_the_latest_of_what_they_name() -> None:
    found = recipe(SUPERVISED, JUDGE, POLICY, repeat=[{"stages": ["judge", "policy"], "times": 3}])
    names = found.stage_names()
    assert names == ["supervised", "judge", "policy", "judge.2", "policy.2", "judge.3", "policy.3"]
    assert [list(stage.rewards) for stage in found.stage[2::2]] == [
        ["stage:judge"], ["stage:judge.2"], ["stage:judge.3"],
    ]  # fmt: skip
    assert [stage.start for stage in found.stage[1::2]] == ["", "stage:judge", "stage:judge.2"]


def test_a_critic_that_begins_as_a_repeated_reward_model_means_the_latest() -> None:
    critic = {"algorithm": "ppo", "critic": {"start": "stage:judge"}}
    found = recipe(
        JUDGE, {**POLICY, **critic}, repeat=[{"stages": ["judge", "policy"], "times": 2}]
    )
    starts = [stage.critic.start for stage in found.stage if stage.kind == "reinforce"]
    assert starts == ["stage:judge", "stage:judge.2"]


def test_what_comes_after_a_repetition_means_its_last_time() -> None:
    last = {**SUPERVISED, "name": "last", "start": "stage:policy"}
    found = recipe(JUDGE, POLICY, last, repeat=[{"stages": ["judge", "policy"], "times": 2}])
    assert found.stage[-1].start == "stage:policy.2"


def test_a_recipe_that_was_written_out_reads_the_same_again() -> None:
    found = recipe(JUDGE, POLICY, repeat=[{"stages": ["judge", "policy"], "times": 2}])
    assert read_recipe(tomllib.loads(dump_recipe(found))) == found


def test_stages_to_repeat_must_follow_one_another() -> None:
    with pytest.raises(RecipeError, match="must follow one another"):
        recipe(JUDGE, POLICY, repeat=[{"stages": ["policy", "judge"], "times": 2}])


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ((POLICY,), "no earlier stage is called so"),
        ((POLICY, JUDGE), "no earlier stage is called so"),
        ((KEEP, {**POLICY, "rewards": {"stage:keep": 1.0}}), "a select stage"),
        ((JUDGE, {**SUPERVISED, "problems": "stage:judge"}), "a reward-model stage"),
        ((KEEP, {**SUPERVISED, "start": "stage:keep"}), "a select stage"),
        (({**SUPERVISED, "start": "before"},), 'it is "base" or'),
        (({**JUDGE, "name": "a/b"},), "a/b"),
    ],
)
def test_a_stage_that_names_what_no_earlier_one_leaves_is_refused(stages, said: str) -> None:
    with pytest.raises(RecipeError) as refused:
        recipe(*stages)
    assert said in f"{refused.value.message} {refused.value.hint}"
