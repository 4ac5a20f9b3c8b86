"""A run from a recipe to a folder: repeatable to the bit, complete, and honest about how it ended."""

import copy
import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import cohort
from cohort.config.load import load_recipe, read_recipe
from cohort.data.records import Problem
from cohort.errors import Interrupted, RewardError, RunError
from cohort.policy.load import save_policy
from cohort.report.summary import summarize
from cohort.train.run import train_recipe
from tests.tiny import tiny_policy
from tests.train.runs import (
    EVALUATE,
    EVERYTHING,
    FIRST_STEP,
    REINFORCE,
    SUPERVISED,
    recipe,
    rows,
    run,
    weights,
)


def _with(stage, **changes):
    return {**copy.deepcopy(stage), **changes}


def test_the_same_seed_gives_the_same_rollouts_and_weights_bit_for_bit(tmp_path):
    stages = (SUPERVISED, _with(REINFORCE, updates_per_step=2))
    one, two = (run(tmp_path / name, *stages) for name in ("one", "two"))
    assert rows(one, EVERYTHING) == rows(two, EVERYTHING)
    for name, tensor in weights(one).items():
        assert torch.equal(tensor, weights(two)[name]), name
    other = run(tmp_path / "other", *stages, seed=2)
    assert rows(one, EVERYTHING) != rows(other, EVERYTHING)


@pytest.mark.parametrize("change", [{"slots": 1}, {"slots": 5}, {"tokens_per_microbatch": 30}])
def test_slots_and_token_budget_do_not_change_the_first_rollouts(tmp_path, change):
    plain = run(tmp_path / "plain", SUPERVISED, REINFORCE)
    other = run(tmp_path / "other", SUPERVISED, _with(REINFORCE, **change))
    assert rows(plain, FIRST_STEP) == rows(other, FIRST_STEP)
    assert len(rows(plain, FIRST_STEP)) == 16


def test_the_order_of_the_file_does_not_change_the_first_rollouts(tmp_path):
    lines = [
        json.dumps({"prompt": f"{a}+{b}=", "answer": str(a + b)})
        for a in range(4)
        for b in range(4)
    ]
    stages = []
    for name, content in (("forward", lines), ("backward", lines[::-1])):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(content))
        problems = {"source": str(tmp_path / f"{name}.jsonl")}
        stages.append(_with(REINFORCE, problems=problems, rewards={"correct": 1.0}))
    forward, backward = (
        run(tmp_path / name, SUPERVISED, stage)
        for name, stage in zip(("one", "two"), stages, strict=True)
    )
    assert rows(forward, FIRST_STEP) == rows(backward, FIRST_STEP)


def test_a_run_is_a_folder_with_a_model_that_loads_with_identical_logits(tmp_path):
    folder = run(tmp_path / "run", SUPERVISED, EVALUATE, REINFORCE, EVALUATE)
    names = {path.name for path in folder.iterdir()}
    assert names == {
        ".lock", "recipe.toml", "run.db", "checkpoints", "model", "report.html", "tokenizer.json",
    }  # fmt: skip
    assert len(list((folder / "checkpoints").iterdir())) == 2  # checkpoints.keep
    model = AutoModelForCausalLM.from_pretrained(folder / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    saved = weights(folder)
    assert all(torch.equal(saved[n], p) for n, p in model.named_parameters() if n in saved)
    assert tokenizer.decode(tokenizer("2+3=")["input_ids"]) == "2+3="
    summary = summarize(folder)
    assert summary["status"] == "finished"
    assert [entry["stage"] for entry in summary["held_out"]] == ["supervised", "reinforce"]
    assert all(0.0 <= entry["greedy"] <= 1.0 for entry in summary["held_out"])


def test_the_resolved_recipe_repeats_the_run(tmp_path):
    first = run(tmp_path / "first", SUPERVISED, REINFORCE)
    again = load_recipe(first / "recipe.toml", [])
    second = train_recipe(again, run=tmp_path / "second", base=tmp_path, name="again", quiet=True)
    assert rows(first, EVERYTHING) == rows(second, EVERYTHING)


def test_a_kl_term_holds_the_policy_near_where_the_stage_began(tmp_path):
    def divergence(beta):
        stage = _with(REINFORCE, algorithm={"name": "grpo", "beta": beta}, steps=8)
        folder = run(tmp_path / str(beta), SUPERVISED, stage)
        kl = rows(folder, "SELECT value FROM metrics WHERE name = 'kl' ORDER BY step")
        return [value for (value,) in kl]

    free, held = divergence(1e-9), divergence(10.0)
    assert free[0] == pytest.approx(0.0, abs=1e-6), "the policy begins at its reference"
    assert 0.0 < held[-1] < free[-1] / 2


def test_constant_rewards_leave_the_weights_and_are_reported(tmp_path):
    start = run(tmp_path / "start", SUPERVISED)
    stage = _with(REINFORCE, algorithm={"name": "grpo", "beta": 0.0}, rewards={"nothing": 1.0})
    source = tmp_path / "rewards.py"
    source.write_text("def nothing(completions, **kwargs):\n    return [0.5] * len(completions)\n")
    stage["rewards"] = {f"{source}:nothing": 1.0}
    folder = run(tmp_path / "run", SUPERVISED, stage)
    for name, tensor in weights(folder).items():
        assert torch.equal(tensor, weights(start)[name]), name
    shares = rows(folder, "SELECT value FROM metrics WHERE name = 'frac_reward_zero_std'")
    assert shares == [(1.0,), (1.0,)]


def test_held_out_problems_are_never_trained_on(tmp_path):
    folder = run(tmp_path / "run", SUPERVISED, _with(REINFORCE, steps=4), EVALUATE)
    trained = {problem for (problem,) in rows(folder, "SELECT problem FROM groups")}
    held_out = {problem for (problem,) in rows(folder, "SELECT problem FROM answers")}
    assert len(held_out) == 6
    assert not trained & held_out


def test_a_folder_that_holds_a_finished_run_is_not_written_into(tmp_path):
    folder = run(tmp_path / "run", SUPERVISED)
    before = (folder / "run.db").read_bytes()
    with pytest.raises(RunError, match=r"another recipe\n  stage\.0\.steps: was 3, is 4"):
        run(folder, _with(SUPERVISED, steps=4))
    assert run(folder, SUPERVISED) == folder
    assert (folder / "run.db").read_bytes() == before


def _reward(folder, body):
    file = folder / "mine.py"
    file.write_text(f"def mine(completions, **kwargs):\n    {body}\n")
    return {f"{file}:mine": 1.0}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("raise KeyError('x')", "KeyError"),
        ("return [1.0]", "16"),
        ("return ['x'] * len(completions)", "'x'"),
        ("return [float('nan')] * len(completions)", "nan"),
    ],
)
def test_a_reward_that_fails_stops_the_run_and_is_named(tmp_path, body, named):
    stage = _with(REINFORCE, rewards=_reward(tmp_path, body))
    with pytest.raises(RewardError, match="mine") as refusal:
        run(tmp_path / "run", SUPERVISED, stage)
    assert named in str(refusal.value)
    assert summarize(tmp_path / "run")["status"] == "failed"
    assert len(rows(tmp_path / "run", "SELECT * FROM steps")) == 3


def test_an_interrupted_run_says_how_far_it_got_and_stays_readable(tmp_path):
    (own,) = _reward(tmp_path, "raise KeyboardInterrupt")
    stage = _with(REINFORCE, rewards={own: {"where": "trainer"}})
    with pytest.raises(Interrupted, match="stage reinforce after step 0 of 2"):
        run(tmp_path / "run", SUPERVISED, stage)
    assert summarize(tmp_path / "run")["status"] == "interrupted"
    assert (tmp_path / "run" / "report.html").is_file()


def test_python_callers_give_functions_and_rows(tmp_path):
    start = run(tmp_path / "start", SUPERVISED)

    def short(completions, **kwargs):
        return [-float(len(completion)) for completion in completions]

    folder = cohort.train(
        model=str(start / "model"),
        problems=[{"prompt": f"{n}+1="} for n in range(9)],
        rewards=[short],
        run=tmp_path / "run",
        quiet=True,
        threads=1,
        **{k: v for k, v in REINFORCE.items() if k not in ("kind", "problems", "rewards")},
    )
    functions = {name for (name,) in rows(folder, "SELECT DISTINCT function FROM scores")}
    assert functions == {"short"}


def test_every_sampling_option_changes_a_run(tmp_path):
    base = rows(run(tmp_path / "base", SUPERVISED, REINFORCE), EVERYTHING)
    for number, change in enumerate(
        (
            {"temperature": 0.5},
            {"max_new_tokens": 5},
            {"rollouts_per_prompt": 3},
            {"prompts_per_step": 3},
            {"updates_per_step": 2},
            {"steps": 1},
            {"algorithm": {"name": "grpo", "weight": "token"}},
        )
    ):
        folder = run(tmp_path / str(number), SUPERVISED, _with(REINFORCE, **change))
        assert rows(folder, EVERYTHING) != base, change


def test_a_prompt_longer_than_the_context_is_refused_before_training(tmp_path):
    from cohort.errors import DataError

    long = tmp_path / "long.jsonl"
    prompts = ["1+2=", "1+" * 300 + "1="]
    long.write_text("\n".join(json.dumps({"prompt": p, "answer": "1"}) for p in prompts * 3))
    stage = _with(REINFORCE, problems=str(long), rewards={"correct": 1.0})
    with pytest.raises(DataError, match="context"):
        train_recipe(
            recipe(SUPERVISED, stage), run=tmp_path / "run", base=tmp_path, name="x", quiet=True
        )
    assert not (tmp_path / "run").exists()


def test_problems_that_are_too_long_are_left_out_where_the_recipe_says_so(tmp_path):
    file = tmp_path / "mixed.jsonl"
    prompts = [f"{n}+1=" for n in range(6)] + ["1+" * 60 + f"{n}=" for n in range(6)]
    file.write_text("\n".join(json.dumps({"prompt": p, "answer": "1"}) for p in prompts))
    problems = {"source": str(file), "too_long": "drop", "held_out_problems": 1}
    stage = _with(REINFORCE, problems=problems, rewards={"correct": 1.0}, steps=6)
    folder = run(tmp_path / "run", SUPERVISED, stage)
    asked = {prompt for (prompt,) in rows(folder, "SELECT prompt FROM groups")}
    assert asked <= set(prompts[:6])
    assert len(asked) >= 4


def test_prompts_that_are_too_long_lose_their_beginning_where_the_recipe_says_so(tmp_path):
    file = tmp_path / "mixed.jsonl"
    prompts = [f"{n}+1=" for n in range(6)] + ["1+" * 60 + f"{n}=" for n in range(6)]
    file.write_text("\n".join(json.dumps({"prompt": p, "answer": "1"}) for p in prompts))
    problems = {"source": str(file), "too_long": "cut", "held_out_problems": 1}
    stage = _with(REINFORCE, problems=problems, rewards={"correct": 1.0}, steps=6)
    folder = run(tmp_path / "run", SUPERVISED, stage)
    asked = {prompt for (prompt,) in rows(folder, "SELECT prompt FROM groups")}
    assert not asked & set(prompts[6:])
    cut = asked - set(prompts[:6])
    assert cut
    assert all(any(whole.endswith(prompt) for whole in prompts[6:]) for prompt in cut)


def test_of_a_chat_the_ids_are_stored_and_rewards_see_the_thought_that_its_template_opened(
    tmp_path,
):
    policy, _ = tiny_policy()
    policy.tokenizer.chat_template = "{{ messages[0].content }}<think>"
    save_policy(policy, tmp_path / "model")
    chat = [{"role": "user", "content": "12"}]
    (tmp_path / "chats.jsonl").write_text("\n".join(json.dumps({"prompt": chat}) for _ in range(3)))
    (tmp_path / "mine.py").write_text(
        "def opened(completions):\n"
        "    return [float(c[0]['content'].startswith('<think>')) for c in completions]\n"
    )
    stage = _with(REINFORCE, problems="chats.jsonl", rewards={"mine.py:opened": 1.0}, steps=1)
    made = read_recipe({"threads": 1, "model": "model", "stage": [stage]})
    folder = train_recipe(made, run=tmp_path / "run", base=tmp_path, name="test", quiet=True)
    kept = rows(folder, "SELECT prompt_tokens FROM groups")
    expected = policy.prompt_tokens(Problem("p", tuple(chat))).astype("<i4").tobytes()
    assert {tokens for (tokens,) in kept} == {expected}
    assert {reward for (reward,) in rows(folder, "SELECT value FROM scores")} == {1.0}
