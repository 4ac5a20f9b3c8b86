"""Options that contradict each other are refused in one sentence with the remedy."""

import pytest

from cohort.config.checks import is_builtin_task
from cohort.config.load import load_recipe, packaged_recipes
from cohort.config.references import called
from cohort.errors import RecipeError

CHAIN = packaged_recipes()["chain"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["stage.2.reward_bounds=[1.0, 0.0]"], "stage.2.reward_bounds is [1.0, 0.0]"),
        (["stage.2.reward_bounds=[1.0]"], "stage.2.reward_bounds is [1.0]"),
        (["stage.2.minibatches_per_step=65"], "a group is never divided"),
        (["stage.2.rewards={}"], "stage.2.rewards is empty"),
        (["stage.1.rewards={}"], "stage.1.rewards is empty"),
        (["stage.2.rewards.correct=0"], "stage.2.rewards all have weight 0"),
        (["stage.1.success=correctt"], 'stage.1.success is "correctt"'),
        (["stage.1.name=a", "stage.2.name=a"], "two stages have the name a"),
        (["stage.0.name=evaluate-2", "stage.1.name=''", "stage.3.name=''"],
         "two stages have the name evaluate-2"),
        (["stage.0.problems={ source = 'file.jsonl' }"], "model.new takes its tokens"),
        (["stage.0.problems={ source = '' }"], "stage.0.problems is empty"),
        (["stage.1.max_new_tokens=96"], "no room is left for a prompt"),
        (["stage.2.optimizer.beta2=1.0"], "beta2 is 1: its average would never move"),
        (["stage.2.optimizer.final_share=0.1"], "a constant schedule does not read it"),
    ],
)  # fmt: skip
def test_a_contradiction_is_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(CHAIN, overrides)
    assert message in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    "overrides",
    [
        ["stage.2.minibatches_per_step=64"],
        ["stage.1.max_new_tokens=95"],
        ["stage.2.steps=1"],
        ["stage.2.optimizer.final_share=0.1", "stage.2.optimizer.schedule=cosine"],
        ["stage.1.rewards.correct=0"],
        ["model=some/model", "stage.0.problems=file.jsonl"],
    ],
)
def test_what_only_comes_near_a_contradiction_is_allowed(overrides: list[str]) -> None:
    load_recipe(CHAIN, overrides)


def test_a_reward_of_a_file_decides_success_under_the_name_of_its_function() -> None:
    overrides = ['stage.1.rewards={ "mine.py:short" = 1.0 }', "stage.1.success=short"]
    load_recipe(CHAIN, overrides)
    assert called("correct") == "correct"


@pytest.mark.parametrize("source", ["a.jsonl", "data/a", "hub:owner/name", "tasks.py:sums"])
def test_a_path_is_no_task(source: str) -> None:
    assert is_builtin_task("chain")
    assert not is_builtin_task(source)
