"""A sequence-classification model as a reward."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    Qwen2Config,
    Qwen2ForSequenceClassification,
)

from cohort.errors import CohortError, RewardError
from cohort.policy.new import new_tokenizer
from cohort.rewards.classifier import Classifier
from cohort.rewards.outcome import Failed, Outcome, Scored, Unscorable
from tests.tiny import PIECES, SHAPE, VOCABULARY

TEMPLATE = (
    "{% for m in messages %}{{ 1 if m.role == 'user' else 2 }} {{ m.content }} {% endfor %}"
    "{% if add_generation_prompt %}33{% endif %}"
)
TEXTS = ["1 2 3", "4 5 6", "7", "8 9 10 11 12 13", "14 15 16", "17"]


def saved(folder: Path, architecture: str = "llama", **options: Any) -> Path:
    """A random classifier with its tokenizer and template."""
    torch.manual_seed(3)
    kinds: dict[str, Callable[..., Any]] = {
        "llama": lambda **o: LlamaForSequenceClassification(LlamaConfig(**SHAPE, **o)),
        "qwen2": lambda **o: Qwen2ForSequenceClassification(Qwen2Config(**SHAPE, **o)),
        "language": lambda **o: LlamaForCausalLM(LlamaConfig(**SHAPE, **o)),
        "bert": lambda **o: BertForSequenceClassification(
            BertConfig(
                vocab_size=VOCABULARY, hidden_size=48, intermediate_size=64, num_hidden_layers=2,
                num_attention_heads=4, max_position_embeddings=96, **o,
            )
        ),
    }  # fmt: skip
    kinds[architecture](**options).save_pretrained(folder)
    tokenizer = new_tokenizer(PIECES)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with one output, which no test changes."""
    return saved(tmp_path_factory.mktemp("classifier") / "model", num_labels=1)


@pytest.fixture(scope="module")
def reward() -> Classifier:
    """The reward, which loads that model once for all tests."""
    return Classifier()


def alone(folder: Path, *texts: str) -> torch.Tensor:
    """The logits of each text in a pass of its own, by transformers and nothing else."""
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        return torch.cat([model(**tokenizer(text, return_tensors="pt")).logits for text in texts])


def numbers(outcomes: list[Outcome]) -> torch.Tensor:
    assert all(isinstance(outcome, Scored) for outcome in outcomes), outcomes
    return torch.tensor([outcome.value for outcome in outcomes])  # type: ignore[union-attr]


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "bert"])
def test_scores_together_are_those_of_each_alone(tmp_path: Path, architecture: str) -> None:
    folder = saved(tmp_path, architecture, num_labels=1)
    reward = Classifier()
    expected = alone(folder, *TEXTS)[:, 0]
    together = numbers(reward(completions=TEXTS, path=str(folder)))
    torch.testing.assert_close(together, expected, rtol=1e-5, atol=1e-6)
    turned = numbers(reward(completions=TEXTS[::-1], path=str(folder), tokens_at_once=3))
    torch.testing.assert_close(turned.flip(0), expected, rtol=1e-5, atol=1e-6)
    assert len(set(together.tolist())) == len(TEXTS)


def test_a_prompt_that_is_text_comes_before_its_completion(
    folder: Path, reward: Classifier
) -> None:
    said = numbers(reward(prompts=["1 2"], completions=[" 3 4"], path=str(folder)))
    torch.testing.assert_close(said, alone(folder, "1 2 3 4")[0])


def test_a_chat_is_read_by_the_model_s_own_template_and_ends_with_the_answer(
    folder: Path, reward: Classifier
) -> None:
    prompt = [{"role": "user", "content": "5 6"}]
    answer = [{"role": "assistant", "content": "7 8"}]
    said = numbers(reward(prompts=[prompt], completions=[answer], path=str(folder)))
    torch.testing.assert_close(said, alone(folder, "1 5 6 2 7 8 ")[0])


def test_a_token_that_is_also_the_padding_is_read_as_any_other(
    folder: Path, tmp_path: Path
) -> None:
    texts = ["1 2", "3 2", "2 2 2"]
    copy = shutil.copytree(folder, tmp_path / "copy")
    _config(copy, pad_token_id=new_tokenizer(PIECES).convert_tokens_to_ids("2"))
    said = numbers(Classifier()(completions=texts, path=str(copy)))
    torch.testing.assert_close(said, alone(folder, *texts)[:, 0], rtol=1e-5, atol=1e-6)


def test_a_label_s_probability_is_the_reward(tmp_path: Path) -> None:
    folder = saved(tmp_path, id2label={0: "bad", 1: "good", 2: "best"})
    reward = Classifier()
    said = numbers(reward(completions=TEXTS, path=str(folder), label="best"))
    torch.testing.assert_close(said, alone(folder, *TEXTS).softmax(-1)[:, 2])
    with pytest.raises(RewardError, match="bad, good, best"):
        reward(completions=TEXTS, path=str(folder), label="worst")


def test_an_answer_with_a_control_token_is_not_scored(folder: Path, reward: Classifier) -> None:
    first, second = reward(completions=["1 <end> 2", "1 2"], path=str(folder))
    assert isinstance(first, Unscorable)
    assert "<end>" in first.reason
    assert isinstance(second, Scored)


@pytest.mark.parametrize("answer", ["", "1 " * 60])
def test_an_answer_without_tokens_or_longer_than_the_model_reads_is_not_scored(
    folder: Path, reward: Classifier, answer: str
) -> None:
    (outcome,) = reward(completions=[answer], path=str(folder))
    assert isinstance(outcome, Unscorable)


def test_a_template_that_refuses_an_answer_is_a_failure_of_that_one(tmp_path: Path) -> None:
    folder = saved(tmp_path, num_labels=1)
    refuses = "{{ raise_exception('no') if messages[-1].content == '7' else '1 2' }}"
    (folder / "chat_template.jinja").write_text(refuses)
    answers = [[{"role": "assistant", "content": text}] for text in ("6", "7")]
    first, second = Classifier()(completions=answers, path=str(folder))
    assert isinstance(first, Scored)
    assert isinstance(second, Failed)


def test_it_runs_where_torch_is_and_draws_no_random_number(folder: Path) -> None:
    before = torch.get_rng_state()
    assert Classifier.in_process
    Classifier()(completions=TEXTS, path=str(folder))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_model_is_loaded_once(tmp_path: Path) -> None:
    reward = Classifier()
    folder = saved(tmp_path / "model", num_labels=1)
    first = reward(completions=TEXTS, path=str(folder))
    (tmp_path / "model").rename(tmp_path / "gone")
    assert reward(completions=TEXTS, path=str(folder)) == first


def _config(folder: Path, **values: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "code": (lambda f: _config(f, auto_map={"AutoModel": "evil.E"}), "never run"),
    "kernel": (lambda f: _config(f, _attn_implementation_internal="a/b"), "does not choose"),
    "pickle": (lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"), "pickle"),
    "many labels": (lambda f: _config(f, num_labels=10**9), "labels"),
    "vocabulary": (lambda f: _config(f, vocab_size=10**9), "vocab_size"),
    "other class": (lambda f: _config(f, architectures=["EvilModel"]), "EvilModel"),
    "no config": (lambda f: (f / "config.json").unlink(), "no model folder"),
    "other labels": (lambda f: _config(f, id2label={str(n): str(n) for n in range(7)}), "cannot be loaded"),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILT)
def test_a_folder_with_something_wrong_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    spoil, said = SPOILT[name]
    copy = shutil.copytree(folder, tmp_path / "copy")
    spoil(copy)
    with pytest.raises(CohortError, match=said) as caught:
        Classifier()(completions=TEXTS, path=str(copy))
    assert len(str(caught.value).splitlines()) <= 6


def test_a_language_model_without_a_head_is_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path, "language")
    with pytest.raises(CohortError, match="no sequence classifier"):
        Classifier()(completions=TEXTS, path=str(folder))
    _config(folder, architectures=["LlamaForSequenceClassification"])
    with pytest.raises(CohortError, match="differ"):
        Classifier()(completions=TEXTS, path=str(folder))


@pytest.mark.parametrize("options", [{"path": ""}, {"device": "abacus"}, {"tokens_at_once": 0}])
def test_an_option_that_makes_no_sense_is_refused(folder: Path, options: dict[str, Any]) -> None:
    with pytest.raises(RewardError):
        Classifier()(completions=TEXTS, **{"path": str(folder), **options})


def test_the_table_of_rewards_loads_neither_torch_nor_an_http_library() -> None:
    code = "import sys, cohort.rewards.built_in; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert not {"torch", "transformers", "httpx2", "httpcore2"} & set(done.stdout.split())
