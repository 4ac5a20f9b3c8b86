"""Every architecture that is known to be trained, small and random, and what is asked of each.

An entry is transformers' name of the model, the options of its tiny configuration, and what is special
about it. What is measured of it (`figures`) is one number, or a short reason, per column.
"""

from __future__ import annotations

import copy
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.modeling_utils import PreTrainedModel

from cohort.config.recipe import LoRA
from cohort.config.stages import Optimizer
from cohort.data.packing import pack
from cohort.errors import ModelError
from cohort.policy import adapters
from cohort.policy.load import save_policy, take_over
from cohort.policy.new import new_tokenizer
from cohort.policy.policy import Policy
from cohort.policy.pretrained import settle
from cohort.rollout.request import Request, Sampling
from cohort.rollout.sampler import sample
from cohort.train.optim import Updater
from tests.tiny import PIECES, SHAPE, families, plain_logprobs, prompts

TOLERANCE = 1e-4
"""Of log-probabilities and, as a share of the norm, of gradients, in float32."""
NEW_TOKENS = 16
UPDATES = 5


@dataclass(frozen=True, slots=True)
class Architecture:
    """One that is trained in packed rows."""

    kind: str
    special: str
    options: dict[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()


def _experts(**options: Any) -> dict[str, Any]:
    shape = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
    return shape | options


WINDOW = {"sliding_window": 6}
MIXED_WINDOWS = {**WINDOW, "layer_types": ["sliding_attention", "full_attention"]}
OPT = {"ffn_dim": 64, "word_embed_proj_dim": 48}
LATENT = {
    "q_lora_rank": 24, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 12,
    "v_head_dim": 12, "num_key_value_heads": 4, "n_routed_experts": 4, "n_shared_experts": 1,
    "num_experts_per_tok": 2, "moe_intermediate_size": 32, "n_group": 2, "topk_group": 1,
    "first_k_dense_replace": 1,
}  # fmt: skip

TRAINED = {
    "Llama": Architecture("llama", "written out"),
    "Mistral": Architecture("mistral", "written out; sliding window", WINDOW),
    "Qwen2": Architecture("qwen2", "written out; biases"),
    "Qwen3": Architecture("qwen3", "written out; norms of queries and keys"),
    "Qwen3-MoE": Architecture("qwen3_moe", "experts", _experts()),
    "Qwen2-MoE": Architecture(
        "qwen2_moe", "experts, one of them shared",
        _experts(shared_expert_intermediate_size=32),
    ),
    "Mixtral": Architecture("mixtral", "experts", {"num_local_experts": 4}),
    "OLMoE": Architecture("olmoe", "experts", {"num_experts": 4, "num_experts_per_tok": 2}),
    "GPT-OSS": Architecture(
        "gpt_oss", "experts; attention sinks; windows",
        {"num_local_experts": 4, "num_experts_per_tok": 2, **MIXED_WINDOWS},
    ),
    "DeepSeek-V3": Architecture("deepseek_v3", "latent attention; experts", LATENT, ("head_dim",)),
    "DeepSeek-V2": Architecture(
        "deepseek_v2", "latent attention; experts",
        LATENT | {"topk_method": "greedy"}, ("head_dim",),
    ),
    "Gemma": Architecture("gemma", "multi-query attention", {"num_key_value_heads": 1}),
    "Gemma 2": Architecture(
        "gemma2", "soft caps; windows",
        {**MIXED_WINDOWS, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0,
         "query_pre_attn_scalar": 12},
    ),
    "Gemma 3": Architecture(
        "gemma3_text", "windows; two rotations", {**MIXED_WINDOWS, "query_pre_attn_scalar": 12}
    ),
    "Phi": Architecture("phi", "partly rotated; biases", {"num_key_value_heads": 4}),
    "Phi-3": Architecture("phi3", "one matrix for query, key and value"),
    "OLMo": Architecture("olmo", "norms without weights; clipped", {"clip_qkv": 2.0}),
    "OLMo 2": Architecture("olmo2", "norms after layers"),
    "OLMo 3": Architecture("olmo3", "norms after layers; windows", MIXED_WINDOWS),
    "GPT-2": Architecture(
        "gpt2", "learned positions", {"n_embd": 48, "n_layer": 2, "n_head": 4, "n_positions": 96}
    ),
    "GPT-BigCode": Architecture(
        "gpt_bigcode", "learned positions; multi-query attention",
        {"n_embd": 48, "n_layer": 2, "n_head": 4, "n_positions": 96, "n_inner": 64},
    ),
    "OPT": Architecture("opt", "learned positions", OPT),
    "GPT-NeoX": Architecture("gpt_neox", "partly rotated; parallel layers"),
    "StarCoder 2": Architecture("starcoder2", "biases; sliding window", WINDOW),
    "SmolLM 3": Architecture("smollm3", "a layer without positions", {"no_rope_layers": [1, 0]}),
    "Granite": Architecture(
        "granite", "scaled logits and residuals",
        {"logits_scaling": 3.0, "residual_multiplier": 0.5, "embedding_multiplier": 2.0,
         "attention_multiplier": 0.2},
    ),
    "Cohere": Architecture("cohere", "scaled logits; parallel layers", {"logit_scale": 0.25}),
    "Cohere 2": Architecture(
        "cohere2", "scaled logits; windows", {"logit_scale": 0.25, **MIXED_WINDOWS}
    ),
    "GLM-4": Architecture("glm4", "partly rotated; norms after layers"),
    "StableLM": Architecture("stablelm", "partly rotated", {"partial_rotary_factor": 0.5}),
    "Nemotron": Architecture(
        "nemotron", "norms from 1; squared relu", {"hidden_act": "relu2", "norm_eps": 1e-5}
    ),
    "EXAONE 4": Architecture("exaone4", "windows; norms after layers", MIXED_WINDOWS),
    "Hunyuan": Architecture("hunyuan_v1_dense", "norms of queries and keys after rotation"),
    "Seed-OSS": Architecture("seed_oss", "biases"),
    "ERNIE 4.5": Architecture("ernie4_5", "interleaved rotation"),
    "Arcee": Architecture("arcee", "squared relu"),
    "Apertus": Architecture("apertus", "its own activation; norms of queries and keys"),
    "GLM-4-MoE": Architecture(
        "glm4_moe", "experts; partly rotated",
        {"n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32,
         "first_k_dense_replace": 1, "n_shared_experts": 1},
    ),
    "Granite-MoE": Architecture(
        "granitemoe", "experts; scaled logits",
        {"num_local_experts": 4, "num_experts_per_tok": 2, "logits_scaling": 3.0},
    ),
    "PhiMoE": Architecture("phimoe", "experts", {"num_local_experts": 4}),
    "Helium": Architecture("helium", "interleaved rotation"),
    "Persimmon": Architecture(
        "persimmon", "one matrix for query, key and value", {"num_key_value_heads": 4}
    ),
    "BitNet": Architecture("bitnet", "norms within layers"),
    "NanoChat": Architecture(
        "nanochat", "norms without weights; soft cap of logits", {"final_logit_softcapping": 3.0}
    ),
}  # fmt: skip


def tiny(architecture: Architecture, seed: int = 0) -> PreTrainedModel:
    """A random model in evaluation mode, with transformers' own attention, written out.

    Its `eager` one: the others leave out soft caps.
    """
    torch.manual_seed(seed)
    shape = {k: v for k, v in SHAPE.items() if k not in architecture.without}
    config = AutoConfig.for_model(architecture.kind, **(shape | architecture.options))
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim < 2:  # biases and norms are trivial at first, and so hide mistakes
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


@dataclass(frozen=True, slots=True)
class Figures:
    """One line of the table; each the worst that was found."""

    packed: float
    """The largest difference of a log-probability in a packed row from the model's own."""
    gradient: float
    """The norm of the gradients' difference, as a share of the gradient's."""
    greedy: float
    """The share of greedy tokens that are those of transformers' `generate`."""
    saved: bool
    """Whether the saved folder, loaded by transformers, has the very same logits."""
    adapters: float | str
    """The largest difference of a logit with the saved adapter, by peft alone; or why there is none."""

    @property
    def held(self) -> bool:
        """Whether all of it is as it has to be."""
        close = max(self.packed, self.gradient) < TOLERANCE
        adapted = isinstance(self.adapters, str) or self.adapters < TOLERANCE
        return close and adapted and self.greedy == 1.0 and self.saved


def figures(architecture: Architecture, seed: int = 0) -> Figures:
    """Everything that is asked of one architecture."""
    model = tiny(architecture, seed)
    plain = copy.deepcopy(model)
    policy = take_over(model, new_tokenizer(PIECES))
    packed, gradient = against_plain_rows(policy, plain)
    greedy = against_generate(policy, plain)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        saved = saved_is_loaded_equal(policy, plain, folder / "saved")
        factors: float | str
        try:
            factors = adapter_by_peft_alone(plain, folder)
        except ModelError as error:
            factors = error.message
    return Figures(packed, gradient, greedy, saved, factors)


def against_plain_rows(policy: Policy, plain: PreTrainedModel) -> tuple[float, float]:
    """Log-probabilities and gradients of packed rows against one row per answer."""
    made = families([(3, (5, 1, 9)), (11, (1, 1)), (6, (3, 14))])
    members = [(family.prompt, member) for family in made for member in family.members]
    expected = torch.cat([plain_logprobs(plain, prompt, m.tokens) for prompt, m in members])
    row = pack(made)
    found, _ = policy.logprobs(row)
    expected = expected[torch.from_numpy(row.flat)]
    slopes = torch.linspace(-1, 1, len(found))
    (found * slopes).sum().backward()
    (expected * slopes).sum().backward()
    pairs = zip(policy.model.parameters(), plain.parameters(), strict=True)
    both = [(a.grad, b.grad) for a, b in pairs if b.grad is not None and a.grad is not None]
    away = torch.cat([(a - b).flatten() for a, b in both]).norm()
    whole = torch.cat([b.flatten() for _, b in both]).norm()
    lost = sum((a.grad is None) != (b.grad is None) for a, b in zip(
        policy.model.parameters(), plain.parameters(), strict=True
    ))  # fmt: skip
    for model in (policy.model, plain):
        model.zero_grad()
    return float((found - expected).abs().max().detach()), float(
        away / whole
    ) if not lost else np.inf


def against_generate(policy: Policy, plain: PreTrainedModel) -> float:
    """The share of the sampler's greedy tokens that `generate` says too."""
    asked = prompts([3, 9, 6], seed=4)
    requests = [Request("a", prompt, (1, n)) for n, prompt in enumerate(asked)]
    ends, policy.ends = policy.ends, frozenset()
    options = Sampling(rollouts_per_prompt=1, max_new_tokens=NEW_TOKENS, greedy=True)
    groups = sample(policy, requests, options)
    policy.ends = ends
    same = []
    for prompt, (rollout,) in zip(asked, groups, strict=True):
        row = torch.from_numpy(prompt.astype(np.int64))[None]
        made = plain.generate(
            row, attention_mask=torch.ones_like(row), do_sample=False, num_beams=1,
            max_new_tokens=NEW_TOKENS, eos_token_id=None, pad_token_id=0,
        )  # fmt: skip
        same.append((made[0, len(prompt) :].numpy() == rollout.tokens).mean())
    return float(np.mean(same))


def saved_is_loaded_equal(policy: Policy, plain: PreTrainedModel, folder: Path) -> bool:
    """Whether transformers alone finds the same model in the saved folder.

    Its weights are moved to where torch lays them out: some products are rounded otherwise elsewhere.
    """
    save_policy(policy, folder)
    loaded = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    settle(loaded)
    return torch.equal(_logits(loaded), _logits(plain))


def adapter_by_peft_alone(base: PreTrainedModel, folder: Path, updates: int = UPDATES) -> float:
    """How far logits with a trained and saved adapter are from the policy's, loaded by peft alone.

    Infinite where a weight of the base is not what it was, to the bit, or nothing was learned.
    """
    import peft

    model = copy.deepcopy(base)
    adapters.adapt(model, LoRA(rank=4), seed=3)
    policy = take_over(model.eval(), new_tokenizer(PIECES))
    row = pack(families([(3, (5, 1, 9)), (6, (3, 14))]))
    before = policy.logprobs(row)[0].mean()
    updater = Updater(policy, Optimizer(learning_rate=1e-2), updates=updates)
    for _ in range(updates):
        updater.add_gradient([row], lambda row: (-policy.logprobs(row)[0].mean(), None))
        updater.update()
        updater.clear()
    if not policy.logprobs(row)[0].mean() > before or not base_is_kept(policy.model, base):
        return np.inf
    adapters.save_adapters(policy.model, folder / "adapter")
    assert load_file(folder / "adapter" / adapters.WEIGHTS)
    theirs = peft.PeftModel.from_pretrained(copy.deepcopy(base), folder / "adapter").eval()
    policy.model.set_attn_implementation(base.config._attn_implementation)
    found = (_logits(theirs.base_model.model) - _logits(policy.model)).abs().max()
    return float(found)


def base_is_kept(adapted: PreTrainedModel, base: PreTrainedModel) -> bool:
    """Whether every weight that is not an adapter's is the base's, to the bit."""
    weights = dict(base.named_parameters())
    named = {n.replace(".base_layer", ""): p for n, p in adapted.named_parameters()}
    kept = {name: p for name, p in named.items() if ".lora_" not in name}
    return kept.keys() == weights.keys() and all(torch.equal(kept[n], weights[n]) for n in weights)


def _logits(model: PreTrainedModel) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = model(input_ids=torch.arange(1, 20)[None], use_cache=False).logits
    return logits


PLAIN = {
    "Mamba": Architecture("mamba", "state space", {"state_size": 8}),
    "Mamba 2": Architecture(
        "mamba2", "state space", {"num_heads": 8, "head_dim": 12, "n_groups": 1, "state_size": 16}
    ),
    "Qwen3-Next": Architecture(
        "qwen3_next", "linear attention; experts",
        {**_experts(shared_expert_intermediate_size=32), "linear_num_key_heads": 2,
         "linear_num_value_heads": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 8,
         "layer_types": ["linear_attention", "full_attention"]},
    ),
    "RWKV": Architecture("rwkv", "recurrence", {"context_length": 96, "rescale_every": 0}),
    "RecurrentGemma": Architecture(
        "recurrent_gemma", "recurrence; windows",
        {"lru_width": 48, "attention_window_size": 16, "block_types": ["recurrent", "attention"]},
    ),
    "LFM 2": Architecture("lfm2", "convolution", {"layer_types": ["conv", "full_attention"]}),
    "BLOOM": Architecture("bloom", "attention of its own (ALiBi)"),
    "MPT": Architecture(
        "mpt", "attention of its own (ALiBi)",
        {"d_model": 48, "n_heads": 4, "n_layers": 2, "max_seq_len": 96},
    ),
    "Falcon": Architecture(
        "falcon", "attention of its own", {"new_decoder_architecture": True, "num_kv_heads": 2},
        ("head_dim",),
    ),
    "GPT-J": Architecture(
        "gptj", "attention of its own",
        {"n_embd": 48, "n_head": 4, "n_layer": 2, "rotary_dim": 4, "n_positions": 96},
    ),
}  # fmt: skip
"""In these answers cannot share a prompt, and have plain rows."""

REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "RWKV, rescaled": ("rwkv", {"context_length": 96}, "rescales its own weights"),
    "BERT": ("bert", {}, "no causal language model"),
    "Llama 4": (
        "llama4_text", {"num_local_experts": 2, "attention_chunk_size": 8}, "no decoder below its head"
    ),
}  # fmt: skip
"""What cannot be trained at all: transformers' name, the options of a tiny one, and the reason."""


def refused(name: str) -> PreTrainedModel:
    """A tiny model of an architecture that is refused."""
    kind, options, _ = REFUSED[name]
    return tiny(Architecture(kind, "", options))
