"""A decoder that says numbers: its packed rows against transformers' own classes on plain sequences."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

from cohort.data.packing import Family, Member, pack
from cohort.policy.valued import Valued, load_valued, valued_from, with_an_end
from tests.tiny import tiny_policy

PROMPT = np.array([7, 8, 9], np.int32)
ANSWERS = (np.array([10, 11, 12, 13], np.int32), np.array([14, 15], np.int32))


def some_valued(architecture: str, reads: str) -> Valued:
    """A random model whose head is random, too."""
    valued = valued_from(tiny_policy(architecture)[0], reads)
    torch.nn.init.normal_(valued.head.weight, std=0.3)
    return valued


def row_of(*answers: np.ndarray):
    offsets = np.cumsum([0, *map(len, answers)])
    members = tuple(Member(a, int(n)) for a, n in zip(answers, offsets, strict=False))
    return pack([Family(PROMPT, members)])


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3", "mistral"])
def test_values_in_a_packed_row_are_those_of_plain_sequences(architecture: str) -> None:
    valued = some_valued(architecture, "token")
    found = valued.values(row_of(*ANSWERS)).split([4, 2])
    valued.model.set_attn_implementation("sdpa")
    for answer, own in zip(ANSWERS, found, strict=True):
        ids = torch.from_numpy(np.concatenate((PROMPT, answer))).long()[None]
        theirs = valued.model(input_ids=ids).logits[0, len(PROMPT) - 1 : -1, 0]
        assert torch.allclose(own, theirs, atol=1e-5)


@pytest.mark.parametrize("reads", ["sequence", "token"])
def test_a_saved_folder_loads_with_transformers_alone_and_says_the_same(reads, tmp_path) -> None:
    valued = some_valued("llama", reads)
    own = valued.values(row_of(with_an_end(ANSWERS[0], 1)))[-1]
    valued.save(tmp_path)
    kinds = {
        "sequence": AutoModelForSequenceClassification,
        "token": AutoModelForTokenClassification,
    }
    theirs = kinds[reads].from_pretrained(tmp_path)
    ids = torch.from_numpy(np.concatenate((PROMPT, ANSWERS[0]))).long()[None]
    said = theirs(input_ids=ids).logits.flatten()[-1]
    assert torch.allclose(own, said, atol=1e-5)
    again = load_valued(tmp_path, reads, valued.tokenizer)
    assert not any(p.data_ptr() % 64 for p in again.model.parameters())
    assert torch.equal(again.values(row_of(with_an_end(ANSWERS[0], 1)))[-1], own)


def test_a_new_head_says_nothing_and_the_layers_are_the_policys() -> None:
    policy, _ = tiny_policy("llama")
    valued = valued_from(policy, "sequence")
    assert not valued.values(row_of(*ANSWERS)).any()
    held = policy.model.base_model.state_dict()
    for name, tensor in valued.model.base_model.state_dict().items():
        assert torch.equal(tensor, held[name])
        assert tensor.data_ptr() != held[name].data_ptr()


def test_a_folder_reads_after_the_end_also_where_the_end_is_the_padding(tmp_path) -> None:
    policy, _ = tiny_policy("llama")
    policy.model.config.pad_token_id = 1
    valued = valued_from(policy, "sequence")
    torch.nn.init.normal_(valued.head.weight, std=0.3)
    ended = np.append(ANSWERS[0], np.int32(1))
    own = valued.values(row_of(with_an_end(ended, 1)))[-1]
    valued.save(tmp_path)
    theirs = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    ids = torch.from_numpy(np.concatenate((PROMPT, ended))).long()[None]
    assert torch.allclose(own, theirs(input_ids=ids).logits[0, 0], atol=1e-5)


def test_values_of_families_are_those_of_their_rows_however_they_are_cut() -> None:
    valued = some_valued("llama", "token")
    members = (Member(ANSWERS[0], 2), Member(ANSWERS[1], 0))
    family = Family(PROMPT, members)
    together = valued.values_of([family], tokens_per_row=100)
    apart = valued.values_of([family], tokens_per_row=1)
    row = valued.values(pack([family])).detach().numpy()
    assert np.allclose(together[[2, 3, 4, 5, 0, 1]], row, atol=1e-6)
    assert np.allclose(together, apart, atol=1e-5)
