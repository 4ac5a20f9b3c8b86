"""A stage without labels: what the anchor sees and is, what is journalled, and that no label is read."""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cohort.config.load import read_recipe
from cohort.config.optimizer import Optimizer
from cohort.config.teacher import Teacher
from cohort.data.records import Group, Problem, Rollout
from cohort.errors import LabelError, RecipeError
from cohort.policy.load import take_over
from cohort.policy.new import new_tokenizer
from cohort.rewards.asked import MemoryJournal
from cohort.rewards.outcome import Unscorable
from cohort.rewards.teacher.reference import Reference
from cohort.tasks.slips import Slips
from cohort.train.optim import Updater
from cohort.train.plan import Given, make_plan
from cohort.train.reference import frozen_copy
from cohort.train.run import train_recipe
from cohort.train.teach import NO_MAJORITY, Cost, Teaching, teaching, teaching_metrics
from proofs.compare import differences
from tests.tiny import tiny_model
from tests.train.runs import SUPERVISED, metrics, recipe, rows, run, weights

TEACHER = {
    "reference": "synthesis",
    "template": "{candidates}=",
    "candidate": "{text}|",
    "shown": "answer",
    "equality": "text",
}
PROBLEMS = {"source": "slips", "options": {"letters": 4}}
TAUGHT = {
    "kind": "reinforce",
    "problems": PROBLEMS,
    "teacher": TEACHER,
    "rewards": {"agrees": 1.0, "tests/train/mine.py:digits": 0.1},
    "steps": 2,
    "prompts_per_step": 4,
    "rollouts_per_prompt": 4,
    "max_new_tokens": 12,
    "algorithm": {"name": "grpo", "beta": 0.0},
    "optimizer": {"learning_rate": 1e-2},
}
COLD = SUPERVISED | {"problems": PROBLEMS, "steps": 120, "rows_per_step": 16}


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that writes digits in tags now and then."""
    return run(tmp_path_factory.mktemp("cold") / "run", COLD) / "model"


def taught(folder: Path, cold: Path, stage: dict[str, object] = TAUGHT) -> Path:
    """A stage without labels that begins with the cold start."""
    made = read_recipe({"threads": 1, "model": str(cold), "stage": [stage]}, source="test")
    return train_recipe(made, run=folder, base=Path.cwd(), name="test", quiet=True)


def answers(*texts: str, prompt: str = "aQ=") -> Group:
    one = np.zeros(1, dtype=np.int32)
    rollouts = tuple(
        Rollout(one, np.zeros(1, dtype=np.float32), "end", f"<answer>{text}</answer>")
        for text in texts
    )
    return Group(Problem("p", prompt, {"answer": "a7"}), one, rollouts)


def small_policy():
    policy = take_over(tiny_model(), new_tokenizer(Slips().vocabulary()[:37]))
    policy.context = 64
    return policy


def teacher_of(policy, **options) -> Teaching:
    made = teaching(
        Teacher(**{**TEACHER, **options}),
        policy,
        first=policy,
        max_new_tokens=4,
        journal=MemoryJournal(),
    )
    assert made is not None
    return made


def test_the_anchor_is_shown_every_answer_and_not_the_question() -> None:
    asked = teacher_of(small_policy()).question(answers("a7b1", "a2b1", prompt="hZ="))
    assert asked is not None
    assert asked.text == "a7b1|a2b1|="
    own = {"template": "{question}{candidates}=", "include_question": True}
    shown = teacher_of(small_policy(), **own).question(answers("a7b1", prompt="hZ="))
    assert shown is not None
    assert shown.text == "hZ=a7b1|="


def test_answers_that_are_too_long_for_the_anchor_share_its_context() -> None:
    policy = small_policy()
    group = answers("1" * 80, "2" * 80, "345")
    asked = teacher_of(policy, candidate="{text}|").question(group)
    assert asked is not None
    first, second, third, _ = asked.text.split("|")
    assert third == "345"
    assert abs(first.count("1") - second.count("2")) <= 1
    assert len(policy.seen_tokens(asked.text)) + 4 <= policy.context


def test_a_chat_stays_a_chat_and_its_system_message_is_not_shown() -> None:
    chat = ({"role": "system", "content": "zebra"}, {"role": "user", "content": "aQ="})
    group = replace(answers("a7", "a8"), problem=Problem("p", chat))
    service = {"anchor": "https://127.0.0.1/v1", "model": "m"}
    asked = teacher_of(small_policy(), **service).question(group)
    assert asked is not None
    assert asked.chat
    assert asked.text == "a7|a8|="


def test_the_majority_and_a_random_answer_need_no_anchor() -> None:
    group = answers("a1", "a2", "a2", "a3")
    (voted,) = teacher_of(small_policy(), reference="majority").references([group], (1,))
    assert voted == Reference("<answer>a2</answer>", "text")
    drawn = {
        teacher_of(small_policy(), reference="random").references([group], (1, n))[0].text
        for n in range(40)
    }
    assert drawn == {f"<answer>a{n}</answer>" for n in (1, 2, 3)}
    silent = answers("")
    (none,) = teacher_of(small_policy(), reference="majority").references([silent], (1,))
    assert none.missing == NO_MAJORITY


def test_the_anchor_stays_as_it_was_while_the_policy_learns(tmp_path: Path, cold: Path) -> None:
    folder = taught(tmp_path / "run", cold)
    checkpoint = max((folder / "checkpoints").iterdir())
    first, last = weights(cold.parent), weights(folder)
    anchor = load_file(checkpoint / "reference.safetensors")
    shared = anchor.keys() & first.keys()
    assert shared
    assert all(torch.equal(anchor[name], first[name]) for name in shared)
    assert any(not torch.equal(last[name], first[name]) for name in shared)


def test_asking_an_anchor_changes_none_of_its_weights_and_gives_them_no_gradient() -> None:
    policy = small_policy()
    before = digest(policy.model)
    first = frozen_copy(policy)
    optimizer = Updater(policy, Optimizer(), updates=1)
    made = teaching(
        Teacher(**TEACHER), policy, first=first, max_new_tokens=4, journal=MemoryJournal()
    )
    assert made is not None
    made.taught([answers("a1", "a2")], (1,))
    assert digest(first.model) == before
    assert not any(p.requires_grad for p in first.model.parameters())
    trained = {id(p) for p in policy.model.parameters() if p.requires_grad}
    assert optimizer.made == 0
    assert not trained & {id(p) for p in first.model.parameters()}


def digest(model) -> str:
    parts = [p.detach().numpy().tobytes() for p in model.parameters()]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def test_references_are_kept_with_their_groups_and_no_label_is(tmp_path: Path, cold: Path) -> None:
    folder = taught(tmp_path / "run", cold)
    kept = [json.loads(columns) for (columns,) in rows(folder, "SELECT columns FROM groups")]
    assert len(kept) == 8
    assert all(set(columns) == {"reference"} for columns in kept)
    seen = metrics(folder, stage=0)
    references = seen["teacher/abstained"] + seen["teacher/failed"]
    assert seen["teacher/tokens"] > 0
    assert 0 <= references <= 4


class Cut(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("step", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_run_that_was_cut_goes_on_with_the_same_references(
    tmp_path: Path, cold: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    whole, counted = taught(tmp_path / "whole", cold), itertools.count(1)
    made = Updater.update

    def cut(self):
        if next(counted) == step:
            raise Cut
        return made(self)

    monkeypatch.setattr(Updater, "update", cut)
    with pytest.raises(Cut):
        taught(tmp_path / "run", cold)
    monkeypatch.undo()
    assert differences(whole, taught(tmp_path / "run", cold)) == []


@pytest.mark.parametrize(
    ("rewards", "message"),
    [
        ({"agrees": 1.0, "correct": 0.0}, "is the task's own"),
        ({"agrees": 1.0, "math": 0.5}, 'reads the column "answer"'),
        ({"agrees": 1.0, "tests/train/mine.py:peeks": 1.0}, 'reads the column "answer"'),
    ],
)
def test_a_reward_that_reads_a_label_is_refused(rewards: dict[str, float], message: str) -> None:
    with pytest.raises(LabelError, match=message):
        make_plan(recipe(COLD, TAUGHT | {"rewards": rewards}), Path.cwd(), Given())


def leaking(prompt: str) -> list[dict[str, str]]:
    return [{"prompt": prompt.format(n=n, gold=3 * n), "answer": str(3 * n)} for n in range(40, 80)]


@pytest.mark.parametrize(("prompt", "refused"), [("{n} ({gold})=", True), ("{n}=", False)])
def test_prompts_that_hold_their_labels_are_refused(prompt: str, refused: bool) -> None:
    stage = TAUGHT | {"problems": {"source": "rows"}}
    made = read_recipe({"model": "some/model", "stage": [stage]}, source="test")
    given = Given(rows={"rows": leaking(prompt)})
    if not refused:
        make_plan(made, Path.cwd(), given)
        return
    with pytest.raises(LabelError, match="prompts hold their own"):
        make_plan(made, Path.cwd(), given)


MODEL = {
    "kind": "reward-model",
    "name": "liked",
    "problems": PROBLEMS,
    "rewards": {"correct": 1.0},
    "steps": 1,
    "max_new_tokens": 12,
}
ASKS = TAUGHT | {"rewards": {"agrees": 1.0, "stage:liked": 1.0}}
FREE = {"rewards": {"tests/train/mine.py:digits": 1.0}}


@pytest.mark.parametrize(
    ("reward", "message"),
    [("correct", "the task's own"), ("tests/train/mine.py:peeks", 'reads the column "answer"')],
)
def test_a_model_that_learned_from_labels_is_refused(reward: str, message: str) -> None:
    with pytest.raises(LabelError, match=message):
        make_plan(recipe(MODEL | {"rewards": {reward: 1.0}}, ASKS), Path.cwd(), Given())


def test_a_model_that_learned_without_labels_may_be_asked() -> None:
    make_plan(recipe(MODEL | FREE, ASKS), Path.cwd(), Given())


def test_a_model_that_goes_on_from_one_that_knew_labels_knows_them() -> None:
    first, liked = MODEL | {"name": "first"}, MODEL | FREE | {"start": "stage:first"}
    with pytest.raises(LabelError, match="the task's own"):
        make_plan(recipe(first, liked, ASKS), Path.cwd(), Given())


def test_a_critic_that_begins_with_a_model_of_labels_is_refused() -> None:
    begun = {"algorithm": "ppo", "critic": {"start": "stage:liked"}}
    with pytest.raises(LabelError, match="learned from"):
        make_plan(recipe(MODEL, TAUGHT | begun), Path.cwd(), Given())


def test_a_column_that_is_no_label_can_be_read_where_that_is_said() -> None:
    stage = TAUGHT | {"rewards": {"agrees": 1.0, "math": 0.5}}
    stage |= {"teacher": TEACHER | {"columns": ["answer"]}}
    make_plan(recipe(COLD, stage), Path.cwd(), Given())


def test_a_reward_that_takes_everything_is_given_no_label(tmp_path: Path, cold: Path) -> None:
    stage = TAUGHT | {"rewards": {"agrees": 1.0, "tests/train/mine.py:labels_seen": 1.0}}
    folder = taught(tmp_path / "run", cold, stage)
    values = rows(folder, "SELECT DISTINCT value FROM scores WHERE function = 'labels_seen'")
    assert values == [(0.0,)]


def test_a_reference_that_moves_is_no_first_version() -> None:
    moving = {"algorithm": {"name": "grpo", "beta": 0.1, "reference": "reset"}}
    with pytest.raises(RecipeError, match="first version"):
        make_plan(recipe(COLD, TAUGHT | moving), Path.cwd(), Given())
    other = {"teacher": TEACHER | {"anchor": "policy"}}
    make_plan(recipe(COLD, TAUGHT | moving | other), Path.cwd(), Given())


def test_signals_say_how_alike_answers_are_and_when_the_reference_differs() -> None:
    def referred(group: Group, reference: Reference) -> Group:
        column = {"reference": reference.as_column()}
        return Group(Problem("p", "q", column), group.prompt_tokens, group.rollouts)

    alike = referred(answers("a1", "a1"), Reference("<answer>a2</answer>", "text"))
    mixed = referred(answers("a1", "a1", "a1", "a2"), Reference("<answer>a1</answer>", "text"))
    silent = referred(answers("a1", "a2"), Reference(missing=Unscorable("cut")))
    seen = teaching_metrics([alike, mixed, silent], Cost(7, 0.5))
    assert seen["teacher/alike"] == pytest.approx(1 / 3)
    assert seen["teacher/majority_share"] == pytest.approx((1 + 0.75 + 0.5) / 3)
    assert seen["teacher/differs"] == 0.5
    assert (seen["teacher/abstained"], seen["teacher/failed"]) == (1, 0)
    assert (seen["teacher/tokens"], seen["teacher/seconds"]) == (7, 0.5)


@pytest.fixture(scope="module")
def plain(cold: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("plain")
    return references(taught(folder / "run", cold, TAUGHT | {"steps": 3}))


@pytest.mark.parametrize(
    "teacher",
    [
        {"reference": "majority", "equality": "text"},
        {"reference": "random", "equality": "text"},
        TEACHER | {"anchor": "policy"},
        TEACHER | {"temperature": 2.0},
        TEACHER | {"max_new_tokens": 3},
        TEACHER | {"prompt_budget": 20},
        TEACHER | {"shown": "whole"},
        TEACHER | {"candidate": "{number}|{text}"},
        TEACHER | {"template": "{question}{candidates}", "include_question": True},
        TEACHER | {"equality": "mathematics"},
    ],
)
def test_every_option_of_a_teacher_changes_its_references(
    tmp_path: Path, cold: Path, plain: list[str], teacher: dict[str, object]
) -> None:
    stage = TAUGHT | {"steps": 3, "teacher": teacher}
    assert references(taught(tmp_path / "run", cold, stage)) != plain


def references(folder: Path) -> list[str]:
    return [columns for (columns,) in rows(folder, "SELECT columns FROM groups ORDER BY id")]
