"""A plan says what a run takes, and chooses settings that fit into the memory given."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cohort.cli.main import app
from cohort.config.load import read_recipe
from cohort.errors import ModelError, RecipeError
from cohort.train.fit import parse_memory, plan_recipe
from cohort.train.machine import Machine, gpu

HERE = Machine("a CPU", "cpu", 1 << 34, 1e11, 1e10, 1)
GIB = 1 << 30
NEW = {
    "hidden": 1024,
    "layers": 8,
    "heads": 8,
    "key_value_heads": 8,
    "feed_forward": 2816,
    "context": 2048,
}


def _recipe(new=NEW, dtype="float32", **stage):
    options = {
        "kind": "reinforce", "problems": "chain", "rewards": {"correct": 1.0}, "steps": 10,
        "max_new_tokens": 1500, "rollouts_per_prompt": 16,
    } | stage  # fmt: skip
    return read_recipe({"model": {"new": new, "dtype": dtype}, "stage": [options]}, source="a test")


def _planned(recipe, memory=0, machine=HERE):
    return plan_recipe(recipe, base=Path(), machine=machine, memory=memory)


def test_without_a_limit_nothing_is_changed_and_every_item_is_there():
    recipe = _recipe()
    planned = _planned(recipe)
    assert planned.recipe == recipe
    assert not planned.chosen
    (stage,) = planned.stages
    assert {"weights", "gradients", "optimizer", "reference", "activations"} <= stage.bytes.keys()
    assert stage.bytes["reference"] > 0, "GRPO has a KL term"
    assert stage.tokens_per_step == 16 * (stage.load.prompt + 16 * 1500)
    assert stage.seconds == 10 * stage.step_seconds > 0


def test_settings_are_chosen_one_after_another_until_it_fits():
    recipe = _recipe()
    free = _planned(recipe).largest.peak_bytes
    tight = _planned(recipe, memory=int(free * 0.9))
    assert tight.largest.peak_bytes <= 0.9 * free
    assert tight.chosen
    assert tight.recipe.model.lora is None, (
        "what changes the result is not the first to be given up"
    )
    tighter = _planned(recipe, memory=int(free * 0.2))
    assert tighter.recipe.model.recompute or tighter.recipe.model.lora is not None
    assert tighter.largest.peak_bytes <= 0.2 * free
    assert len({why.split(" = ")[0] for why in tighter.chosen}) == len(tighter.chosen)


def test_what_cannot_fit_is_refused_with_what_is_missing():
    with pytest.raises(ModelError, match=r"does not fit into 300 MiB: .* more than there is") as no:
        _planned(_recipe(), memory=300 << 20)
    assert "process" in str(no.value.hint) or "weights" in str(no.value.hint)


def test_an_option_that_fits_anyway_stays_as_the_recipe_says():
    assert not _planned(_recipe(), memory=1 << 44).chosen


@pytest.mark.parametrize(
    ("text", "size"),
    [("16GiB", 16 * GIB), ("24 GB", 24 * 10**9), ("512mib", 512 << 20), ("1.5GiB", 3 * GIB // 2)],
)
def test_memory_is_a_number_and_a_unit(text, size):
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "lots", "16 parsecs", "-3GiB", "0", "1e400GiB", "nanGiB"])
def test_what_is_no_memory_is_refused(text):
    with pytest.raises(RecipeError, match="memory is"):
        parse_memory(text)


def test_a_gpu_is_known_by_its_name():
    assert gpu("NVIDIA GeForce RTX 4090") == gpu("rtx 4090")
    assert gpu("H100").memory_bytes == 80 * GIB
    with pytest.raises(RecipeError, match="known are") as refused:
        gpu("RTX 4091")
    assert "RTX 4090" in str(refused.value.hint)


def test_a_faster_machine_and_fewer_tokens_take_less_time():
    slow = _planned(_recipe()).largest.step_seconds
    fast = Machine("another", "cpu", 1 << 34, 2e11, 2e10, 1)
    assert _planned(_recipe(), machine=fast).largest.step_seconds == pytest.approx(slow / 2)
    assert _planned(_recipe(max_new_tokens=100)).largest.step_seconds < slow / 5


def test_the_command_prints_a_table_and_json():
    done = CliRunner().invoke(app, ["plan", "chain", "--set", "threads=1"])
    assert done.exit_code == 0
    assert "expected end" in done.stdout
    assert "gradients" in done.stdout
    done = CliRunner().invoke(app, ["plan", "chain", "--gpu", "T4", "--json"])
    data = json.loads(done.stdout)
    assert data["machine"] == "T4"
    assert data["peak_bytes"] == max(stage["peak_bytes"] for stage in data["stages"])
    refused = CliRunner().invoke(app, ["plan", "chain", "--memory", "100MiB"])
    assert isinstance(refused.exception, ModelError)
    assert "does not fit into 100 MiB" in refused.exception.message


@pytest.mark.parametrize(
    ("rounding", "said"),
    [
        ("masters", "have float32 masters"),
        ("stochastic", "right on average"),
        ("nearest", "is lost"),
    ],
)
def test_a_plan_says_what_becomes_of_small_updates_of_bfloat16(rounding, said):
    optimizer = {"learning_rate": 1e-6, "rounding": rounding}
    notes = _planned(_recipe(dtype="bfloat16", optimizer=optimizer)).notes
    assert any(said in note for note in notes)


def test_the_optimizer_is_in_the_plan():
    most = _planned(_recipe()).largest.bytes["optimizer"]
    least = _planned(_recipe(optimizer={"name": "adafactor"})).largest.bytes["optimizer"]
    assert 0 < least < most / 100
