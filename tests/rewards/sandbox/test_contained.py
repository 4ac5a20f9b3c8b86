"""What was once a hole, each as a program: it must fail, and what it wanted must not be there."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cohort.rewards.sandbox.place import ENVIRONMENT
from cohort.rewards.sandbox.program import Program
from cohort.rewards.sandbox.sandbox import Sandbox
from tests.rewards.sandbox.programs import python

NOTHING = """
import ctypes, os, sys
def attempt(what):
    try:
        result = what()
    except (OSError, ValueError) as error:
        return
    print("escaped:", what, result)
libc = ctypes.CDLL(None, use_errno=True)
def call(*words):
    if libc.syscall(*words) == -1:
        raise OSError(ctypes.get_errno(), "refused")
"""

FORBIDDEN = {
    "a socket": "import socket; attempt(socket.socket)",
    "datagrams": "import socket; attempt(lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))",
    "a namespace": "attempt(lambda: call(272, 0x10000000))",
    "a namespace by clone": "attempt(lambda: call(56, 0x10000011, 0, 0, 0, 0))",
    "clone3": "attempt(lambda: call(435, 0, 88))",
    "io_uring": "attempt(lambda: call(425, 1, bytes(120)))",
    "bpf": "attempt(lambda: call(321, 0, 0, 0))",
    "keys": "attempt(lambda: call(250, 0, -3, 0))",
    "a debugger": "attempt(lambda: call(101, 0, 0, 0, 0))",
    "limits of others": "import resource; attempt(lambda: resource.prlimit(1, resource.RLIMIT_CPU))",
    "priority": "attempt(lambda: os.setpriority(os.PRIO_PROCESS, 0, 5))",
    "affinity": "attempt(lambda: os.sched_setaffinity(0, {0}))",
    "signals by files": "import fcntl; attempt(lambda: fcntl.fcntl(0, fcntl.F_SETOWN, 1))",
    "uncounted memory": "import mmap; attempt(lambda: mmap.mmap(-1, 4096))",
    "memory files": "attempt(lambda: os.memfd_create('x'))",
    "watching": "attempt(lambda: call(294, 0))",
    "typing into a terminal": "import fcntl; attempt(lambda: fcntl.ioctl(0, 0x5412, b'x'))",
    "root": "attempt(lambda: os.setuid(0))",
    "the machine's files": "attempt(lambda: os.listdir('/home')); attempt(lambda: open('/etc/passwd'))",
    "writing": "attempt(lambda: open('/usr/x', 'w')); attempt(lambda: open('/x', 'w'))",
    "a path to import from": "print(*(p for p in sys.path if os.access(p, os.W_OK)))",
    "more of a limit": "import resource as r; attempt(lambda: r.setrlimit(r.RLIMIT_AS, (2**60, 2**60)))",
}

METADATA = {
    "permissions": "attempt(lambda: os.chmod('/dev/null', 0o777)); attempt(lambda: os.chmod(PATH, 0))",
    "times": "attempt(lambda: os.utime(PATH, (0, 0)))",
    "attributes": "attempt(lambda: os.setxattr(PATH, 'user.x', b'y'))",
    "owners": "attempt(lambda: os.chown(PATH, 0, 0))",
    "length": "attempt(lambda: os.truncate(PATH, 0)); attempt(lambda: open(PATH, 'w'))",
    "name": "attempt(lambda: os.rename(PATH, PATH + 'x')); attempt(lambda: os.remove(PATH))",
    "links": "attempt(lambda: os.link(PATH, '/tmp/x')); attempt(lambda: os.symlink(PATH, PATH + 's'))",
    "locks": "import fcntl; attempt(lambda: fcntl.flock(os.open(PATH, 0), fcntl.LOCK_EX | fcntl.LOCK_NB))",
    "reading": "attempt(lambda: open(PATH).read())",
    "neighbours": "attempt(lambda: os.kill(VICTIM, 0)); attempt(lambda: os.killpg(VICTIM, 9))",
    "their memory": "attempt(lambda: open(f'/proc/{VICTIM}/mem', 'r+b')); "
    "attempt(lambda: open(f'/proc/{VICTIM}/environ'))",
}

intel = pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of calls are of x86_64")


@intel
def test_what_is_forbidden_fails(sandbox: Sandbox) -> None:
    report = sandbox.run(python("\n".join((NOTHING, *FORBIDDEN.values(), "print('done')"))))
    assert report.stdout == b"\ndone\n", report


def test_the_environment_holds_only_what_it_needs(sandbox: Sandbox) -> None:
    names = sandbox.run(python("import os; print(*os.environ)")).stdout.decode().split()
    assert set(names) == ENVIRONMENT.keys()


def test_files_and_neighbours_outside_are_not_touched(sandbox: Sandbox, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the answer")
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o777)
    secret.chmod(0o666)
    before = secret.stat()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as victim:
        head = f"{NOTHING}\nPATH, VICTIM = {str(secret)!r}, {victim.pid}"
        report = sandbox.run(python("\n".join((head, *METADATA.values(), "print('done')"))))
        assert report.stdout == b"done\n", report
        assert victim.poll() is None
        victim.communicate(b"\n")
    after = secret.stat()
    assert secret.read_text() == "the answer"
    assert (after.st_mode, after.st_mtime_ns, after.st_uid) == (
        before.st_mode,
        before.st_mtime_ns,
        before.st_uid,
    )


def test_no_socket_of_ours_is_reached(sandbox: Sandbox) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind("\0cohort-test-heard")
        heard.setblocking(False)
        code = "import socket; a, b = socket.socketpair(); a.sendall(b'x'); print(b.recv(1))\n"
        code += "b.sendto(b'x', '\\0cohort-test-heard')"
        report = sandbox.run(python(code))
        assert report.stdout == b"b'x'\n"
        assert report.code == 1
        with pytest.raises(BlockingIOError):
            heard.recv(1)


def test_a_descriptor_of_the_starter_is_not_inherited(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("the answer")
    descriptor = os.open(tmp_path / "secret", os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    code = (
        "import os\nfor n in range(3, 300):\n try: print(n, os.read(n, 99))\n except OSError: pass"
    )
    assert sandbox.run(python(code)).stdout == b""
    os.close(descriptor)


def test_the_first_process_shows_nothing_inside(alone: Sandbox) -> None:
    code = "print(open('/proc/1/cmdline').read().strip('\\0'))\n"
    code += "import os\nfor name in ('environ', 'maps', 'mem'):\n"
    code += " try: open(f'/proc/1/{name}').read(); print(name)\n except OSError: pass\n"
    code += "try: os.listdir('/proc/1/fd'); print('fd')\nexcept OSError: pass\n"
    assert alone.run(python(code)).stdout == b"\n"


def test_a_readable_folder_is_read_and_not_written(sandbox: Sandbox, tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    (tmp_path / "mine.py").write_text("print('imported')")
    code = f"import sys; sys.path.append({str(tmp_path)!r}); import mine; open({str(tmp_path)!r} + '/x', 'w')"
    program = Program(files={"main.py": code.encode()}, readable=(tmp_path,))
    report = sandbox.run(program)
    assert (report.stdout, report.code) == (b"imported\n", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


def test_hashes_do_not_depend_on_the_run(sandbox: Sandbox) -> None:
    program = python("print(hash('a'), {'x', 'y', 'z'})")
    assert sandbox.run(program).stdout == sandbox.run(program).stdout
