"""The generated pages are fresh, and what the README tells a person to type exists."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from cohort.cli.main import app
from cohort.config.load import read_recipe
from cohort.objective.presets import ALGORITHMS
from cohort.rewards.functions import RewardFunction
from cohort.rewards.score import score_groups
from tests.tiny import group

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_the_generated_pages_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_the_demo_is_named_by_line_20() -> None:
    assert "make demo" in "\n".join(README.splitlines()[:20])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    asked = re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)
    assert set(asked) <= set(targets)
    asked = re.findall(r"(?:^|`)cohort ([a-z]+)", text, re.MULTILINE)
    assert set(asked) <= set(get_command(app).commands)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_readme_has_every_algorithm_and_every_room() -> None:
    rooms = [path.parent.name for path in (ROOT / "src" / "cohort").glob("*/__init__.py")]
    assert all(f"-- {room}/" in README for room in rooms)
    assert all(f"| [`{name}`]" in README for name in ALGORITHMS)


TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TUTORIAL, re.DOTALL)


def test_the_recipe_of_the_tutorial_is_a_recipe() -> None:
    (block,) = _blocks("toml")
    recipe = read_recipe(tomllib.loads(block), source="tutorial")
    assert recipe.stage[0].kind == "reinforce"


def test_the_reward_of_the_tutorial_is_a_reward() -> None:
    names: dict[str, Any] = {}
    exec(_blocks("python")[0], names)
    reward = RewardFunction("brevity", 1.0, names["brevity"])
    (scored,) = score_groups([group([None, None])], [reward])
    assert scored.rewards == (0.96, 0.96)
