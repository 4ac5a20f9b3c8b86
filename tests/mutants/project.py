"""What is changed, and which tests are asked about it, the likeliest to notice first."""

from __future__ import annotations

import ast
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Project:
    """A package whose files are changed, and the test files that should notice."""

    roots: tuple[Path, ...]
    """Folders in which modules lie by their full name; that of the package first."""
    package: str
    tests: tuple[Path, ...]
    preloaded: tuple[str, ...] = ()
    """Modules that every fresh process would load, and that load nothing of the package."""

    @property
    def folder(self) -> Path:
        return self.roots[0].joinpath(*self.package.split("."))

    def file(self, name: str) -> Path:
        """The file of a name, with or without its folder."""
        return self.folder / Path(name).name

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*.py"))

    def module(self, file: str) -> str:
        stem = Path(file).stem
        return self.package if stem == "__init__" else f"{self.package}.{stem}"

    def able(self, file: str) -> list[Path]:
        """The test files that can notice a change: those from which imports lead to the file."""
        return [path for path in self.tests if self._steps(path, file) is not None]

    def order(self, file: str, seconds: Mapping[Path, float]) -> list[Path]:
        """Those: the one of the file's name, then what is near and fast before what is far and slow."""
        own = f"test_{Path(file).stem}"

        def rank(path: Path) -> tuple[bool, float]:
            return path.stem != own, seconds[path] * (self._steps(path, file) or 0)

        return sorted(self.able(file), key=rank)

    def _steps(self, path: Path, file: str) -> int | None:
        return distance(path, self.file(file), self.roots)


@functools.cache
def distance(path: Path, target: Path, roots: tuple[Path, ...]) -> int | None:
    """How many imports lead from one file to another; None where none do."""
    seen, reached, steps = {path}, {path}, 0
    while reached and target not in reached:
        steps += 1
        names = {name for each in reached for name in imports(each)}
        reached = {file for name in names for root in roots for file in _files(name, root)} - seen
        seen |= reached
    return steps if reached else None


@functools.cache
def _files(name: str, root: Path) -> list[Path]:
    """The files that run when a module of that name, or what has it, is loaded from a folder."""
    parts = name.split(".")
    folders = [root.joinpath(*parts[: n + 1]) for n in range(len(parts))]
    files = [found for each in folders for found in (each.with_suffix(".py"), each / "__init__.py")]
    return [file for file in files if file.is_file()]


@functools.cache
def imports(path: Path) -> set[str]:
    """The full names of what a file imports when it runs: modules, and names in modules."""
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(path.read_text())]
    for node in waiting:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        waiting.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module))
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


WHOLE_RUNS = {"test_run.py", "test_reinforce_options.py"}
"""Slow, and far from the mathematics: a wrong should be noticed before."""


def objective() -> Project:
    """The mathematics of Cohort, with its own tests, the oracles, and the tests of a step."""
    folders = [ROOT / "tests" / name for name in ("objective", "oracles", "parity", "train")]
    tests = [path for folder in folders for path in sorted(folder.glob("test_*.py"))]
    return Project(
        roots=(ROOT / "src", ROOT),
        package="cohort.objective",
        tests=tuple(path for path in tests if path.name not in WHOLE_RUNS),
        preloaded=(
            "beartype",
            "jaxtyping",
            "hypothesis",
            "torch",
            "torch.distributed.tensor",  # of `torch.testing.assert_close`
            "transformers.models.llama.modeling_llama",
            *(plugin.module for plugin in entry_points(group="pytest11")),
        ),
    )
