"""The command `sandbox`: what it prints, and its exit code."""

import json
from pathlib import Path

from tests.cli.test_main import cohort


def test_a_good_end_is_0_any_other_1_and_none_2(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text("print(int(input()) * 2)")
    (tmp_path / "given").write_text("21\n")
    done = cohort("sandbox", "good.py", "--input", "given", "--json", folder=tmp_path)
    report = json.loads(done.stdout)
    assert (done.returncode, report["end"], report["stdout"]) == (0, "exited", "42\n")
    done = cohort("sandbox", "good.py", folder=tmp_path)
    assert done.returncode == 1
    assert "EOFError" in done.stdout
    assert cohort("sandbox", "good.py", "--tier", "no", folder=tmp_path).returncode == 2


def test_no_control_sequence_reaches_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("print('\\x1b[2J\\x9b\\x07\\u202e')")
    done = cohort("sandbox", "bad.py", "--json", folder=tmp_path)
    assert done.returncode == 0
    assert not {"\x1b", "\x9b", "\x07", "\u202e"} & set(done.stdout)
