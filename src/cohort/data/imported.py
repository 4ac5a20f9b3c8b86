"""A function of the user, named as `file.py:function` and imported by path.

The file is run once per version of it, so that two functions of one file share what it loads. Its
folder is appended to the import path, as when Python runs it as a script, so that it can import
its neighbours. What the file raises becomes a refusal that names its line.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from cohort.errors import CohortError, legible


def is_function(name: str) -> bool:
    """Whether a name has the form `file.py:function`."""
    return ".py:" in name


def import_function(
    name: str, base: Path, refuse: type[CohortError]
) -> tuple[str, Callable[..., object]]:
    """The function's own name and the function that `file.py:function` names; file within `base`.

    Raises `refuse` where the file or the function does not exist, or the file cannot be run.
    """
    file, _, function = name.rpartition(":")
    if not os.path.isfile(base / file):  # which answers for every text, where Path raises
        raise refuse(f"{legible(file)} does not exist in {base}", near_file(base / file))
    path = (base / file).resolve()
    module = _module(path, refuse)
    found = getattr(module, function, None)
    if callable(found):
        return function, found
    from cohort.config.lookup import nearest  # it imports pydantic, and workers import this file

    known = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
    near = nearest(function, known)
    state = "is not a function" if hasattr(module, function) else "does not exist"
    raise refuse(
        f'"{legible(function)}" {state} in {file}',
        f'did you mean "{near}"?' if near else f"define a function {function} there",
    )


def near_file(path: Path) -> str:
    """The hint for a file that does not exist: the one beside it that is called nearly so."""
    from cohort.config.lookup import nearest

    folder = path.parent
    names = [p.name for p in folder.iterdir() if p.is_file()] if os.path.isdir(folder) else []
    near = nearest(path.name, names)
    return f'did you mean "{near}"?' if near else "paths are relative to the recipe's folder"


def cause_of(error: BaseException, file: str) -> str:
    """The type and text of an exception of the user's code, and its last line in that file."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
    line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
    line = frames[-1].lineno if frames else line
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    where = f" ({Path(file).name}, line {line})" if line else ""
    return " ".join(text.split())[:300] + where


def _module(path: Path, refuse: type[CohortError]) -> ModuleType:
    version = f"{path}:{path.stat().st_mtime_ns}"
    name = f"cohort_user_{path.stem}_{hashlib.blake2b(version.encode(), digest_size=6).hexdigest()}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, path
    assert spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise refuse(
            f"{path.name} cannot be imported: {cause_of(error, str(path))}",
            f"run `python {path.name}` to see the whole traceback",
        ) from error
    return module
