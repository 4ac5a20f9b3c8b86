"""What holds for the whole source: sizes, names, lightness, the direction of imports."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "cohort").rglob("*.py"))
MOST_FILE_LINES, MOST_FUNCTION_LINES = 400, 60
EMPTY_WORDS = {"utils", "util", "common", "helper", "helpers", "manager"}

every_source = pytest.mark.parametrize(
    "path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src" / "cohort"))
)


@every_source
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_FILE_LINES


@every_source
def test_a_function_fits_on_a_page(path: Path) -> None:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, functions):
            lines = node.end_lineno - node.lineno + 1
            assert lines <= MOST_FUNCTION_LINES, f"{node.name} has {lines} lines"


@every_source
def test_a_file_opens_by_saying_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), "there is no docstring"


@every_source
def test_names_say_what_they_name(path: Path) -> None:
    definitions, others = names_in(ast.parse(path.read_text()))
    for name in [path.stem, *definitions]:
        assert not EMPTY_WORDS & words_of(name), name
    for name in [*definitions, *others]:
        assert "batch_size" not in name.lower(), name


def words_of(name: str) -> set[str]:
    return {word.lower() for word in re.findall("[A-Z]?[a-z]+|[A-Z]+", name)}


def names_in(tree: ast.Module) -> tuple[list[str], list[str]]:
    """The names of functions and classes, and those of parameters and variables."""
    definitions, others = [], []
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            definitions.append(node.name)
        elif isinstance(node, ast.arg):
            others.append(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            others.append(node.id)
    return definitions, others


@pytest.mark.parametrize(
    "module", ["cohort", "cohort.errors", "cohort.config.load", "cohort.train", "cohort.cli.main"]
)
def test_importing_it_loads_no_torch(module: str) -> None:
    assert not loaded_by(f"import {module}") & {"torch", "transformers", "numpy"}


def test_help_loads_neither_torch_nor_pydantic() -> None:
    code = "import sys; sys.argv = ['cohort', '--help']\nfrom cohort.cli.main import app\n"
    code += "try: app()\nexcept SystemExit: pass"
    assert not loaded_by(code) & {"torch", "transformers", "numpy", "pydantic"}


def loaded_by(code: str) -> set[str]:
    """The top-level packages that a fresh interpreter has loaded after some code."""
    code += "\nimport sys; print('\\nLOADED', *{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.splitlines()[-1].split())


def test_imports_point_down() -> None:
    tool = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run(
        [tool, "--no-logo", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout


def test_the_search_for_empty_words_finds_them() -> None:
    tree = ast.parse("class TokenManager: ...\ndef pad_utils(batch_size): n_common = 1")
    assert names_in(tree) == (["TokenManager", "pad_utils"], ["batch_size", "n_common"])
    assert words_of("TokenManager") | words_of("pad_utils") == {"token", "manager", "pad", "utils"}
