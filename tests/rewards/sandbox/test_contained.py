"""What was once a hole, each as a program: it must fail, and what it wanted must not be there."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from cohort.rewards.sandbox.place import ENVIRONMENT
from cohort.rewards.sandbox.program import Program
from cohort.rewards.sandbox.sandbox import Sandbox
from tests.rewards.sandbox.programs import python

NOTHING = """
import ctypes, os, struct, sys
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
    "locks": "import fcntl; attempt(lambda: fcntl.flock(os.open(os.__file__, 0), fcntl.LOCK_SH))",
    "locks of ranges": "attempt(lambda: fcntl.lockf(os.open(os.__file__, 0), fcntl.LOCK_SH))",
    "seeing locks": "attempt(lambda: fcntl.fcntl(os.open(os.__file__, 0), fcntl.F_GETLK, bytes(32)))",
    "larger buffers": "import socket; a, b = socket.socketpair(); "
    "attempt(lambda: a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 10**6)); "
    "attempt(lambda: a.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 10**6))",
    "pages in pipes": "r, w = os.pipe(); attempt(lambda: call(278, w, 0, 0, 0)); "
    "attempt(lambda: os.splice(r, w, 1)); attempt(lambda: call(276, r, w, 1, 0))",
    "pages in sockets": "attempt(lambda: os.sendfile(a.fileno(), os.open(os.__file__, 0), 0, 1))",
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
    "what is in attributes": "attempt(lambda: os.getxattr(PATH, 'user.a')); "
    "attempt(lambda: os.listxattr(PATH))",
    "where links lead": "attempt(lambda: os.readlink(PATH + '.link'))",
    "sessions": "attempt(lambda: os.getsid(VICTIM)); attempt(lambda: os.getpgid(VICTIM))",
    "schedules": "attempt(lambda: os.sched_getaffinity(VICTIM)); "
    "attempt(lambda: os.sched_getscheduler(VICTIM)); attempt(lambda: os.getpriority(0, VICTIM))",
    "clocks": "import time; attempt(lambda: time.clock_gettime(~VICTIM << 3 | 2))",
    "rights": "attempt(lambda: call(125, struct.pack('Ii', 0x20080522, VICTIM), bytes(24)))",
    "neighbours": "attempt(lambda: os.kill(VICTIM, 0)); attempt(lambda: os.killpg(VICTIM, 9))",
    "their memory": "attempt(lambda: open(f'/proc/{VICTIM}/mem', 'r+b')); "
    "attempt(lambda: open(f'/proc/{VICTIM}/environ'))",
}

PAIR = """
import socket
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
for at, name in enumerate(NAMES):
    a.sendto(b'to %d' % at, name)
    attempt(lambda: a.connect(name))
    attempt(lambda: a.connect_ex(name) and call(42, -1, 0, 0))
attempt(lambda: a.bind('')); attempt(a.listen); attempt(a.accept)
print(*(b.recv(9) for _ in NAMES))
b.close()
attempt(lambda: a.sendto(b'late', NAMES[0])); attempt(lambda: a.connect(NAMES[0]))
"""
"""An address that is said is not heard; nor is it when the peer has gone."""

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
    (tmp_path / "secret.link").symlink_to("the answer")
    with contextlib.suppress(OSError):  # not every file system has attributes
        os.setxattr(secret, "user.a", b"the answer")
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


def test_a_pair_of_messages_has_no_peer_but_its_own(sandbox: Sandbox, tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o777)
    names = ["\0cohort-test-pair", str(tmp_path / "s"), "\0cohort-test-heard", str(tmp_path / "d")]
    kinds = [socket.SOCK_SEQPACKET] * 2 + [socket.SOCK_DGRAM] * 2
    with contextlib.ExitStack() as stack:
        heard = [stack.enter_context(socket.socket(socket.AF_UNIX, kind)) for kind in kinds]
        for listener, name in zip(heard, names, strict=True):
            listener.bind(name)
            listener.setblocking(False)
        heard[0].listen()
        heard[1].listen()
        for name in names[1::2]:
            os.chmod(name, 0o777)
        report = sandbox.run(python(f"{NOTHING}\nNAMES = {names!r}\n{PAIR}"))
        assert report.stdout == b"b'to 0' b'to 1' b'to 2' b'to 3'\n", report
        for listener in heard:
            with pytest.raises(BlockingIOError):
                listener.accept() if listener in heard[:2] else listener.recv(9)


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
    ours = Path(tempfile.gettempdir())
    for folder in (tmp_path, *tmp_path.parents):
        if folder == ours or ours not in folder.parents:
            break
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
