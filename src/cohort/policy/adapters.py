"""Low-rank adapters (LoRA; Hu et al. 2021, arXiv:2106.09685, section 4.1), through peft.

    W x  becomes  W x + (alpha / rank) B A x        A [rank, d] random, B [n, rank] zero at first

The model's own weights stay as they are, to the bit; A and B are trained. What is saved is an
ordinary adapter folder that peft loads, or the model with the adapters added to its weights.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers.modeling_utils import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from cohort.config.recipe import LoRA, Model
from cohort.data import keyed
from cohort.errors import ModelError
from cohort.policy.headers import shapes_of
from cohort.policy.plain_json import read_object, shown
from cohort.policy.quantized import check_quantizable, told

NAME = "default"
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."
"""What peft puts before every name in an adapter folder."""
MOST_CONFIG_BYTES = 1 << 20
DOWN, UP = ".lora_A.weight", ".lora_B.weight"
STATE_SPACES = ("mamba", "mamba2", "falcon_mamba", "falcon_h1", "nemotron_h")
"""Of whose layers peft refuses the last matrix."""
PLAIN = {"peft_type": "LORA", "bias": "none", "use_dora": False, "modules_to_save": None}
"""What an adapter folder must say for its adapters to be added to the weights."""


def adapt(model: PreTrainedModel, options: LoRA, *, seed: int) -> None:
    """Put adapters beside the model's matrices and leave only them to be trained.

    Raises ModelError without peft, and where no layer has a name of `options.targets`.
    """
    every = options.targets == "all-linear"
    config = _peft().LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,
        target_modules="all-linear" if every else list(options.targets),
        lora_dropout=0.0,
        bias="none",
        task_type="CAUSAL_LM",
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),
        exclude_modules=left_alone(model) if every else None,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(keyed.digest(seed, "adapters") % 2**63)
        try:
            with told(model):
                model.add_adapter(config, NAME)
        except ValueError as error:
            modules = model.named_modules()
            names = sorted({n.rpartition(".")[2] for n, m in modules if _matrix(m) is not None})
            raise ModelError(
                f"no adapter can be added: {' '.join(str(error).split())[:200]}",
                f"its matrices are {', '.join(names)}",
            ) from error


def left_alone(model: PreTrainedModel) -> list[str] | None:
    """Linear layers that no adapter is added to, by name.

    Those that choose experts give several tensors; kernels of state spaces read the weight of the last one
    of a layer, past any adapter.
    """
    found = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and "Router" in type(module).__name__
    ]
    return found + ["out_proj"] * (model.config.model_type in STATE_SPACES) or None


def check_adaptable(options: Model) -> None:
    """Raise ModelError where adapters cannot be trained or saved, before a model is loaded."""
    _peft()
    if options.lora is not None and options.lora.quantized != "none":
        check_quantizable()
    if (
        options.lora is not None
        and not options.lora.merge
        and is_adapter_folder(Path(options.path))
    ):
        raise ModelError(
            f"{options.path!r} holds adapters, and new ones beside them would name the wrong base",
            "set model.lora.merge, or train from their base",
        )


def is_adapted(model: PreTrainedModel) -> bool:
    """Whether a model has adapters, and they alone are trained."""
    return bool(getattr(model, "_hf_peft_config_loaded", False))


def own_weights(model: PreTrainedModel) -> Iterator[tuple[str, nn.Parameter]]:
    """What may differ from the base: the adapters' factors, or every parameter of a model without."""
    adapted = is_adapted(model)
    for name, parameter in model.named_parameters():
        if not adapted or ".lora_" in name:
            yield name, parameter


def shared_copy(model: PreTrainedModel) -> PreTrainedModel:
    """A copy with its own adapters and the same base; of a model without adapters a whole copy."""
    shared = {}
    if is_adapted(model):
        own = {name for name, _ in own_weights(model)}
        shared = {id(p): p for name, p in model.named_parameters() if name not in own}
    return copy.deepcopy(model, shared)


def merged(model: PreTrainedModel) -> PreTrainedModel:
    """A copy without adapters that computes the same: W + (alpha / rank) B A, up to rounding."""
    whole = copy.deepcopy(model)
    layer_type = _peft().tuners.tuners_utils.BaseTunerLayer
    for name, module in list(whole.named_modules()):
        if isinstance(module, layer_type):
            module.merge()
            above, _, last = name.rpartition(".")
            setattr(whole.get_submodule(above), last, module.get_base_layer())
    whole._hf_peft_config_loaded = False
    return whole


def save_adapters(model: PreTrainedModel, folder: Path) -> None:
    """An adapter folder as peft writes it; its base is named, not copied."""
    folder.mkdir(parents=True, exist_ok=True)
    config = cast(Any, model).peft_config[NAME].to_dict()
    config |= {"inference_mode": True, "base_model_name_or_path": model.name_or_path}
    ready = {key: sorted(v) if isinstance(v, set) else v for key, v in config.items()}
    text = json.dumps(ready, indent=2, sort_keys=True)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")
    save_file(saved_weights(model), folder / WEIGHTS, metadata={"format": "pt"})


def saved_weights(model: PreTrainedModel) -> dict[str, Tensor]:
    """The factors under the names that they have in an adapter folder."""
    return {
        PREFIX + name.replace(f".{NAME}.", "."): parameter.detach().cpu().contiguous()
        for name, parameter in own_weights(model)
    }


def is_adapter_folder(folder: Path) -> bool:
    """Whether a folder holds adapters, and no model."""
    return (folder / CONFIG).is_file() and not (folder / "config.json").is_file()


def base_of(folder: Path) -> str:
    """The model that a folder's adapters are for: a folder or a name. Raises ModelError."""
    config = _config(folder)
    base = config.get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise ModelError(
            f"{folder / CONFIG} does not say which model its adapters are for",
            'add "base_model_name_or_path", a folder or a name on the hub',
        )
    return base


@torch.no_grad()
def add_from(folder: Path, model: PreTrainedModel) -> None:
    """Add a folder's adapters to the weights of their base. Raises ModelError for what does not fit."""
    config = _config(folder)
    for key, value in PLAIN.items():
        if config.get(key, value) != value:
            raise ModelError(
                f"{folder / CONFIG}: {key} is {shown(str(config[key]))}, which is not supported",
                "merge the adapter with peft, and give the merged model",
            )
    factor = float(config["lora_alpha"]) / (
        config["r"] ** 0.5 if config.get("use_rslora") else config["r"]
    )
    for name, shape in shapes_of(folder / WEIGHTS).items():  # before anything is allocated
        if len(shape) != 2 or not name.endswith((DOWN, UP)):
            raise ModelError(f"{folder / WEIGHTS}: {shown(name)} is no factor of an adapter")
    factors = load_file(folder / WEIGHTS)
    modules = dict(model.named_modules())
    for name, down in sorted(factors.items()):
        if name.endswith(UP):
            continue
        up = factors.get(name.removesuffix(DOWN) + UP)
        layer = modules.get(name.removeprefix(PREFIX).removesuffix(DOWN))
        weight = _matrix(layer)
        if weight is None or up is None or (len(up), len(down), down[0].numel()) != (
            len(weight), up[0].numel(), weight[0].numel()
        ):  # fmt: skip
            raise ModelError(
                f"the adapter {shown(name)} of {str(folder)!r} does not fit its base",
                "use the model that it was trained on",
            )
        weight.copy_((weight.float() + (up.float() @ down.float()) * factor).to(weight.dtype))


def _matrix(layer: nn.Module | None) -> Tensor | None:
    """The weight of a linear layer as [n, d], whichever way round it lies in memory."""
    if isinstance(layer, Conv1D):
        return layer.weight.t()
    return layer.weight if isinstance(layer, nn.Linear) else None


def _config(folder: Path) -> dict[str, Any]:
    config = read_object(folder / CONFIG, MOST_CONFIG_BYTES)
    for key, kinds in (("r", (int,)), ("lora_alpha", (int, float))):
        value = config.get(key)
        if type(value) not in kinds or not 0 < cast(float, value) < 1e6:
            raise ModelError(f"{folder / CONFIG}: {key} is {shown(str(value))}", "a number above 0")
    return config


def _peft() -> ModuleType:
    try:
        import peft
    except ImportError as error:
        raise ModelError(
            "adapters need the package peft, which is not installed",
            "pip install 'cohort-rl[lora]'",
        ) from error
    return peft
