"""Parquet files and data sets of the hub, through the packages of the extra `data`.

The only file that imports pyarrow and datasets, and only when one of them is asked for.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cohort.errors import DataError, MissingExtraError, legible


def read_parquet(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file, in batches."""
    parquet = _package("pyarrow.parquet", f"reading {path.name}")
    arrow = _package("pyarrow", f"reading {path.name}")
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            _check_columns(file.schema_arrow.names, path.name)
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    number += 1
                    yield row
    except (arrow.ArrowException, OSError, ValueError, OverflowError) as error:
        raise DataError(
            f"{path.name} is not a Parquet file that can be read, after row {number}: "
            f"{_first_line(error)}",
            "write it again, or convert it to .jsonl",
        ) from error


def _check_columns(names: Sequence[str], file: str) -> None:
    doubled = [name for name, times in Counter(names).items() if times > 1]
    if doubled:
        raise DataError(
            f'{file} has two columns called "{legible(doubled[0])}"',
            "give every column a name of its own",
        )


def read_hub(name: str, split: str, options: Mapping[str, Any]) -> Iterable[object]:
    """The rows of one split; `options` go to datasets' `load_dataset` (`name` is the config)."""
    datasets = _package("datasets", f"reading hub:{name}")
    try:
        rows: Iterable[object] = datasets.load_dataset(name, split=split, **options)
    except (OSError, ValueError, TypeError) as error:
        raise DataError(
            f'hub:{name} with split "{split}" cannot be read: {_first_line(error)}',
            "check the name, the split and options; without a network, use a file",
        ) from error
    return rows


def _package(module: str, purpose: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingExtraError(
            f"{purpose} needs the package {package}, which is not installed",
            "pip install 'cohort-rl[data]'",
        ) from error


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return legible(lines[0], 200)
