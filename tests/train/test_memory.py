"""The arithmetic of memory: each item on tiny sizes by hand, and the sizes it is made of."""

from dataclasses import replace

import pytest
import torch

from cohort.config.recipe import LoRA, Model, NewModel
from cohort.data.packing import pack
from cohort.policy.load import load_policy
from cohort.policy.outline import Sizes, outline, sizes_of
from cohort.train.machine import this_machine
from cohort.train.memory import ALWAYS, LEARNING, Load, activation_bytes, items, peak
from tests.tiny import PIECES, families

SIZES = Sizes(
    parameters=1000, trained=1000, met=900, layers=2, hidden=8, feed_forward=16,
    query_heads=4, key_heads=2, width=4, vocabulary=50, number_bytes=4, written_out=True,
    shapes=(((50, 8), False), ((10, 60), True)),
)  # fmt: skip
LOAD = Load(prompt=10, answer=22, groups=4, members=8, row_tokens=128, rows_at_once=1, slots=16)
NEW = NewModel(hidden=32, layers=2, heads=4, key_value_heads=2, feed_forward=48)


def test_weights_moments_and_the_reference_are_counted_by_number():
    found = items(SIZES, replace(LOAD, reference=True))
    assert found["weights"] == found["reference"] == 4000
    assert found["optimizer"] == 8000
    assert found["gradients"] == 4000
    narrow = items(replace(SIZES, number_bytes=2), LOAD)
    assert narrow["weights"] == 2000
    assert narrow["optimizer"] == 12000, "moments and float32 masters"
    assert narrow["reference"] == 0


def test_keys_and_values_are_of_the_answers_side_by_side():
    found = items(SIZES, LOAD)
    per_token = 2 * 2 * 2 * 4 * 4  # keys and values, layers, heads, width, bytes
    assert found["keys and values"] == (4 * 16 + 16 * 32) * per_token  # in blocks of 16 tokens
    assert items(SIZES, replace(LOAD, slots=8))["keys and values"] < found["keys and values"]


def test_activations_grow_with_the_row_and_shrink_with_recompute():
    short, long = (items(SIZES, replace(LOAD, row_tokens=n))["activations"] for n in (64, 128))
    assert long == 2 * short
    deep = replace(SIZES, layers=20)
    less = activation_bytes(deep, recompute=True)
    assert less < activation_bytes(deep, recompute=False) / 5


def test_activations_are_what_autograd_keeps():
    policy = load_policy(Model(new=NEW), vocabulary=PIECES, seed=1)
    own = {parameter.untyped_storage().data_ptr() for parameter in policy.model.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    (family,) = families([(40, (30, 20, 25))], seed=1)
    row = pack([family])
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        states = policy.states(row)
    measured = sum(storage.nbytes() for storage in kept.values()) / len(row.tokens)
    assert states.requires_grad
    assert activation_bytes(sizes_of(policy), recompute=False) == pytest.approx(measured, rel=0.1)


def test_a_row_is_at_least_one_answer_and_at_most_the_step():
    assert replace(LOAD, row_tokens=4).row == 10 + 22
    assert replace(LOAD, row_tokens=10**6).row == 4 * (10 + 8 * 22)


def test_two_threads_have_two_rows_and_two_sums_of_gradients():
    one, two = (items(SIZES, replace(LOAD, rows_at_once=n)) for n in (1, 2))
    assert two["gradients"] == 2 * one["gradients"]
    assert two["activations"] == 2 * one["activations"]


def test_learning_and_sampling_take_turns():
    found = items(SIZES, LOAD)
    learning = sum(found[name] for name in LEARNING)
    assert peak(found) >= sum(found[name] for name in ALWAYS) + learning
    assert peak(found) < sum(found.values())


def test_adapters_leave_gradients_and_moments_of_the_factors_alone():
    adapted = replace(SIZES, trained=50, shapes=(((10, 5), True),), head_is_trained=False)
    found, whole = items(adapted, replace(LOAD, reference=True)), items(SIZES, LOAD)
    assert found["weights"] == whole["weights"]
    assert (found["gradients"], found["optimizer"], found["reference"]) == (200, 400, 200)
    assert found["head"] < whole["head"]


@pytest.mark.parametrize("lora", [None, LoRA(rank=4)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_an_outline_has_the_sizes_of_the_loaded_model_and_no_weights(lora, dtype):
    options = Model(new=NEW, dtype=dtype, lora=lora)
    drawn, loaded = (
        outline(options, vocabulary=PIECES),
        load_policy(options, vocabulary=PIECES, seed=1),
    )
    assert sizes_of(drawn) == sizes_of(loaded)
    assert {p.device.type for p in drawn.model.parameters()} == {"meta"}
    sizes = sizes_of(drawn)
    assert sizes.number_bytes == (4 if dtype == "float32" else 2)
    assert sizes.written_out == (lora is None)
    assert sizes.head_is_trained == (lora is None)
    assert (sizes.trained < sizes.parameters / 2) == (lora is not None)


def test_drawing_an_outline_draws_no_random_number():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    outline(Model(new=NEW, lora=LoRA()), vocabulary=PIECES)
    assert torch.equal(torch.get_rng_state(), before)


def test_an_update_takes_what_its_optimizer_takes_for_a_moment():
    norm = 2 * 4 * 600  # of the largest tensor, in float64
    found = {
        name: items(SIZES, replace(LOAD, optimizer=name))["update"]
        for name in ("adamw", "adafactor", "muon", "adamw-8bit")
    }
    assert found == {
        "adamw": norm, "adafactor": norm + 4 * 600, "muon": norm + 12 * 600, "adamw-8bit": norm + 20 * 600,
    }  # fmt: skip
    narrow = replace(SIZES, number_bytes=2)
    by_chance = items(narrow, replace(LOAD, rounding="stochastic"))
    assert by_chance["update"] == norm + 4 * 600, "one tensor at a time is widened"
    assert by_chance["optimizer"] == items(narrow, LOAD)["optimizer"] - 4000


def test_a_run_that_waits_for_its_checkpoints_keeps_no_copy():
    assert items(SIZES, LOAD)["checkpoint"] == 12000
    assert items(SIZES, replace(LOAD, copies_state=False))["checkpoint"] == 0


def test_libraries_are_counted_as_they_are_in_memory():
    assert items(SIZES, replace(LOAD, process_bytes=12345))["process"] == 12345
    assert this_machine(1).process_bytes > 50 << 20


def test_a_head_that_is_the_embeddings_has_its_gradient_wait_for_theirs():
    large = replace(SIZES, vocabulary=10**6, head_is_tied=True)
    found, apart = items(large, LOAD), items(replace(large, head_is_tied=False), LOAD)
    whole = found["head"] + found["activations"]
    assert whole == max(2 * 4 * 8 * 10**6, apart["head"] + apart["activations"])
    alone = items(large, replace(LOAD, groups=1, members=2))
    assert alone["head"] < found["head"] + found["activations"]
