"""Stages whose answers have turns: what is learned from, what is kept, and what fails."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cohort.config.environments import Environment
from cohort.config.load import read_recipe
from cohort.config.stages import Optimizer
from cohort.data.episodes import episode_from
from cohort.data.records import Demonstration, Problem, Score
from cohort.errors import RecipeError
from cohort.objective.grpo import GRPO
from cohort.policy.policy import Policy
from cohort.rollout.request import Sampling
from cohort.tasks.calculator import Desk
from cohort.train.batch import Cutting, prepare
from cohort.train.credit import select, with_advantages
from cohort.train.journal import Journal
from cohort.train.optim import Updater
from cohort.train.plan import check_names
from cohort.train.state import Place
from cohort.train.step import learn
from cohort.train.supervised import demonstrated
from cohort.train.talk import Talk, answered
from tests.tiny import tiny_policy
from tests.train import runs
from tests.train.runs import EVALUATE, REINFORCE, SUPERVISED

ENVIRONMENT = str(Path(__file__).with_name("environments.py"))
TALKS = {
    "environment": f"{ENVIRONMENT}:Talkative",
    "rewards": {f"{ENVIRONMENT}:told": {"where": "trainer"}},
    "max_new_tokens": 60,
}
SEVERAL = REINFORCE | TALKS | {"failures_allowed": 1.0, "prompts_per_step": 8, "steps": 2}

ON_POLICY = GRPO.but(beta=0.0)
CUTTING = Cutting(tokens_per_microbatch=9999, budget_tokens=48, device=torch.device("cpu"))


@pytest.fixture(scope="module")
def talked(tmp_path_factory):
    """A run with a stage of episodes, some of which fail."""
    return runs.run(tmp_path_factory.mktemp("talked") / "run", SUPERVISED, SEVERAL)


def _kept(run):
    found = runs.rows(run, "SELECT episode, stop, tokens, logprobs, reward FROM rollouts")
    return [(episode_from(json.loads(e)), *rest) for e, *rest in found]


def test_a_failed_environment_is_counted_and_is_no_reward(talked):
    kept = _kept(talked)
    failed = [one for one in kept if one[0].failure is not None]
    assert failed
    assert len(failed) < len(kept)
    assert all(stop == "failed" and reward is None for _, stop, _, _, reward in failed)
    assert {one[0].failure[0] for one in failed} == {"raised"}
    steps = [runs.metrics(talked, stage=1, step=n) for n in (1, 2)]
    assert sum(m["rewards/told/failed_raised"] for m in steps) == len(failed)
    assert sum(m["rewards/told/scored"] for m in steps) == len(kept) - len(failed)


def test_the_store_keeps_turns_and_the_logprobs_of_sampled_tokens(talked):
    for episode, _, tokens, logprobs, _ in _kept(talked):
        assert sum(t.sampled + t.observed for t in episode.turns) == len(tokens) // 4
        assert sum(t.sampled for t in episode.turns) == len(logprobs) // 4
        assert all(t.seen == ("1+" if t.observed else "") for t in episode.turns)


def test_the_same_run_gives_the_same_bits(talked, tmp_path):
    again = runs.run(tmp_path / "again", SUPERVISED, SEVERAL)
    one, other = runs.weights(talked), runs.weights(again)
    assert all((one[name] == other[name]).all() for name in one)


def test_a_run_of_episodes_of_one_turn_is_the_run_without_an_environment(tmp_path):
    found = []
    for name, more in (("with", {"environment": f"{ENVIRONMENT}:Once"}), ("without", {})):
        run = runs.run(tmp_path / name, SUPERVISED, REINFORCE | more)
        found.append((runs.weights(run), runs.rows(run, runs.EVERYTHING)))
    (one, kept), (other, plain) = found
    assert kept == plain
    assert all((one[name] == other[name]).all() for name in one)


def test_no_gradient_comes_from_the_prediction_of_what_was_shown(monkeypatch):
    policy, _ = tiny_policy()
    group, states = _group(policy), []
    scores = tuple(Score(float(n), {}) for n, _ in enumerate(group.rollouts))
    credit = with_advantages(select([replace(group, scores=scores)], ON_POLICY), ON_POLICY)
    batches = prepare(credit, ON_POLICY, CUTTING)
    inside = Policy.hidden

    def watched(*arguments):
        states.append(inside(*arguments))
        states[-1].retain_grad()
        return states[-1]

    monkeypatch.setattr(Policy, "hidden", watched)
    learn(policy, batches, ON_POLICY, updater=Updater(policy, Optimizer(), updates=1))
    (row,), (state,) = batches[0].rows, states
    shown = 0
    for rollout, start in zip(group.rollouts, row.suffix_starts, strict=True):
        before = state.grad[start : start + len(rollout.tokens) - 1]
        shown += (~rollout.sampled).sum()
        assert (before.any(dim=1).numpy() == rollout.sampled[1:]).all()
    assert shown > 3


def test_the_journal_gives_episodes_back(tmp_path):
    policy, _ = tiny_policy()
    group = _group(policy)
    journal = Journal(tmp_path / "journal")
    journal.keep(Place(0, 1), [group], {})
    (found,) = journal.find(Place(0, 1)).groups({group.problem.id: group.problem}, _no_tokens)
    for one, other in zip(found.rollouts, group.rollouts, strict=True):
        assert one.episode == other.episode
        assert (one.tokens == other.tokens).all()
        assert (one.logprobs == other.logprobs).all()
    assert found.problem.prompt == group.problem.prompt
    assert found.prompt_tokens.tolist() == group.prompt_tokens.tolist() != [0]


def _no_tokens(problem):
    return np.zeros(1, dtype=np.int32)


def _group(policy):
    problem = Problem("one", "3 4 5", {"answer": "9"})
    sampling = Sampling(rollouts_per_prompt=4, max_new_tokens=30)
    talk = Talk(Desk, Environment())
    (group,) = answered(policy, [problem], sampling, key=(1,), talk=talk)
    return group


def test_of_a_demonstration_with_turns_only_what_is_said_is_imitated():
    policy, _ = tiny_policy()
    shown = Demonstration(Problem("one", "3"), "7 8", earlier=(("4 5", "20"), ("6", "21 22")))
    member = demonstrated(shown, policy)
    end = policy.tokenizer.eos_token_id
    said = [*_ids(policy, "4 5"), end, *_ids(policy, "6"), end, *_ids(policy, "7 8"), end]
    assert member.tokens[member.places].tolist() == said
    seen = member.tokens[~member.sampled].tolist()
    assert seen == [*_ids(policy, "20"), *_ids(policy, "21 22")]


def _ids(policy, text):
    return policy.seen_tokens(text).tolist()


def test_evaluation_and_training_ask_the_same_environment(tmp_path):
    stage = EVALUATE | TALKS | {"success": "told", "success_at": 3.0}
    stage |= {"environment": {"name": f"{ENVIRONMENT}:Talkative", "breaks": False}}
    run = runs.run(tmp_path / "run", SUPERVISED, stage)
    ((summary,),) = runs.rows(run, "SELECT summary FROM evaluations")
    assert json.loads(summary)["asked"]["rewards/told/scored"] == 6 * 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"environment": "calculater"}, 'did you mean "calculator"'),
        ({"environment": "nowhere.py:Class"}, "does not exist"),
        (
            {
                "critic": "own",
                "algorithm": "ppo",
                "environment": {"name": "calculator", "context_tokens": 8},
            },
            "environment.context_tokens is 8",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_remedy(change, said):
    stage = REINFORCE | {"problems": "calculator", "environment": "calculator"} | change
    stage["rewards"] = {"solved": 1.0}
    recipe = read_recipe({"model": {"new": {}}, "stage": [stage]}, source="test")
    with pytest.raises(RecipeError) as refused:
        check_names(recipe, Path.cwd())
    assert said in str(refused.value)
