"""The command as a person meets it: stdout, stderr, exit codes, six lines."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cohort import __version__
from cohort.cli.main import MOST_LINES, refusal_lines
from cohort.errors import CohortError, Interrupted

CODE = "import sys; sys.argv[0] = 'cohort'; from cohort.cli.main import run; run()"


def cohort(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CODE, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_help_goes_to_stdout_and_lists_every_command() -> None:
    done = cohort("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("train", "eval", "sample", "show", "report", "recipes", "algorithms"):
        assert name in done.stdout


def test_the_version_is_the_package_s() -> None:
    assert cohort("--version").stdout == f"cohort {__version__}\n"


def test_a_dry_run_prints_a_recipe_that_is_read_again(tmp_path: Path) -> None:
    first = cohort("train", "chain", "--dry-run", "--set", "stage.0.steps=50")
    (tmp_path / "mine.toml").write_text(first.stdout)
    again = cohort("train", "mine.toml", "--dry-run", folder=tmp_path)
    assert "steps = 50" in first.stdout
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.toml"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "chian"], "did you mean chain?"),
        (["train", "chain", "--set", "stage.0.stpes=5"], "did you mean stage.0.steps?"),
        (["train", "chain", "--set", "stage.2.rollouts_per_prompt=1"], "a group of one"),
        (["recipes", "copy", "chian"], "did you mean chain?"),
        (["recipes", "copy"], "cohort recipes copy NAME"),
        (["recipes", "remove", "chain"], "not: remove chain"),
        (["trian", "chain"], "train"),
        (["train", "chain", "--dryrun"], "--dry-run"),
        (["train"], "no recipe is given"),
        (["eval", "model", "--rewards", "correct"], "--problems"),
        (["sample", "model", "hello", "--count", "0"], "--count"),
    ],
)
def test_a_mistake_ends_with_2_and_at_most_six_lines(arguments: list[str], words: str) -> None:
    done = cohort(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert len(done.stderr.splitlines()) <= MOST_LINES


@pytest.mark.parametrize("place", [0, 2])
def test_verbose_adds_the_traceback_wherever_it_stands(place: int) -> None:
    arguments = ["train", "chian"]
    arguments.insert(place, "-v")
    done = cohort(*arguments)
    assert "Traceback" in done.stderr
    assert done.stderr.endswith("error: there is no recipe chian\nhint: did you mean chain?\n")


def test_a_refusal_is_cut_at_six_lines_and_keeps_its_hint() -> None:
    lines = refusal_lines(CohortError("\n".join(["line"] * 20), "the remedy"))
    assert len(lines) == MOST_LINES
    assert lines[-1] == "hint: the remedy"


def test_an_interruption_has_the_exit_code_of_one() -> None:
    assert Interrupted("stopped after step 3").exit_code == 130


def test_a_closed_pipe_is_not_an_error_message() -> None:
    arguments = [sys.executable, "-c", CODE, "train", "chain", "--dry-run"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_recipes_are_listed_with_what_they_do() -> None:
    lines = cohort("recipes").stdout.splitlines()
    assert any(line.startswith("chain ") and len(line) > 40 for line in lines)


def test_a_recipe_is_copied_with_the_problems_beside_it(tmp_path: Path) -> None:
    done = cohort("recipes", "copy", "happy", folder=tmp_path)
    assert done.stdout == "happy.toml\n"
    assert {path.name for path in tmp_path.iterdir()} == {"happy.toml", "stories.jsonl"}


def test_copying_never_writes_over_a_file(tmp_path: Path) -> None:
    (tmp_path / "chain.toml").write_text("mine")
    done = cohort("recipes", "copy", "chain", folder=tmp_path)
    assert done.returncode == 2
    assert (tmp_path / "chain.toml").read_text() == "mine"


def test_algorithms_are_listed_with_their_papers() -> None:
    listed = cohort("algorithms").stdout
    assert re.search(r"^grpo +group-deviation +rollout +clip +.*2402.03300", listed, re.MULTILINE)
    assert re.search(r"^gspo +.*sequence-clip +.*2507.18071", listed, re.MULTILINE)
    one = cohort("algorithms", "dr-grpo").stdout
    assert "loss = sum over sampled tokens of w_t L_t\n" in one
    assert "differs from grpo: advantage = group-mean, weight = budget, beta = 0" in one
    assert cohort("algorithms", "gropo").returncode == 2


def test_output_that_nobody_reads_ends_with_141_and_without_a_word() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", CODE, "recipes"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")
