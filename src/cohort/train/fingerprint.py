"""What a run's bits depend on besides its seed, as one line each; and how two of them differ.

A run is continued only where nothing of this has changed, or where the user says that it may.
"""

from __future__ import annotations

import hashlib
import inspect
import platform
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import torch
from transformers.modeling_utils import PreTrainedModel

from cohort.config.load import dump_recipe
from cohort.config.recipe import Recipe
from cohort.data.records import Problem
from cohort.policy import native
from cohort.policy.adapters import is_adapted, own_weights
from cohort.policy.policy import Policy
from cohort.tasks.finite import Finite
from cohort.tasks.mixed import Mixed
from cohort.train.plan import StagePlan


def fingerprint(recipe: Recipe, plans: Sequence[StagePlan], policy: Policy) -> dict[str, str]:
    """What the bits of a run depend on, by name."""
    found = {
        "recipe": digest(dump_recipe(recipe)),
        "cohort": version("cohort-rl"),
        "torch": torch.__version__,
        "transformers": version("transformers"),
        "python": platform.python_version(),
        "machine": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
        "threads": str(torch.get_num_threads()),
        "kernels": native.missing() or "compiled",
        "model": digest(policy.model.config.to_json_string(), tokenizer_of(policy)),
    }
    if is_adapted(policy.model):
        found["base"] = base_digest(policy.model)
    for plan in plans:
        if isinstance(plan.source, Finite | Mixed):
            found[f"data of {plan.name}"] = digest(*map(described, plan.source.known()))
        for reward in plan.rewards:
            found[f"reward {reward.name} of {plan.name}"] = code_of(reward.function)
    return found


def base_digest(model: PreTrainedModel) -> str:
    """Twelve characters that change with a weight of the model that adapters are beside."""
    found, own = hashlib.blake2b(digest_size=6), dict(own_weights(model))
    for name, parameter in model.named_parameters():
        if name not in own:
            found.update(name.encode())
            found.update(parameter.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    return found.hexdigest()


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """A line for each thing that changed; empty where nothing did."""
    names = sorted({*before, *now}, key=lambda name: (name not in before, name))
    return [
        f"{name}: was {before.get(name, 'not there')}, is {now.get(name, 'not there')}"
        for name in names
        if before.get(name) != now.get(name)
    ]


def code_of(function: Callable[..., object]) -> str:
    """A hash of the file that a function is from, or of its own lines; its name where none are known."""
    plain = inspect.unwrap(function)
    owner = plain if inspect.isroutine(plain) else type(plain)
    try:
        file = Path(inspect.getsourcefile(owner) or "")
        return digest(
            file.read_text(encoding="utf-8") if file.is_file() else inspect.getsource(owner)
        )
    except (OSError, TypeError):
        return getattr(owner, "__qualname__", repr(owner))


def tokenizer_of(policy: Policy) -> str:
    """A text that changes where tokens or the chat template do."""
    tokenizer = policy.tokenizer
    template = getattr(tokenizer, "chat_template", None)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    known = backend.to_str() if backend is not None else sorted(tokenizer.get_vocab().items())
    return f"{known}{template}"


def described(problem: Problem) -> str:
    """A problem as a text."""
    columns = sorted((name, repr(value)) for name, value in problem.columns.items())
    return f"{problem.id}\n{problem.prompt}\n{columns}\n"


def digest(*texts: str) -> str:
    """Twelve characters that change with the texts."""
    found = hashlib.blake2b(digest_size=6)
    for text in texts:
        found.update(f"{len(text)}:".encode())
        found.update(text.encode("utf-8", "surrogatepass"))
    return found.hexdigest()
