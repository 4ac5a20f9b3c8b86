"""What a mix of sources may be, and what it may not, before anything is opened."""

import re
import tomllib
from pathlib import Path

import pytest

from cohort.config.checks import check_recipe
from cohort.config.load import dump_recipe, read_recipe
from cohort.errors import RecipeError
from cohort.train.located import located

SELECT = {
    "kind": "select",
    "name": "keep",
    "problems": "chain",
    "rewards": {"correct": 1.0},
    "steps": 1,
}
REINFORCE = {"kind": "reinforce", "rewards": {"correct": 1.0}, "steps": 1}
KEPT, CHAT = {"source": "stage:keep", "share": 3}, {"source": "chat.jsonl", "share": 1}


def _recipe(*stages, **more):
    made = {"model": {"path": "somewhere"}, "stage": list(stages), **more}
    return read_recipe(made, source="test")


def _refused(*stages, match):
    with pytest.raises(RecipeError, match=match):
        check_recipe(_recipe(*stages))


def _mixed(*mix, **more):
    return {**REINFORCE, **more, "problems": {"mix": list(mix)}}


def test_a_mix_of_what_was_kept_and_a_file_is_a_recipe():
    check_recipe(_recipe(SELECT, _mixed(KEPT, CHAT)))


@pytest.mark.parametrize(
    ("stage", "match"),
    [
        (_mixed({**KEPT, "source": "stage:kept"}, CHAT), 'did you mean "stage:keep"'),
        (_mixed(KEPT, KEPT), "two sources with the name stage:keep"),
        ({**REINFORCE, "problems": {"mix": [KEPT], "chat": True}}, "has a mix and chat"),
        (_mixed(KEPT, {"share": 1.0}), "problems is empty"),
        (_mixed(KEPT, rewards={"correct": {"only": ["chat"]}}), "only names chat; the sources"),
        ({**REINFORCE, "problems": "chain", "rewards": {"a": {"only": ["chain"]}}}, "is no mix"),
        (_mixed({**KEPT, "held_out_problems": 9}), "nothing is held out of what the stage keep"),
    ],
)
def test_what_a_mix_would_ignore_is_refused(stage, match):
    _refused(SELECT, stage, match=match)


def test_what_a_stage_kept_is_not_evaluated_on():
    evaluate = {"kind": "evaluate", "problems": "stage:keep", "rewards": {"correct": 1.0}}
    _refused(SELECT, evaluate, match="nothing of it is held out")


def test_sources_keep_their_names_when_paths_are_made_whole(tmp_path):
    (tmp_path / "chat.jsonl").write_text("")
    made = located(_recipe(SELECT, _mixed(KEPT, CHAT)), tmp_path)
    again = read_recipe(tomllib.loads(dump_recipe(made)), source="again")
    assert again == made
    part = again.stage[1].problems.mix[1]
    assert (part.name, part.source) == ("chat.jsonl", str(tmp_path / "chat.jsonl"))


def test_a_repeated_stage_that_is_named_in_a_mix_is_the_latest():
    made = _recipe(SELECT, {**_mixed(KEPT, CHAT), "name": "learn"}, repeat=[
        {"stages": ["keep", "learn"], "times": 2}
    ])  # fmt: skip
    part = made.stage[3].problems.mix[0]
    assert (part.source, part.name) == ("stage:keep.2", "stage:keep")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"keep": {"corect": 1.0}}, 'did you mean "correct"'),
        ({"least_tokens": 9, "most_tokens": 8}, "nothing would be kept"),
        ({"least_tokens": 300}, "max_new_tokens is 256: nothing would be kept"),
        ({"best_of": 8}, "a group has 8 answers: it would change nothing"),
    ],
)
def test_filters_that_cannot_be_meant_are_refused(options, match):
    _refused({**SELECT, **options}, match=match)


def test_what_the_page_writes_in_toml_is_a_recipe():
    page = (Path(__file__).parents[2] / "docs" / "preferences.md").read_text()
    blocks = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    stages = [stage for text in blocks for stage in tomllib.loads(text).get("stage", [])]
    assert [stage["kind"] for stage in stages] == ["select", "supervised", "preference"]
    (problems,) = [tomllib.loads(text)["problems"] for text in blocks if "mix" in text]
    (rewards,) = [tomllib.loads(text)["rewards"] for text in blocks if "only =" in text]
    rewards = {name: value for name, value in rewards.items() if name != "stage:judge"}
    check_recipe(_recipe(*stages, {**REINFORCE, "problems": problems, "rewards": rewards}))
