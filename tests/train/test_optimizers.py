"""The optimizers: each learns, is saved and goes on to the same bits, and keeps what the plan says."""

from dataclasses import replace

import pytest
import torch

from cohort.config.load import read_recipe
from cohort.config.stages import Optimizer
from cohort.data.checkpoints import DamagedError
from cohort.errors import MissingExtraError, RecipeError
from cohort.policy.outline import sizes_of
from cohort.train.eight_bit import LEAST
from cohort.train.memory import state_bytes
from cohort.train.optim import MASTER, Updater
from cohort.train.plan import Given, make_plan
from tests.tiny import tiny_policy
from tests.train.runs import SUPERVISED

NAMES = ("adamw", "adafactor", "muon", "adamw-8bit")
RATES = {"adafactor": 1e-2}


def _options(name, **more):
    if name == "adamw-8bit":
        pytest.importorskip("bitsandbytes")
    return Optimizer(**{"name": name, "learning_rate": RATES.get(name, 1e-3)} | more)


def _policy(dtype="float32"):
    policy, _ = tiny_policy()
    policy.model = policy.model.to(getattr(torch, dtype))
    return policy


def _updater(policy, options, **more):
    return Updater(policy, options, updates=9, **more)


def _update(updater, number):
    """One update whose gradients depend on its number, whatever the weights are in."""
    draw = torch.Generator().manual_seed(number)
    for held in updater._held:
        held.grad = torch.randn(held.shape, generator=draw)
    updater.update()
    updater.clear()


def _weights(policy):
    return torch.cat([p.detach().float().flatten() for p in policy.model.parameters()])


def _after(options, updates=3, dtype="float32", **more):
    policy = _policy(dtype)
    updater = _updater(policy, options, **more)
    for number in range(updates):
        _update(updater, number)
    return policy, updater


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("rounding", ["masters", "stochastic"])
@pytest.mark.parametrize("name", NAMES)
def test_a_saved_optimizer_goes_on_to_the_same_bits(name, rounding, dtype):
    options = _options(name, rounding=rounding)
    whole, _ = _after(options, updates=5, dtype=dtype)
    policy, updater = _after(options, updates=3, dtype=dtype)
    kept = {key: tensor.clone() for key, tensor in updater.tensors().items()}
    masters = (dtype, rounding) == ("bfloat16", "masters")
    assert any(key.endswith(MASTER) for key in kept) == masters
    again = _updater(policy, options)
    again.restore(kept, made=3)
    for number in (3, 4):
        _update(again, number)
    assert torch.equal(_weights(policy), _weights(whole))


@pytest.mark.parametrize("name", NAMES)
def test_each_part_of_what_an_optimizer_keeps_is_needed(name):
    options = _options(name)
    whole, _ = _after(options, updates=4)
    _, updater = _after(options, updates=3)
    for what in {key.rpartition("/")[2] for key in updater.tensors()}:
        policy, updater = _after(options, updates=3)
        kept = updater.tensors()
        spoilt = {
            key: tensor // 2 if key.endswith(f"/{what}") else tensor for key, tensor in kept.items()
        }
        updater.restore(spoilt, made=3)
        _update(updater, 3)
        assert not torch.equal(_weights(policy), _weights(whole)), what


@pytest.mark.parametrize("name", NAMES)
def test_a_state_of_another_optimizer_is_damage(name):
    _, updater = _after(_options(name))
    other = NAMES[(NAMES.index(name) + 1) % 3]
    with pytest.raises(DamagedError, match="optimizer"):
        _updater(_policy(), _options(other)).restore(updater.tensors(), made=3)


@pytest.mark.parametrize("name", NAMES)
def test_the_plan_counts_the_bytes_that_an_optimizer_keeps(name):
    for dtype in ("float32", "bfloat16"):
        policy, updater = _after(_options(name), dtype=dtype)
        kept = sum(t.nbytes for key, t in updater.tensors().items() if not key.endswith("/step"))
        sizes = sizes_of(policy)
        assert state_bytes(sizes, name) == kept


def test_moments_in_8_bits_take_a_quarter_and_move_the_weights_alike():
    whole, _ = _after(_options("adamw"))
    narrow, updater = _after(_options("adamw-8bit"))
    moved, alike = _weights(whole) - _weights(_policy()), _weights(narrow) - _weights(_policy())
    assert float(torch.cosine_similarity(moved, alike, dim=0)) > 0.98
    large = [t for key, t in updater.tensors().items() if key.endswith("/state1")]
    assert {t.dtype for t in large if t.numel() >= LEAST} <= {torch.uint8}
    assert {t.dtype for t in large if t.numel() < LEAST} == {torch.float32}


def test_an_update_of_muon_is_as_large_in_every_direction_and_leaves_embeddings_to_adamw():
    policy, _ = _after(_options("muon"), updates=1)
    before = dict(_policy().model.named_parameters())
    for name, parameter in policy.model.named_parameters():
        moved = (parameter - before[name]).detach() / 1e-3
        if name.endswith("q_proj.weight"):
            singular = torch.linalg.svdvals(moved) / (0.2 * max(moved.shape) ** 0.5)
            assert 0.5 < float(singular.min()) <= float(singular.max()) < 1.5
        if "embed" in name or "lm_head" in name or moved.ndim == 1:
            torch.testing.assert_close(moved.abs(), torch.ones_like(moved), rtol=0.02, atol=0.02)


def test_an_update_of_adafactor_is_relative_to_the_weights():
    policy, _ = _after(_options("adafactor"), updates=1)
    for (name, after), before in zip(
        policy.model.named_parameters(), _policy().model.parameters(), strict=True
    ):
        share = float((after - before).detach().norm() / before.detach().norm())
        assert share == pytest.approx(1e-2, rel=0.35), name


@pytest.mark.parametrize(
    "option", [{"epsilon": 0.5}, {"weight_decay": 0.5}, {"learning_rate": 0.02}]
)
@pytest.mark.parametrize("name", NAMES)
def test_what_an_optimizer_reads_changes_the_weights(name, option):
    one, other = _after(_options(name)), _after(_options(name, **option))
    assert not torch.equal(_weights(one[0]), _weights(other[0]))


@pytest.mark.parametrize(
    ("options", "said"),
    [({"name": "adafactor", "beta1": 0.5}, "adafactor does not read it"),
     ({"name": "adafactor", "beta2": 0.5}, "adafactor does not read it"),
     ({"rounding": "stochastic"}, "the weights are float32: nothing is rounded"),
     ({"rounding": "nearest"}, "the weights are float32: nothing is rounded")],
)  # fmt: skip
def test_what_would_be_ignored_is_refused(options, said):
    with pytest.raises(RecipeError, match=said):
        _planned(options)


def test_a_library_that_is_not_there_is_said_before_a_model_is_loaded(monkeypatch):
    monkeypatch.setattr("cohort.train.eight_bit.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="bitsandbytes") as refused:
        _planned({"name": "adamw-8bit"})
    assert "eight-bit" in str(refused.value.hint)


def _planned(options):
    new = {"hidden": 32, "layers": 2, "heads": 2, "key_value_heads": 1, "feed_forward": 64}
    stage = {**SUPERVISED, "optimizer": options}
    recipe = read_recipe({"model": {"new": new}, "stage": [stage]}, source="a test")
    return make_plan(recipe, base=None, given=Given())


def test_without_masters_the_state_is_smaller_by_4_bytes_a_weight():
    sizes = sizes_of(_policy("bfloat16"))
    assert state_bytes(sizes, "adamw") - state_bytes(sizes, "adamw", "nearest") == 4 * sizes.trained
    wide = replace(sizes, number_bytes=4)
    assert state_bytes(wide, "adamw") == state_bytes(wide, "adamw", "nearest")
