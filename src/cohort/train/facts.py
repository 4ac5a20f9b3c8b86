"""What a run says of itself before its first step: facts for its store, and what tells its tokens."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

import torch

from cohort.config.recipe import Recipe
from cohort.data.disk import RealDisk, refusing, replace_file
from cohort.policy import native
from cohort.policy.policy import Policy
from cohort.report.views.tokens import TOKENIZER


def facts_of(recipe: Recipe, policy: Policy, name: str) -> dict[str, object]:
    """Facts that a report needs; `name` is what the recipe is called."""
    return {
        "recipe": name,
        "seed": recipe.seed,
        "model": recipe.model.path or "new",
        "parameters": sum(p.numel() for p in policy.model.parameters()),
        "threads": torch.get_num_threads(),
        "kernels": native.missing() or "compiled",
        "versions": {
            "cohort": version("cohort-rl"),
            "torch": torch.__version__,
            "transformers": version("transformers"),
            "python": platform.python_version(),
        },
        "status": "running",
    }


def keep_tokenizer(policy: Policy, run: Path) -> None:
    """Put `tokenizer.json` into the run's folder, so that tokens can be read while the run goes on.

    A tokenizer that has no such form is left out: its tokens are shown by their numbers until then.
    """
    own = getattr(policy.tokenizer, "backend_tokenizer", None)
    if own is not None:
        with refusing("writing the tokenizer"):
            replace_file(RealDisk(), run / TOKENIZER, own.to_str().encode())
