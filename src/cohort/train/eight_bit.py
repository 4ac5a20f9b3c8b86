"""AdamW whose two moments take 8 bits a weight, by bitsandbytes: the extra `eight-bit`.

Numbers are codes of a table of 256, in blocks of 256 numbers with a scale of their own (Dettmers et al. 2022,
arXiv:2110.02861, sections 2 and 3); tensors of less than 4,096 numbers keep theirs in float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from types import ModuleType
from typing import Any, cast

import torch
from torch import Tensor

from cohort.config.optimizer import Optimizer as Options
from cohort.errors import MissingExtraError

BLOCK = 256
"""Numbers that have a scale together."""
LEAST = 4096
"""Numbers of the smallest tensor whose moments are in 8 bits."""
NAME = "adamw-8bit"


def check_installed(options: Options) -> None:
    """Raise MissingExtraError where this optimizer is asked for and its library is not there."""
    if options.name == NAME and find_spec("bitsandbytes") is None:
        raise MissingExtraError(
            f'optimizer.name is "{NAME}", which needs the package bitsandbytes, and it is not installed',
            "pip install 'cohort-rl[eight-bit]', or use \"adafactor\", which keeps even less",
        )


def adamw_8bit(groups: list[dict[str, Any]], options: Options) -> torch.optim.Optimizer:
    """The optimizer of these groups. Raises MissingExtraError."""
    check_installed(options)
    made = _library().optim.AdamW8bit(
        groups,
        lr=options.learning_rate,
        betas=(options.beta1, options.beta2),
        eps=options.epsilon,
        min_8bit_size=LEAST,
    )
    return cast(torch.optim.Optimizer, made)


def kept_of(shape: torch.Size) -> dict[str, tuple[torch.Size, torch.dtype]]:
    """What is kept of a parameter of this shape."""
    narrow = shape.numel() >= LEAST
    moment = shape, torch.uint8 if narrow else torch.float32
    found = {"step": (torch.Size(), torch.float32), "state1": moment, "state2": moment}
    if narrow:
        scales = torch.Size([-(-shape.numel() // BLOCK)]), torch.float32
        found |= {"absmax1": scales, "absmax2": scales}
    return found


def plain(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The same as tensors, without the tables, which are always the same two."""
    kept = {what: value for what, value in state.items() if not what.startswith("qmap")}
    return kept | {"step": torch.tensor(float(kept["step"]))} if kept else {}


def given_back(saved: Mapping[str, Tensor]) -> dict[str, Any]:
    """What `plain` was given."""
    state: dict[str, Any] = {**saved, "step": int(saved["step"])}
    if "absmax1" in saved:
        device = saved["absmax1"].device
        table = _library().functional.create_dynamic_map
        state |= {"qmap1": table(signed=True).to(device), "qmap2": table(signed=False).to(device)}
    return state


def _library() -> ModuleType:
    import bitsandbytes

    return bitsandbytes
