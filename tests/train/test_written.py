"""Checkpoints in pieces are the files that safetensors makes."""

import torch
from safetensors.torch import load, save

from cohort.data.disk import CHUNK_BYTES, pieces
from cohort.train.written import DTYPES, Written, compared
from tests.train import runs
from tests.train.runs import REINFORCE, weights


def _bytes(tensors):
    return b"".join(bytes(piece) for piece in Written(tensors))


def test_the_bytes_are_those_of_safetensors():
    draw = torch.Generator().manual_seed(1)
    tensors = {
        f"{name}.{dtype}": torch.randint(0, 2, shape, generator=draw).to(dtype)
        for dtype in DTYPES
        for name, shape in (("z", (3, 2)), ("a", ()), ("é", (5,)), ("none", (0,)))
    }
    assert _bytes(tensors) == save(tensors)
    assert len(Written(tensors)) == len(save(tensors))
    assert len(list(Written(tensors))) == 1, "a small file is one write"
    assert Written({}).__len__() == len(save({}))


def test_large_tensors_come_one_after_another_and_views_as_they_lie():
    large = torch.arange(CHUNK_BYTES // 4 + 3, dtype=torch.float32)
    tensors = {"b": large, "a": torch.ones(2), "c": large[:8].view(2, 4).t().contiguous()}
    found = list(Written(tensors))
    assert max(map(len, found)) == large.nbytes
    back = load(_bytes(tensors))
    assert all(torch.equal(back[name], tensor) for name, tensor in tensors.items())


def test_a_file_is_compared_with_tensors_byte_by_byte(tmp_path):
    tensors = {"a": torch.arange(CHUNK_BYTES // 2).float(), "b": torch.ones(3).bfloat16()}
    file = tmp_path / "one.safetensors"
    file.write_bytes(save(tensors))
    assert dict(compared(file, tensors | {"c": torch.ones(1)})) == {"a": True, "b": True}
    raw = bytearray(save(tensors))
    raw[-7] ^= 1  # of the last number of a
    file.write_bytes(raw)
    assert dict(compared(file, tensors)) == {"a": False, "b": True}
    file.write_bytes(raw[:-3])
    assert dict(compared(file, tensors)) == {"a": False, "b": False}


def test_bytes_are_one_piece():
    assert [bytes(piece) for piece in pieces(b"abc")] == [b"abc"]


def test_a_run_that_waits_for_its_checkpoints_learns_the_same_and_goes_on(tmp_path):
    found = []
    for waits in (False, True):
        made = runs.recipe(REINFORCE)
        saving = made.checkpoints.model_copy(update={"in_background": not waits, "every_steps": 1})
        made = made.model_copy(update={"checkpoints": saving})
        folder = runs.train_recipe(
            made, run=tmp_path / str(waits), base=tmp_path, name="test", quiet=True
        )
        last = max((folder / "checkpoints").iterdir())
        found.append((weights(folder), (last / "optimizer.safetensors").read_bytes()))
    (one, saved), (other, waited) = found
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert saved == waited
