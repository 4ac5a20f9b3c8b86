"""The model card of a finished run: what was done, how it was measured, the recipe."""

import tomllib

import yaml

from cohort.config.load import read_recipe
from cohort.report.card import CARD
from tests.train.runs import EVALUATE, REINFORCE, SUPERVISED, run


def test_a_finished_run_leaves_a_card_beside_its_weights(tmp_path):
    folder = run(tmp_path / "run", SUPERVISED, EVALUATE, REINFORCE)
    text = (folder / "model" / CARD).read_text()
    _, head, body = text.split("---\n", 2)
    assert yaml.safe_load(head)["library_name"] == "transformers"
    assert "| supervised | supervised | 3 |" in body
    assert "| after | greedy | pass@1 |" in body
    assert " to " in body, "shares have intervals"
    recipe = body.split("````toml\n")[1].split("````")[0]
    assert read_recipe(tomllib.loads(recipe), source="the card").stage[0].kind == "supervised"


def test_a_name_makes_no_markup_of_a_card(tmp_path):
    folder = run(tmp_path / "run", SUPERVISED | {"name": "a|b<script>"})
    text = (folder / "model" / CARD).read_text().split("````toml")[0]
    assert "<script>" not in text
    assert "| a b script  | supervised |" in text
