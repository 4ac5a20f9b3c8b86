"""`cohort sample`: answers to a prompt, conversations, how they begin and what ends them."""

from dataclasses import replace

import pytest
from typer.testing import CliRunner

from cohort.cli.main import app
from cohort.config.recipe import Model
from cohort.data.records import Problem
from cohort.errors import ModelError, RecipeError
from cohort.policy.load import save_policy
from cohort.rollout.request import Request, Sampling
from cohort.rollout.sampler import sample
from cohort.train.sample_model import Manner, sample_model, talk_to
from tests.hostile_folders import CHATML
from tests.tiny import prompts, tiny_policy

OPTIONS = Manner(temperature=1.0, max_new_tokens=12, seed=3)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A model without a chat template, and the same with one."""
    made = []
    for template in (None, CHATML.replace("\n", "")):
        policy, _ = tiny_policy()
        policy.tokenizer.chat_template = template
        made.append(tmp_path_factory.mktemp("model"))
        save_policy(policy, made[-1])
    return [str(folder) for folder in made]


def test_an_answer_begins_as_it_is_told_and_goes_on_from_there(folders):
    for folder in folders:
        plain = sample_model(Model(path=folder), "1 2", OPTIONS, count=3)
        begun = sample_model(Model(path=folder), "1 2", OPTIONS, count=3, begins="7 7")
        assert all(answer.startswith("7 7") for answer in begun)
        assert [answer[3:] for answer in begun] != plain


def test_a_last_turn_of_the_assistant_is_the_beginning_of_the_answer():
    policy, _ = tiny_policy()
    policy.tokenizer.chat_template = CHATML.replace("\n", "")
    user = {"role": "user", "content": "12"}
    asked = policy.prompt_tokens(Problem("a", (user,)))
    begun = policy.prompt_tokens(Problem("a", (user, {"role": "assistant", "content": "34"})))
    assert begun[: len(asked)].tolist() == asked.tolist()
    assert policy.text(begun[len(asked) :]) == "34"


def test_a_text_that_ends_answers_ends_them_where_it_is_completed():
    policy, _ = tiny_policy()
    policy.ends = frozenset()
    requests = [Request("a", prompt, (1, n)) for n, prompt in enumerate(prompts([4, 6]))]
    free = sample(policy, requests, Sampling(rollouts_per_prompt=6, max_new_tokens=14))
    stopped = sample(
        policy, requests, Sampling(rollouts_per_prompt=6, max_new_tokens=14, stop=("3",))
    )
    pairs = [pair for a, b in zip(free, stopped, strict=True) for pair in zip(a, b, strict=True)]
    assert any(one.stop == "end" for _, one in pairs)
    for whole, one in pairs:
        assert whole.text.startswith(one.text)
        assert (one.stop == "end") == ("3" in one.text) == ("3" in whole.text)
        assert "3" not in policy.text(one.tokens[:-1])


def test_a_conversation_is_shown_what_was_said_before(folders):
    _, chatty = folders
    answers = list(talk_to(Model(path=chatty), iter(["1", "2"]), OPTIONS))
    assert len(answers) == 2
    again = list(talk_to(Model(path=chatty), iter(["1", "2"]), OPTIONS))
    assert answers == again
    alone = list(talk_to(Model(path=chatty), iter(["2"]), OPTIONS))
    assert answers[1] != alone[0]


def test_without_a_template_there_is_no_conversation_and_no_system_message(folders):
    plain, _ = folders
    with pytest.raises(ModelError, match="no chat template"):
        next(talk_to(Model(path=plain), iter(["1"]), OPTIONS))
    with pytest.raises(ModelError, match="system message"):
        sample_model(Model(path=plain), "1", replace(OPTIONS, system="be brief"))


def test_the_command_talks_line_by_line_and_refuses_what_it_would_ignore(folders):
    done = CliRunner().invoke(
        app, ["sample", folders[1], "--max-new-tokens", "4"], input="1\n\n2\n"
    )
    assert done.exit_code == 0
    assert done.stdout.count("\n") >= 2
    refused = CliRunner().invoke(app, ["sample", folders[1], "--count", "3"], input="1\n")
    assert isinstance(refused.exception, RecipeError)
    assert "--count" in refused.exception.message
