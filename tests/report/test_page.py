"""The page's source: it makes no markup of text, needs nothing of others, and joins into one script."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cohort.report.page.files import FIRST, bundle, files

MODULES = sorted(name for name in files() if name.endswith(".js"))
NODE = shutil.which("node")
MOST_LINES = 400


@pytest.mark.parametrize("name", MODULES)
def test_no_module_can_make_markup_or_code_of_text(name: str) -> None:
    source = files()[name][0]
    for word in (
        r"\.innerHTML", r"\.outerHTML", "insertAdjacentHTML", r"document\.write", "DOMParser", "srcdoc",
        "createContextualFragment", r"\beval\b", r"new Function", "setTimeout\\([\"'`]", "javascript:",
        "setHTML",
    ):  # fmt: skip
        assert not re.search(word, source), word


@pytest.mark.parametrize("name", sorted(files()))
def test_no_file_of_the_page_asks_anything_of_others(name: str) -> None:
    addresses = set(re.findall(r"\w+://[\w./]+", files()[name][0]))
    assert addresses <= {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("name", sorted(files()))
def test_a_file_of_the_page_can_be_read_in_one_sitting(name: str) -> None:
    assert len(files()[name][0].splitlines()) <= MOST_LINES


def test_a_style_is_never_written_into_an_element() -> None:
    assert not any("style:" in files()[name][0] for name in MODULES)


def test_every_module_is_joined_once_and_after_what_it_needs() -> None:
    script = bundle(files())
    order = re.findall(r"^const of_(\w+) = ", script, re.MULTILINE)
    assert sorted(f"{name}.js" for name in order) == MODULES
    assert order[-1] == FIRST.removesuffix(".js")
    for place, name in enumerate(order):
        needed = re.findall(
            r"= of_(\w+);", script.split(f"const of_{name} = ")[1].split("\nconst of_")[0]
        )
        assert set(needed) <= set(order[:place]), name


def test_nothing_of_modules_is_left_in_the_joined_script() -> None:
    script = bundle(files())
    assert not re.search(r"^(import|export) ", script, re.MULTILINE)
    assert "</script" not in script.lower()


@pytest.mark.skipif(NODE is None, reason="there is no Node to check the script's grammar with")
def test_the_joined_script_is_one_that_parses(tmp_path: Path) -> None:
    (tmp_path / "page.js").write_text(bundle(files()))
    assert NODE is not None
    subprocess.run([NODE, "--check", tmp_path / "page.js"], check=True, timeout=60)
