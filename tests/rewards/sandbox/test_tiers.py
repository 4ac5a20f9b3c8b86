"""Which tier is taken where, in machines that lack something; none is taken silently for another."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from cohort.cli.main import MOST_LINES, refusal_lines
from cohort.errors import RewardError
from cohort.rewards.sandbox import landlock
from cohort.rewards.sandbox.sandbox import Sandbox
from cohort.rewards.sandbox.tiers import choose
from tests.rewards.sandbox.nobody import run_as_nobody
from tests.rewards.sandbox.programs import python

LACKING = """
import errno, sys
from cohort.errors import RewardError
from cohort.rewards.sandbox import kernel, seccomp
from cohort.rewards.sandbox.syscalls import number

def lack(*names, error):
    program = [(seccomp.LOAD, 0, 0, seccomp.NUMBER)]
    for name in names:
        program += seccomp.refused(name, error)
    seccomp.install([*program, (seccomp.RETURN, 0, 0, seccomp.ALLOW)])

def lack_filters():
    is_prctl = (seccomp.EQUAL, 0, 3, number("prctl"))
    asks = (seccomp.EQUAL, 0, 1, kernel.PR_SET_SECCOMP)
    program = [(seccomp.LOAD, 0, 0, 0), is_prctl, (seccomp.LOAD, 0, 0, 16), asks]
    program += [(seccomp.RETURN, 0, 0, seccomp.ERROR | errno.EINVAL)]
    seccomp.install([*program, (seccomp.RETURN, 0, 0, seccomp.ALLOW)])

def say():
    from cohort.rewards.sandbox.sandbox import Sandbox
    from tests.rewards.sandbox.programs import python
    try:
        box = Sandbox()
    except RewardError as error:
        print("refused:", error.message)
    else:
        print(box.tier, "|", box.choice, "|", box.run(python("print(6 * 7)")).stdout)

"""


def said_here(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LACKING + code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def said_by_nobody(code: str) -> str:
    return run_as_nobody(LACKING + code)


ways = pytest.mark.parametrize("said", [said_here, said_by_nobody])
Said = Callable[[str], str]


@ways
def test_a_machine_with_everything_has_namespaces(alone: Sandbox, said: Said) -> None:
    assert said("say()") == "namespaces | namespaces | b'42\\n'\n"


@ways
def test_without_namespaces_it_is_landlock_and_says_why(single: Sandbox, said: Said) -> None:
    text = said("lack('unshare', error=errno.EPERM); say()")
    assert text.startswith("landlock | landlock (no namespaces: ")
    assert "unshare: Operation not permitted" in text
    assert text.endswith("b'42\\n'\n")


def test_without_landlock_namespaces_still_hold_and_it_is_said(alone: Sandbox) -> None:
    text = said_here("lack('landlock_create_ruleset', error=errno.EOPNOTSUPP); say()")
    assert text.startswith("namespaces | namespaces (no Landlock behind it: ")


@pytest.mark.parametrize(
    "lacking",
    [
        "lack('unshare', 'landlock_create_ruleset', error=errno.ENOSYS)",
        "lack('open_tree', 'landlock_create_ruleset', error=errno.ENOSYS)",
        "lack_filters()",
    ],
)
def test_with_nothing_to_contain_a_program_it_is_refused(lacking: str) -> None:
    lines = said_here(f"{lacking}; say()").splitlines()
    assert lines[0] == "refused: there is no sandbox here to run a program of a model in"
    assert [line.split(":")[0] for line in lines[1:]] == ["namespaces", "landlock"]


def test_a_refusal_fits_a_terminal_and_names_two_ways_out() -> None:
    with pytest.raises(RewardError) as refused:
        choose("", lambda tier: "because\nof " + "this " * 99)
    lines = refusal_lines(refused.value)
    assert len(lines) <= MOST_LINES
    assert "allow" in lines[-2]
    assert "remote" in lines[-1]


def test_what_is_asked_for_is_never_made_do_without() -> None:
    with pytest.raises(RewardError, match="namespaces: off"):
        choose("namespaces", lambda tier: "off" if tier == "namespaces" else "")
    with pytest.raises(RewardError, match="no sandbox tier nonsense"):
        choose("nonsense", lambda tier: "")
    assert choose("landlock", lambda tier: "").missing == {}


@pytest.mark.parametrize("abi", [1, 2, 3, 4, 5, 6])
def test_an_older_landlock_holds_as_well(
    single: Sandbox, abi: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if landlock.version() < abi:
        pytest.skip(f"this kernel has version {landlock.version()} of Landlock")
    monkeypatch.setattr(landlock, "version", lambda: abi)
    code = "import os\nfor path in ('/tmp/x', __file__, '/dev/null'):\n"
    code += " for how in (os.O_WRONLY, os.O_RDONLY | os.O_TRUNC, os.O_CREAT | os.O_RDWR):\n"
    code += "  try: os.open(path, how); print(path)\n  except OSError: pass\n"
    code += " try: os.truncate(path, 0); print('cut', path)\n except OSError: pass\n"
    lines = single.run(python(code)).stdout.split()
    assert set(lines) <= {b"/dev/null"}
    assert lines
