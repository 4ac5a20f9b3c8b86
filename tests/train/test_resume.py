"""A run that ends at any moment goes on to the same bits, and says what it goes on from."""

import copy
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cohort.data.checkpoints import Checkpoints
from cohort.errors import DivergedError, Interrupted, RunError, StorageError
from cohort.train.optim import Updater
from cohort.train.run import train_recipe
from proofs.compare import differences
from tests.train import runs
from tests.train.runs import EVALUATE, REINFORCE, SUPERVISED, rows

STAGES = (SUPERVISED, EVALUATE, {**REINFORCE, "updates_per_step": 2, "steps": 3})


class Cut(BaseException):
    """The process is gone."""


def _recipe(*stages, **checkpoints):
    made = runs.recipe(*(stages or STAGES))
    return made.model_copy(
        update={
            "checkpoints": made.checkpoints.model_copy(update={"every_steps": 1, **checkpoints})
        }
    )


def _run(folder, *stages, made=None, **more):
    made = made or _recipe(*stages)
    return train_recipe(made, run=folder, base=Path.cwd(), name="test", quiet=True, **more)


def _cut_at(monkeypatch, number, error=Cut):
    """End the run at its update of this number, from 1."""
    update, calls = Updater.update, []

    def cut(self):
        calls.append(None)
        if len(calls) == number:
            raise error
        return update(self)

    monkeypatch.setattr(Updater, "update", cut)
    return lambda: monkeypatch.setattr(Updater, "update", update)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that was never stopped."""
    return _run(tmp_path_factory.mktemp("whole") / "run")


@pytest.mark.parametrize("update", [1, 3, 4, 5, 8])
def test_a_run_that_was_cut_goes_on_to_the_same_bits(tmp_path, monkeypatch, whole, update):
    again = _cut_at(monkeypatch, update)
    with pytest.raises(Cut):
        _run(tmp_path / "run")
    again()
    assert differences(whole, _run(tmp_path / "run")) == []


@pytest.mark.parametrize(
    "what",
    ["exp_avg", "exp_avg_sq", "step", "model", "updates", "version", "sampled_tokens", "reference"],
)
def test_each_part_of_a_checkpoint_is_needed(tmp_path, monkeypatch, whole, what):
    """The list of what is saved is honest: without any one of it the bits are others."""
    from cohort.train import state

    again = _cut_at(monkeypatch, 6)
    with pytest.raises(Cut):
        _run(tmp_path / "run")
    again()
    decoded = state.decoded

    def forgetful(files):
        taken = decoded(files)
        for name, tensor in [*taken.tensors["optimizer"].items(), *taken.tensors["model"].items()]:
            if name.endswith(f"/{what}") or what == "model":
                tensor.mul_(0.5)
        for tensor in taken.tensors["reference"].values() if what == "reference" else ():
            tensor.mul_(0.5)
        if what in taken.facts:
            taken.facts[what] += 1
        return taken

    monkeypatch.setattr("cohort.train.resume.decoded", forgetful)
    assert differences(whole, _run(tmp_path / "run")) != []


def test_a_reward_is_not_asked_again_for_what_the_journal_has(tmp_path, monkeypatch):
    """What came from outside stays what it was: here a random number nobody can draw again."""
    file = tmp_path / "outside.py"
    file.write_text(
        "import os\ndef outside(completions, **_):\n"
        "    return [os.urandom(1)[0] / 255 for _ in completions]\n"
    )
    stage = {**REINFORCE, "steps": 2, "rewards": {f"{file}:outside": 1.0}}
    again = _cut_at(monkeypatch, 2)
    with pytest.raises(Cut):
        _run(tmp_path / "run", stage)
    kept = sorted((tmp_path / "run" / "journal").iterdir())[-1].read_bytes()
    again()
    folder = _run(tmp_path / "run", stage)
    given = [reward for (reward,) in rows(folder, "SELECT reward FROM rollouts WHERE group_id > 4")]
    assert all(json.dumps(reward).encode() in kept for reward in given)
    assert not (folder / "journal").exists()


def test_a_damaged_checkpoint_is_passed_over_and_named(tmp_path, monkeypatch, whole, capsys):
    again = _cut_at(monkeypatch, 7)
    with pytest.raises(Cut):
        _run(tmp_path / "run")
    again()
    newest = max((tmp_path / "run" / "checkpoints").iterdir())
    path = newest / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert differences(whole, _run(tmp_path / "run")) == []
    said = " ".join(capsys.readouterr().err.split())
    assert f"{newest.name} is passed over: model.safetensors does not have the hash" in said


def test_where_no_checkpoint_is_whole_the_run_is_refused_and_left(tmp_path, monkeypatch):
    _cut_at(monkeypatch, 3)
    with pytest.raises(Cut):
        _run(tmp_path / "run")
    for manifest in (tmp_path / "run" / "checkpoints").glob("*/manifest.json"):
        manifest.write_bytes(manifest.read_bytes()[:-1])
    with pytest.raises(RunError, match="no checkpoint of this run can be used"):
        _run(tmp_path / "run")
    assert len(rows(tmp_path / "run", "SELECT * FROM steps")) == 2


def test_what_has_changed_is_listed_refused_and_accepted_on_request(tmp_path, monkeypatch):
    file = tmp_path / "mine.py"
    file.write_text("def mine(completions, **_):\n    return [1.0 for _ in completions]\n")
    stage = {**REINFORCE, "rewards": {f"{file}:mine": 1.0}}
    again = _cut_at(monkeypatch, 5)
    with pytest.raises(Cut):
        _run(tmp_path / "run", SUPERVISED, stage)
    again()
    file.write_text("def mine(completions, **_):\n    return [2.0 for _ in completions]\n")
    with pytest.raises(RunError, match="reward mine of reinforce: was"):
        _run(tmp_path / "run", SUPERVISED, stage)
    more = _recipe({**SUPERVISED, "steps": 3}, {**stage, "steps": 3})
    _run(tmp_path / "run", made=more, accept_changes=True)
    ((changes,),) = rows(tmp_path / "run", "SELECT changes FROM sittings WHERE number = 2")
    assert "stage.1.steps: was 2, is 3" in changes
    assert "reward mine of reinforce" in changes


def test_one_process_at_a_time_is_at_a_run(tmp_path):
    code = (
        "import fcntl, sys, time; lock = open(sys.argv[1], 'w'); fcntl.flock(lock, fcntl.LOCK_EX); "
        "print(1, flush=True); time.sleep(600)"
    )
    (tmp_path / "run").mkdir()
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "run" / ".lock")], stdout=subprocess.PIPE
    )
    try:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(RunError, match="another process is at the run"):
            _run(tmp_path / "run")
    finally:
        other.kill()
        other.communicate()


@pytest.mark.parametrize(("which", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_step_saves_and_the_run_goes_on(
    tmp_path, monkeypatch, whole, which, code
):
    assert threading.current_thread() is threading.main_thread()
    update, calls = Updater.update, []

    def signalled(self):
        calls.append(None)
        if len(calls) == 4:
            os.kill(os.getpid(), which)
        return update(self)

    monkeypatch.setattr(Updater, "update", signalled)
    with pytest.raises(Interrupted, match="stage reinforce after step 1 of 3; a checkpoint") as end:
        _run(tmp_path / "run")
    assert end.value.exit_code == code
    monkeypatch.setattr(Updater, "update", update)
    assert differences(whole, _run(tmp_path / "run")) == []


def test_a_disk_that_is_full_ends_the_run_with_7_and_loses_nothing(tmp_path, monkeypatch, whole):
    free = [1 << 40] * 4 + [0]
    real = Checkpoints._check_room

    def room(self, size):
        if free.pop(0) == 0:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(Checkpoints, "_check_room", room)
    with pytest.raises(StorageError, match="saving a checkpoint failed: No space left") as full:
        _run(tmp_path / "run")
    assert full.value.exit_code == 7
    monkeypatch.setattr(Checkpoints, "_check_room", real)
    assert differences(whole, _run(tmp_path / "run")) == []


def test_a_learning_rate_of_ten_thousand_goes_back_once_and_ends(tmp_path):
    wild = copy.deepcopy(REINFORCE)
    wild["optimizer"] = {"learning_rate": 1e4}
    with pytest.raises(DivergedError, match=r"at learning rate 5000 .*taken back before"):
        _run(tmp_path / "run", SUPERVISED, wild)
    (event,) = rows(tmp_path / "run", "SELECT text FROM events")
    assert "took the norm of the weights from" in event[0]
    assert "half the learning rate" in event[0]
    assert rows(tmp_path / "run", "SELECT MAX(step) FROM steps WHERE stage = 0") == [(3,)]
