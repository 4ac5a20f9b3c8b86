"""What is left of a sandbox: nothing, whoever ends first, and whatever its starter is like."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from cohort.rewards.sandbox.landlocked import PREFIX, remove_leftovers
from cohort.rewards.sandbox.place import temporary
from cohort.rewards.sandbox.sandbox import Sandbox
from tests.rewards.sandbox.programs import descriptors, family, python

STARTER = """
import sys
from cohort.rewards.sandbox.sandbox import Sandbox
from tests.rewards.sandbox.programs import python
session = Sandbox(sys.argv[1]).start(python("import time; print('up', flush=True); time.sleep(60)"))
print(session.receive_line(20), flush=True)
session.receive_line(60)
"""
CALM_SECONDS = 1.0


def gone(pids: set[int]) -> bool:
    """Whether processes are gone within a second; orphans are then the system's to bury."""
    began = time.monotonic()
    while time.monotonic() - began < CALM_SECONDS:
        if not any(is_alive(pid) for pid in pids):
            return True
        time.sleep(0.01)
    return False


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def folders(launchers: set[int]) -> list[str]:
    starts = tuple(f"{PREFIX}{launcher}-" for launcher in launchers)
    return [name for name in os.listdir(temporary()) if name.startswith(starts)]


def test_nothing_is_left_of_fifty_runs(sandbox: Sandbox) -> None:
    sandbox.run(python("pass"))
    mounts = Path("/proc/self/mountinfo").read_text()
    before, launcher = descriptors(), family(os.getpid())
    for number in range(50):
        sandbox.run(python(f"open('/dev/null').read(); print({number})"))
    assert descriptors() == before
    assert gone(family(os.getpid()) - launcher)
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert folders(launcher) == []


def test_what_a_program_leaves_behind_ends_with_it(alone: Sandbox) -> None:
    alone.run(python("pass"))
    launcher = family(os.getpid())
    code = "import os, signal, time\nfor n in range(5):\n if os.fork() == 0:\n"
    code += "  os.setsid(); signal.signal(15, signal.SIG_IGN); time.sleep(60)"
    assert alone.run(python(code)).end == "exited"
    assert family(os.getpid()) <= launcher


def test_a_sandbox_dies_with_the_process_that_started_it(sandbox: Sandbox) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, sandbox.tier], stdout=subprocess.PIPE
    ) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"b'up'\n"
        everybody = family(starter.pid)
        assert len(everybody) >= 3
        starter.kill()
        assert gone(everybody)
    assert folders(everybody) == []


def test_a_sandbox_dies_with_its_launcher_and_starts_again(sandbox: Sandbox) -> None:
    before = family(os.getpid())
    box = Sandbox(sandbox.tier)
    session = box.start(python("import time; time.sleep(60)"))
    added = family(os.getpid()) - before
    below = {pid for child in added for pid in family(child)}
    (launcher,) = added - below
    os.kill(launcher, signal.SIGKILL)
    assert session.finish().end != "exited"
    assert gone(below)
    assert box.run(python("print(1)")).stdout == b"1\n"
    box.close()


def test_work_folders_whose_owner_was_killed_are_removed(tmp_path: Path) -> None:
    for name in (f"{PREFIX}4194305-4194306", f"{PREFIX}{os.getpid()}-4194306", "another"):
        (tmp_path / name).mkdir()
    remove_leftovers(str(tmp_path))
    assert sorted(os.listdir(tmp_path)) == ["another", f"{PREFIX}{os.getpid()}-4194306"]


def test_threads_share_a_sandbox(sandbox: Sandbox) -> None:
    answers: list[bytes] = []

    def ask(number: int) -> None:
        answers.append(sandbox.run(python(f"print({number})")).stdout)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [b"%d\n" % number for number in range(6)]


def test_a_forked_child_has_a_launcher_of_its_own() -> None:
    code = "import os\nfrom cohort.rewards.sandbox.sandbox import Sandbox\n"
    code += "from tests.rewards.sandbox.programs import python\nbox = Sandbox()\n"
    code += "box.run(python('pass'))\n"
    code += "if os.fork() == 0: print(box.run(python('print(1)')).stdout); os._exit(0)\n"
    code += "os.wait(); print(box.run(python('print(2)')).stdout)"
    done = subprocess.run(
        [sys.executable, "-u", "-W", "error", "-c", code],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == (b"b'1\\n'\nb'2\\n'\n", b"")


def test_a_fork_that_lives_on_does_not_hold_the_launcher() -> None:
    code = "import os, signal, sys, time\nfrom cohort.rewards.sandbox.sandbox import Sandbox\n"
    code += "from tests.rewards.sandbox.programs import python\nbox = Sandbox()\n"
    code += (
        "box.run(python('pass'))\nchild = os.fork()\nif child == 0: time.sleep(30); os._exit(0)\n"
    )
    code += "began = time.monotonic(); box.close(); print(time.monotonic() - began < 3)\n"
    code += "os.kill(child, signal.SIGKILL); os.wait()\nif os.fork() == 0: sys.exit()\nos.wait()"
    done = subprocess.run(
        [sys.executable, "-u", "-W", "error", "-c", code],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == (b"True\n", b"")
