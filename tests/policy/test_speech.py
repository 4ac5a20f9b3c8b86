"""How a model speaks where the recipe says more than its folder: ends, its template, its thoughts."""

import json

import numpy as np
import pytest
from tokenizers import AddedToken
from transformers import AutoModelForCausalLM, AutoTokenizer

from cohort.config.load import read_model
from cohort.config.recipe import LoRA, Model
from cohort.data.records import Problem
from cohort.errors import ModelError, RecipeError
from cohort.policy.bounded import Chats
from cohort.policy.load import load_policy, save_policy
from cohort.policy.new import new_tokenizer
from cohort.policy.speech import KNOWN, tell_template, thoughts_of
from cohort.rollout.request import Request, Sampling
from cohort.rollout.sampler import sample
from tests.tiny import ENDS, PIECES, prompts, tiny_policy

ASKED = {"role": "user", "content": "1"}
ASKS = Problem("a", (ASKED,))
SWITCH = (
    "{%- macro shut() %}{% if thinks is defined and not thinks %}</think>{% endif %}{% endmacro %}"
    "{% for m in messages %}{{ m.content }}{% endfor %}{{ '<think>' }}{{ shut() }}"
)
"""As templates have it whose model thinks unless it is told not to."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    policy, _ = tiny_policy()
    policy.tokenizer.chat_template = SWITCH
    folder = tmp_path_factory.mktemp("model")
    save_policy(policy, folder)
    return folder


def _loaded(folder, **options):
    return load_policy(Model(path=str(folder), **options), vocabulary=[], seed=1)


def _thinking(opening="[THINK]", closing="[/THINK]", *, special=True):
    """A policy whose tokenizer has the tags in the place of two pieces."""
    policy, _ = tiny_policy()
    policy.tokenizer.add_tokens(
        [AddedToken(tag, special=special, normalized=False) for tag in (opening, closing)]
    )
    policy.thoughts = thoughts_of(policy.tokenizer)
    return policy, policy.tokenizer.convert_tokens_to_ids([opening, closing])


def test_a_further_end_ends_answers_by_its_text_or_its_id(folder):
    requests = [Request("a", prompt, (1, n)) for n, prompt in enumerate(prompts([4, 6]))]
    options = Sampling(rollouts_per_prompt=6, max_new_tokens=14)
    usual = _loaded(folder)
    token = int(sample(usual, requests, options)[0][0].tokens[1])  # one that occurs, and goes on
    for ends in ([usual.tokenizer.convert_ids_to_tokens(token)], [token]):
        policy = _loaded(folder, ends=ends)
        assert policy.ends == {*ENDS, token}
        for one in (one for group in sample(policy, requests, options) for one in group):
            assert token not in one.tokens[:-1]
            assert one.stop == ("end" if one.tokens[-1] in policy.ends else "length")


def test_further_ends_are_saved_with_the_model(folder, tmp_path):
    save_policy(_loaded(folder, ends=["7"]), tmp_path)
    assert _loaded(tmp_path).ends == _loaded(folder, ends=["7"]).ends
    alone = AutoModelForCausalLM.from_pretrained(tmp_path).generation_config.eos_token_id
    assert set(alone) == _loaded(tmp_path).ends


@pytest.mark.parametrize(
    ("end", "said"), [("seven", "no token"), (4000, "ids end at"), ("77", "77")]
)
def test_an_end_that_is_no_token_is_refused(folder, end, said):
    with pytest.raises(ModelError, match=said) as refused:
        _loaded(folder, ends=[end])
    assert refused.value.hint


def test_what_a_template_is_told_is_its_default_from_then_on(folder, tmp_path):
    usual, told = _loaded(folder), _loaded(folder, template_variables={"thinks": False})
    assert usual.chats.text([ASKED], "p") == "1<think>"
    assert told.chats.text([ASKED], "p") == "1<think></think>"
    save_policy(told, tmp_path)
    assert _loaded(tmp_path).prompt_tokens(ASKS).tolist() == told.prompt_tokens(ASKS).tolist()
    alone = AutoTokenizer.from_pretrained(tmp_path)
    options = {"tokenize": False, "add_generation_prompt": True}
    assert alone.apply_chat_template([ASKED], **options) == "1<think></think>"
    assert alone.apply_chat_template([ASKED], thinks=True, **options) == "1<think>"


@pytest.mark.parametrize("begins", ["", "\n", "\n\n", " ", "{{ '' }}\n"])
def test_a_template_that_is_told_something_writes_nothing_more(begins):
    tokenizer = new_tokenizer(PIECES)
    tokenizer.chat_template = begins + "{{ messages[0].content }}{{ mode }}"
    before = Chats(tokenizer).text([ASKED], "p")
    tell_template(tokenizer, {"mode": 'a "quoted"\nline'})
    assert Chats(tokenizer).text([ASKED], "p") == before + 'a "quoted"\nline'


def test_what_a_template_would_not_read_is_refused(folder):
    for name, said in (
        ("enable_thinking", "never reads"),
        ("messages", "no name"),
        ("a b", "no name"),
    ):
        with pytest.raises(ModelError, match=said):
            _loaded(folder, template_variables={name: False})
    with pytest.raises(ModelError, match="has none"):
        tell_template(new_tokenizer(PIECES), {"thinks": False})


@pytest.mark.parametrize(("opening", "closing"), KNOWN)
def test_tags_of_thoughts_are_shown_as_everybody_reads_them(opening, closing):
    policy, (opens, closes) = _thinking(opening, closing)
    two, three = policy.tokenizer.convert_tokens_to_ids(["2", "3"])
    answer = np.array([opens, two, closes, three, 1], dtype=np.int32)
    assert policy.text(answer) == "<think>2</think>3"
    for place, end in enumerate((7, 8, 16, 17)):
        assert policy.token_at(answer, end) == place


def test_ordinary_tags_of_text_stay_what_they_are():
    policy, (opens, closes) = _thinking("<think>", "</think>", special=False)
    assert policy.thoughts.tokens == {}
    assert policy.tokenizer.decode([opens, closes]) == "<think></think>"


def test_tags_may_be_named_and_must_be_tokens(folder):
    policy = _loaded(folder, thinking=["7", "8"])
    own = policy.tokenizer.convert_tokens_to_ids(["7", "1", "8", "2"])
    assert policy.text(np.array(own, dtype=np.int32)) == "<think>1</think>2"
    with pytest.raises(ModelError, match="no token"):
        _loaded(folder, thinking=["7", "<reasoning>"])
    with pytest.raises(RecipeError, match="two tags"):
        read_model(str(folder), ["model.thinking=['7']"], source="a test")


def test_an_answer_to_imitate_has_the_models_own_tags_and_says_nothing_twice():
    policy, (opens, closes) = _thinking()
    two = policy.tokenizer.convert_tokens_to_ids("2")
    assert policy.completion_tokens("<think>2</think>").tolist() == [opens, two, closes, 1]
    policy.tokenizer.chat_template = "{{ messages[0].content }}{{ '[THINK]\n' }}"
    for said in ("<think>2</think>", "<think>\n2</think>", "2</think>"):
        tokens = policy.completion_tokens(said, ASKS).tolist()
        assert tokens[-3:] == [two, closes, 1]
        assert opens not in tokens


def test_what_a_template_opens_is_begun_unless_the_prompt_begins_the_answer():
    policy, _ = _thinking()
    assert policy.begun(Problem("a", "1")) == ""
    policy.tokenizer.chat_template = "{{ messages[0].content }}{{ '[THINK]\n' }}"
    assert policy.begun(ASKS) == "<think>\n"
    assert policy.begun(Problem("a", (ASKED, {"role": "assistant", "content": "2"}))) == ""


def test_a_commands_model_takes_options_as_a_recipe_does(folder):
    found = read_model(str(folder), ["model.ends=[7]", "model.dtype=bfloat16"], source="a test")
    assert (found.ends, found.dtype) == ([7], "bfloat16")
    with pytest.raises(RecipeError, match="ends"):
        read_model(str(folder), ["model.end=[7]"], source="a test")
    with pytest.raises(RecipeError, match="seed"):
        read_model(str(folder), ["seed=3"], source="a test")


def test_an_adapter_folder_speaks_as_it_was_trained(folder, tmp_path):
    pytest.importorskip("peft")
    told = _loaded(folder, lora=LoRA(rank=2), ends=["7"], template_variables={"thinks": False})
    save_policy(told, tmp_path)
    again = _loaded(tmp_path)
    assert again.ends == told.ends != _loaded(folder).ends
    assert again.prompt_tokens(ASKS).tolist() == told.prompt_tokens(ASKS).tolist()
    settings = tmp_path / "tokenizer_config.json"
    content = json.loads(settings.read_text())
    settings.write_text(json.dumps(content | {"auto_map": {"AutoTokenizer": ["evil.Evil", None]}}))
    with pytest.raises(ModelError, match="never run"):
        _loaded(tmp_path)
