"""What TRL makes of spoilt files of problems: `.venv-parity/bin/python -m proofs.versus_trl_inputs [N]`.

The first N spoilt JSONL and CSV files of `proofs.fuzz_data` go the way that TRL's documentation shows:
`load_dataset`, a `GRPOTrainer` on a tiny model, and the first batch of its loader. Counted beside what
Cohort says of the same files: refused, refused with the line or row named, and files that TRL takes
and Cohort refuses, with Cohort's reasons.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from proofs.command import prepare
from proofs.fuzz_data import Case, cases, remove, run_case

PLACE = re.compile(r"\b(line|row)s? ?\d", re.IGNORECASE)


def prove(count: int, seed: int) -> dict[str, object]:
    """What both say of `count` files."""
    import datasets
    import trl  # noqa: F401  # before the first file, so that no import is counted

    datasets.disable_progress_bars()
    logging.disable(logging.ERROR)
    found: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare()
        chosen = [c for c in cases(20 * count, seed) if c.content and _loader(c)][:count]
        for number, case in enumerate(chosen):
            path = folder / case.file
            ours = run_case(case, folder)
            theirs = _theirs(case, path, folder / f"cache-{number}")
            refused = ours.code != 0
            found["files"] += 1
            found["Cohort refuses"] += refused
            found["... and names a line or row"] += refused and bool(PLACE.search(ours.stderr))
            found["TRL refuses"] += bool(theirs)
            found["... and names a line or row, TRL"] += bool(PLACE.search(theirs))
            if refused and not theirs:
                found["TRL takes what Cohort refuses"] += 1
                reasons[_reason(ours.stderr)] += 1
            found["TRL refuses what Cohort takes"] += bool(theirs) and not refused
            remove(path)
    return {"name": "spoilt files, TRL", **found, "reasons": reasons.most_common(8)}


def _reason(said: str) -> str:
    """A refusal's first line without the file, numbers, and what is quoted."""
    line = re.sub(r"^error: |spoilt\.\w+:?", "", said.splitlines()[0])
    return re.sub(r"\d[\d,]*", "N", re.sub(r"(['\"]).*?\1", "..", line)).strip(": ")[:60]


def _loader(case: Case) -> str:
    return {".jsonl": "json", ".csv": "csv"}.get(Path(case.file).suffix, "")


def _theirs(case: Case, path: Path, cache: Path) -> str:
    """What TRL's way says against a file; empty where it takes it."""
    from datasets import load_dataset
    from trl import GRPOConfig, GRPOTrainer

    try:
        rows = load_dataset(_loader(case), data_files=str(path), cache_dir=str(cache))["train"]
        options = GRPOConfig(
            output_dir=str(cache), use_cpu=True, bf16=False, report_to=[], max_steps=1,
            per_device_train_batch_size=2, num_generations=2, max_completion_length=4,
        )  # fmt: skip
        trainer = GRPOTrainer(
            model=_model(), processing_class=_tokenizer(), reward_funcs=_reward, args=options,
            train_dataset=rows,
        )  # fmt: skip
        batch: list[dict[str, Any]] = next(iter(trainer.get_train_dataloader()))
        assert all(isinstance(row["prompt"], (str, list)) for row in batch), "a prompt is no text"
    except Exception as error:  # noqa: BLE001  # whatever somebody else's code raises is what is counted
        return f"{type(error).__name__}: {error} {error.__cause__ or ''}"
    return ""


def _reward(completions: list[Any], **_: Any) -> list[float]:
    return [0.0 for _ in completions]


def _model() -> Any:
    from tests.tiny import tiny_model

    return tiny_model()


def _tokenizer() -> Any:
    from cohort.policy.new import new_tokenizer
    from tests.tiny import PIECES

    return new_tokenizer(PIECES)


if __name__ == "__main__":
    print(json.dumps(prove(int(sys.argv[1]) if len(sys.argv) > 1 else 200, seed=1), indent=1))
