"""The stage `reward-model`: what it leaves, what it says, and that it can be stopped anywhere."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
)

from cohort.config.load import read_recipe
from cohort.errors import RecipeError
from cohort.policy.policy import Policy
from cohort.policy.valued import load_valued, valued_from
from cohort.rewards.outcome import Scored, Unscorable
from cohort.rewards.stage_model import StageModel
from cohort.train.check import check_recipe
from cohort.train.optim import Updater
from cohort.train.reward_model_examples import Example, decoded
from cohort.train.reward_model_lesson import lesson, row_loss, told
from cohort.train.run import train_recipe
from proofs.compare import differences
from tests.tiny import tiny_policy
from tests.train import runs
from tests.train.runs import REINFORCE, SUPERVISED, metrics, rows
from tests.train.test_reward_model_examples import stage

MINE = str(Path(__file__).with_name("mine.py"))
JUDGE = {
    "kind": "reward-model",
    "name": "judge",
    "problems": {"source": "chain", "held_out_problems": 6},
    "rewards": {f"{MINE}:even_length": 1.0},
    "steps": 3,
    "sampled_steps": 2,
    "examples_per_step": 4,
    "rollouts_per_prompt": 4,
    "max_new_tokens": 12,
    "optimizer": {"learning_rate": 1e-3},
}
PROCESS = {
    **JUDGE,
    "supervision": "process",
    "steps_by": f"{MINE}:by_character",
    "rewards": {f"{MINE}:by_character": 1.0},
}
POLICY = {**REINFORCE, "name": "policy", "rewards": {"stage:judge": 1.0}, "steps": 1}
BY_STEPS = {**POLICY, "algorithm": "grpo-process"}


def recipe(*stages, **more):
    made = runs.recipe(SUPERVISED, *stages)
    saving = made.checkpoints.model_copy(update={"every_steps": 1})
    return made.model_copy(update={"checkpoints": saving, **more})


def run(folder, *stages):
    return train_recipe(recipe(*stages), run=folder, base=Path.cwd(), name="test", quiet=True)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    return run(tmp_path_factory.mktemp("outcome") / "run", JUDGE, POLICY)


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    return run(tmp_path_factory.mktemp("process") / "run", PROCESS, BY_STEPS)


SCORES = (
    "SELECT g.prompt, r.tokens, r.text, r.stop, r.reward FROM rollouts r JOIN groups g ON g.id = group_id "
    "WHERE stage = 2"
)


def by_transformers(folder, kind, prompt, tokens):
    """What the folder says of each token of an answer, by transformers alone."""
    model = kind.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    before = tokenizer(prompt)["input_ids"]
    ids = torch.tensor([[*before, *np.frombuffer(tokens, "<i4").tolist()]])
    return model(input_ids=ids).logits.flatten().tolist()


def test_the_folder_says_with_transformers_alone_what_the_policy_was_rewarded_with(outcome):
    folder = outcome / "stages" / "judge" / "model"
    scored = [row for row in rows(outcome, SCORES) if row[-1] is not None]
    assert {stop for *_, stop, _ in scored} >= {"length"}
    for prompt, tokens, _, _, reward in scored[:6]:
        (said,) = by_transformers(folder, AutoModelForSequenceClassification, prompt, tokens)
        assert said == pytest.approx(reward, abs=1e-5)
    assert len({round(reward, 6) for *_, reward in scored}) > 4


def test_a_process_model_says_of_each_step_how_likely_it_is_right(process):
    folder = process / "stages" / "judge" / "model"
    scored = [row for row in rows(process, SCORES) if row[-1] is not None]
    for prompt, tokens, text, _, reward in scored[:6]:
        said = by_transformers(folder, AutoModelForTokenClassification, prompt, tokens)
        policy = Policy(*loaded(process))
        own = np.frombuffer(tokens, "<i4")
        ends = [policy.token_at(own, end) for end in range(4, len(text) + 1, 4)]
        values = [said[len(said) - len(own) + end] for end in ends]
        assert reward == pytest.approx(torch.tensor(values).sigmoid().mean().item(), abs=1e-5)
    assert scored


def loaded(folder):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder / "model")
    return model, AutoTokenizer.from_pretrained(folder / "model")


def test_what_is_held_out_is_measured_in_the_last_step(outcome, process):
    for folder in (outcome, process):
        assert "held_out/accuracy" not in metrics(folder, stage=1, step=2)
        assert 0.0 <= metrics(folder, stage=1, step=3)["held_out/accuracy"] <= 1.0


def test_steps_after_the_sampled_ones_go_through_their_answers_again(outcome):
    sampled = rows(outcome, "SELECT DISTINCT step FROM groups WHERE stage = 1")
    assert sampled == [(1,), (2,)]
    assert "reward" not in metrics(outcome, stage=1, step=3)
    assert metrics(outcome, stage=1, step=3)["loss"] > 0.0
    kept = outcome / "stages" / "judge" / "examples.safetensors"
    assert len(decoded(kept.read_bytes(), "")) == 8
    assert not (outcome / "stages" / "judge" / "rounds").exists()


class Cut(BaseException):
    """The process is gone."""


def cut_at(monkeypatch, number):
    update, calls = Updater.update, []

    def cut(self):
        calls.append(None)
        if len(calls) == number:
            raise Cut
        return update(self)

    monkeypatch.setattr(Updater, "update", cut)
    return lambda: monkeypatch.setattr(Updater, "update", update)


def _same(one, other):
    files = ("stages/judge/examples.safetensors", "stages/judge/model/model.safetensors")
    found = [name for name in files if (one / name).read_bytes() != (other / name).read_bytes()]
    return found + differences(one, other)


@pytest.mark.parametrize(
    "update", [6, *(pytest.param(n, marks=pytest.mark.slow) for n in (4, 5, 7))]
)
def test_a_run_that_was_cut_in_the_stage_goes_on_to_the_same_bits(
    tmp_path, monkeypatch, outcome, update
):
    again = cut_at(monkeypatch, update)
    with pytest.raises(Cut):
        run(tmp_path / "run", JUDGE, POLICY)
    again()
    assert _same(outcome, run(tmp_path / "run", JUDGE, POLICY)) == []


@pytest.mark.slow
def test_a_process_model_that_was_cut_goes_on_to_the_same_bits(tmp_path, monkeypatch, process):
    again = cut_at(monkeypatch, 5)
    with pytest.raises(Cut):
        run(tmp_path / "run", PROCESS, BY_STEPS)
    again()
    assert _same(process, run(tmp_path / "run", PROCESS, BY_STEPS)) == []


COMPLETED = {
    **JUDGE,
    "supervision": "process",
    "separators": ["0", "1", "2"],
    "labels": "completions",
    "completions_per_step": 2,
}


def test_completions_label_steps_the_same_after_a_cut(tmp_path, monkeypatch):
    asked = COMPLETED
    whole = run(tmp_path / "whole", asked)
    again = cut_at(monkeypatch, 5)
    with pytest.raises(Cut):
        run(tmp_path / "cut", asked)
    again()
    assert _same(whole, run(tmp_path / "cut", asked)) == []
    examples = decoded((whole / "stages/judge/examples.safetensors").read_bytes(), "")
    assert {label for e in examples for own in e.steps for _, label in own} == {0.0, 1.0}
    ((sampled,),) = rows(whole, "SELECT sampled_tokens FROM stages WHERE name = 'judge'")
    ((shown,),) = rows(whole, "SELECT SUM(length(tokens)) / 4 FROM rollouts")
    assert sampled > shown  # completions are sampled, too


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"soft_labels": True},
        {"right_at": 2.0},
        {"completions_per_step": 4},
        {"temperature": 0.5},
        {"max_new_tokens": 9},
        {"separators": ["3"]},
        {"examples_per_step": 3},
        {"rollouts_per_prompt": 3},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_option_changes_what_is_learned_from(tmp_path, change):
    short = {**COMPLETED, "steps": 1, "sampled_steps": 1}
    folders = [run(tmp_path / str(n), {**short, **own}) for n, own in enumerate(({}, change))]
    one, other = ((f / "stages/judge/examples.safetensors").read_bytes() for f in folders)
    assert one != other


def test_a_repeated_judge_goes_on_and_replays_what_it_learned_before(tmp_path):
    judge = {**JUDGE, "steps": 2, "replay": 0.5}
    made = read_recipe(
        {
            "seed": 1,
            "threads": 1,
            "model": recipe().model.model_dump(exclude_none=True),
            "stage": [SUPERVISED, judge, POLICY],
            "repeat": [{"stages": ["judge", "policy"], "times": 2}],
        },
        source="test",
    )
    folder = train_recipe(made, run=tmp_path / "run", base=Path.cwd(), name="test", quiet=True)
    assert metrics(folder, stage=1)["replayed"] == 0.0
    assert metrics(folder, stage=3)["replayed"] == 4.0
    first, second = (folder / "stages" / name for name in ("judge", "judge.2"))
    kept = [decoded((one / "examples.safetensors").read_bytes(), "") for one in (first, second)]
    assert [len(own) for own in kept] == [8, 16]
    assert all((a.prompt == b.prompt).all() for a, b in zip(*kept, strict=False))
    policy = Policy(*loaded(folder))
    began = [load_valued(one / "model", "sequence", policy.tokenizer) for one in (first, second)]
    assert not torch.equal(began[0].head.weight, began[1].head.weight)


@pytest.mark.slow
def test_a_stage_can_begin_with_the_base(tmp_path):
    folder = run(tmp_path / "run", {**JUDGE, "start": "base", "steps": 1, "sampled_steps": 1})
    assert (folder / "stages" / "judge" / "model").is_dir()


# What the parts do.

EXAMPLES = [
    Example(np.array([7, 8, 9], np.int32), tuple(np.arange(10, 10 + n, dtype=np.int32) for n in (3, 2, 4)),
            (2.0, 0.5, 0.5)),
    Example(np.array([7, 3], np.int32), tuple(np.arange(20, 20 + n, dtype=np.int32) for n in (1, 3)),
            (0.0, 1.0), margin=0.5),
]  # fmt: skip
LABELLED = [
    Example(
        EXAMPLES[0].prompt, EXAMPLES[0].answers[:2], steps=(((0, 1.0), (2, 0.0)), ((1, 0.25),))
    ),
    Example(EXAMPLES[1].prompt, EXAMPLES[1].answers[1:], steps=(((2, 1.0),),)),
]


def some_valued(reads="sequence"):
    valued = valued_from(tiny_policy()[0], reads)
    torch.manual_seed(4)
    torch.nn.init.normal_(valued.head.weight, std=0.3)
    return valued


def plainly(valued, example, answer, place):
    """The value after a token of an answer, of one plain sequence."""
    valued.model.set_attn_implementation("sdpa")
    ids = torch.from_numpy(np.concatenate((example.prompt, answer[: place + 1]))).long()[None]
    hidden = valued.model.base_model(input_ids=ids).last_hidden_state[0, -1]
    return valued.head(hidden)[0]


def loss_of(valued, examples, options, tokens_per_row=10_000):
    made = lesson(examples, options, tokens_per_row=tokens_per_row, device=valued.device)
    return sum(row_loss(valued, made, options, row)[0] for row in made.rows), made


def compared(valued):
    """The values of the answers of EXAMPLES, one plain sequence each."""
    return [[plainly(valued, e, a, len(a) - 1) for a in e.answers] for e in EXAMPLES]


def test_a_group_counts_once_however_many_pairs_it_has():
    valued = some_valued()
    found, _ = loss_of(valued, EXAMPLES, stage(centring=0.1))
    (a, b, c), (d, e) = compared(valued)
    log = torch.nn.functional.logsigmoid
    first = sum(-log(a - x) + 0.1 * (a + x) ** 2 for x in (b, c)) / 2
    second = -log(e - d - 0.5) + 0.1 * (d + e) ** 2
    torch.testing.assert_close(found, (first + second) / 2)


@pytest.mark.parametrize("loss", ["ranking", "regression", "binary"])
def test_the_other_losses_of_answers_are_means_over_groups(loss):
    valued = some_valued()
    scores = [[1.0, 0.25, 0.25], [0.0, 1.0]]
    found, _ = loss_of(
        valued,
        [Example(e.prompt, e.answers, tuple(s)) for e, s in zip(EXAMPLES, scores, strict=True)],
        stage(loss=loss),
    )
    values = [torch.stack(own) for own in compared(valued)]
    if loss == "ranking":
        own = [
            torch.logsumexp(values[0], 0) - values[0][0],
            torch.logsumexp(values[1], 0) - values[1][1],
        ]
    elif loss == "regression":
        own = [
            (0.5 * (v - torch.tensor(s)) ** 2).mean() for v, s in zip(values, scores, strict=True)
        ]
    else:
        cross = torch.nn.functional.binary_cross_entropy_with_logits
        own = [cross(v, torch.tensor(s)) for v, s in zip(values, scores, strict=True)]
    torch.testing.assert_close(found, sum(own) / 2)


def test_labelled_steps_are_read_after_their_last_token_and_all_count_the_same():
    valued = some_valued("token")
    options = stage(supervision="process", separators=[" "])
    found, made = loss_of(valued, LABELLED, options)
    read = [
        (plainly(valued, e, a, place), label)
        for e in LABELLED
        for a, own in zip(e.answers, e.steps, strict=True)
        for place, label in own
    ]
    values, labels = torch.stack([v for v, _ in read]), torch.tensor([label for _, label in read])
    cross = torch.nn.functional.binary_cross_entropy_with_logits
    torch.testing.assert_close(found, cross(values, labels))
    valued.model.set_attn_implementation("cohort")
    (seen,) = told(valued, made, options)
    assert (seen.asked, seen.right) == (4, int(((values > 0) == (labels > 0.5)).sum()))


@pytest.mark.parametrize("tokens_per_row", [1, 12, 10_000])
def test_how_an_update_is_cut_does_not_change_its_loss_or_gradient(tokens_per_row):
    valued, options = some_valued(), stage()
    gradients = []
    for cut in (tokens_per_row, 10_000):
        loss, made = loss_of(valued, EXAMPLES, options, cut)
        assert len(made.rows) == (2 if cut < 15 else 1)
        gradients.append(torch.autograd.grad(loss, list(valued.model.parameters())))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_answers_that_are_all_alike_teach_nothing():
    same = Example(EXAMPLES[0].prompt, EXAMPLES[0].answers, (1.0, 1.0, 1.0))
    _, made = loss_of(some_valued(), [same], stage())
    assert made.count == 0
    _, both = loss_of(some_valued(), [same, EXAMPLES[1]], stage())
    assert both.count == 1


def opened(tmp_path, valued, policy, **read):
    valued.save(tmp_path / "model")
    said = {"supervision": "outcome", "as_probability": False, "separators": [], **read}
    (tmp_path / "reads.json").write_text(json.dumps(said))
    model = StageModel("judge")
    model.open(tmp_path / "model", policy)
    return model


def test_answers_are_read_alike_in_training_and_in_use(tmp_path):
    policy, _ = tiny_policy()
    valued = some_valued()
    texts, prompts = ["1 2 3", "4", "5 6"], ["7 8", "9", "7 8"]
    ids = [policy.completion_tokens(text).tolist() for text in texts]
    model = opened(tmp_path, valued, policy)
    said = model(completions=texts, prompts=prompts, completion_ids=ids, tokens_at_once=5)
    from_texts = [own.value for own in model(completions=texts, prompts=prompts)]
    assert [own.value for own in said] == pytest.approx(from_texts, abs=1e-5)
    for prompt, own, outcome in zip(prompts, ids, said, strict=True):
        tokens = np.array(policy.tokenizer(prompt)["input_ids"], np.int32)
        answer = np.array(own, np.int32)
        example = Example(tokens, (answer,), (0.0,))
        made = lesson([example], stage(loss="regression"), tokens_per_row=99, device=valued.device)
        value = valued.values(made.rows[0])[-1].item()
        assert outcome.value == pytest.approx(value, abs=1e-5)
    cut = model(completions=["1 2 3"], prompts=["7 8"], completion_ids=[ids[0][:-1]])
    assert cut != [said[0]]


def test_a_process_model_scores_the_steps_that_separators_divide(tmp_path):
    policy, _ = tiny_policy()
    read = {"supervision": "process", "as_probability": True, "separators": ["3"]}
    model = opened(tmp_path, some_valued("token"), policy, **read)
    (said,) = model(completions=["1 2 3 4"], prompts=["7"])
    values = by_transformers(tmp_path / "model", AutoModelForTokenClassification, "7", b"")
    assert isinstance(said, Scored)
    assert [end for end, _ in said.value] == [4, 7]
    assert all(0.0 < value < 1.0 for _, value in said.value)
    assert len(values) == 1


def test_what_could_write_the_turns_of_its_judge_or_is_too_long_is_not_scored(tmp_path):
    policy, _ = tiny_policy()
    model = opened(tmp_path, some_valued(), policy)
    ids = [[4, 0, 5, 1], [4, 1], [4] * 96]
    said = model(completions=["1 2", "1", "1"], prompts=["7"] * 3, completion_ids=ids)
    assert said[0] == Unscorable("the answer holds '<pad>', a control token")
    assert isinstance(said[1], Scored)
    assert isinstance(said[2], Unscorable)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rewards": {}, "steps_by": ""}, "chain has no answers of its own"),
        ({"supervision": "process", "separators": [" "]}, "no reward says"),
        ({"supervision": "process"}, "does not say where a step ends"),
        ({"supervision": "process", "separators": [""]}, "an empty text"),
        ({"supervision": "process", "separators": [" "], "steps_by": "correct"}, "separators and steps_by"),
        ({"supervision": "process", "steps_by": "correct"}, "none of the stage's rewards"),
        ({"separators": [" "]}, "separators would change nothing"),
        ({"soft_labels": True}, "soft_labels would change nothing"),
        ({"loss": "ranking", "margin": 0.5}, "margin would change nothing"),
        ({"supervision": "process", "loss": "binary"}, "loss would change nothing"),
        ({"sampled_steps": 9}, "sampled_steps is 9 and steps is 3"),
        ({"rollouts_per_prompt": 1}, "compared with others"),
        ({"replay": 0.1}, "there is no reward model before"),
        ({"max_new_tokens": 400}, "no room is left"),
    ],
)  # fmt: skip
def test_options_that_contradict_each_other_are_refused(tmp_path, change, said):
    with pytest.raises(RecipeError, match=said):
        run(tmp_path / "run", {**JUDGE, **change})


def test_cohort_check_does_not_ask_a_model_that_is_not_trained_yet():
    checked = check_recipe(recipe(JUDGE, POLICY), base=Path.cwd(), seconds=5.0, rewards_only=True)
    assert checked.findings == []
    assert checked.facts == ["stage policy: not tried, its rewards are of the reward model judge."]


def test_rows_are_refused_options_of_sampling(tmp_path):
    rows = {**JUDGE, "rewards": {}, "problems": "rows.jsonl", "sampled_steps": 0}
    with pytest.raises(RecipeError, match="rollouts_per_prompt would change nothing"):
        run(tmp_path / "run", rows)


def test_a_reward_model_goes_on_from_one_of_the_same_supervision(tmp_path):
    again = {**PROCESS, "name": "again", "start": "stage:judge"}
    with pytest.raises(RecipeError, match="process supervision and begins with a model of outcome"):
        run(tmp_path / "run", JUDGE, again)
