"""`python -m tests.attacks.planted`: escapes that are none, for the harness to notice.

A sandbox that holds nothing runs programs that do no harm: what they touch was put there for them.
It refuses every other program. What the harness says of each is printed as JSON.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from cohort.rewards.sandbox.program import Program, Report
from tests.attacks.harness import run_all
from tests.attacks.runner import Attack

START = "import os, sys, time\nsys.path.insert(0, '.')\nfrom lever import AT\n"

PLANTED = {
    "does_nothing": "",
    "says_so": "print('ESCAPED: in words')",
    "prints_a_secret": "print(open(AT.public).read())",
    "prints_a_secret_of_a_neighbour": (
        "print(open(f'/proc/{AT.victims[0][\"pid\"]}/cmdline').read().replace('\\0', ' '))"
    ),
    "reads_an_inherited_file": (
        "import glob\nfor n in range(3, 64):\n try: print(os.pread(n, 99, 0))\n except OSError: pass"
    ),
    "makes_a_file": "open(AT.outside + '/' + AT.mark, 'w')",
    "changes_a_file": "open(AT.script, 'a').write('x')",
    "changes_a_mode": "os.chmod(AT.public, 0o600)",
    "leaves_a_file": "open(AT.tmp + '/left', 'w')",
    "connects": "import socket; socket.create_connection(('127.0.0.1', AT.tcp_port))",
    "sends": (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "s.sendto(b'x', ('127.0.0.1', AT.udp_port))"
    ),
    "speaks": "import socket; socket.socket(socket.AF_UNIX).connect('\\0' + AT.abstract)",
    "signals": "os.kill(AT.victims[0]['pid'], 10)",
    "ends_a_neighbour": "os.kill(AT.victims[0]['pid'], 9)",
    "renices": "os.setpriority(os.PRIO_PROCESS, AT.victims[0]['pid'], 1)",
    "leaves_a_process": (
        "if os.fork() == 0:\n os.setsid(); os.closerange(0, 3); time.sleep(4); os._exit(0)"
    ),
    "ends_who_runs_it": "os.kill(os.getppid(), 9)",
    "prints_too_much": "sys.stdout.write('x' * 2**21)",
    "does_not_work": "WORKS = True",
    "ends_otherwise": "ENDS = ('exited', 3)",
}
"""What each does; all but the first must be told to have escaped."""


def texts() -> dict[str, bytes]:
    """The planted programs, by name."""
    return {name: (START + text + "\n").encode() for name, text in PLANTED.items()}


class HoldsNothing:
    """Runs planted programs, as they are; raises ValueError for any other."""

    def run(self, program: Program) -> Report:
        text = program.files["main.py"]
        if text != b"pass" and text not in texts().values():
            raise ValueError("this is no planted program: it would run without a sandbox")
        with tempfile.TemporaryDirectory() as folder:
            for name, content in program.files.items():
                Path(folder, name).write_bytes(content)
            Path(folder, "main.py").rename(Path(folder, "planted.py"))
            done = subprocess.run(
                [sys.executable, "-I", "-S", "-B", "planted.py"],
                cwd=folder,
                capture_output=True,
                check=False,
                close_fds=False,
                timeout=20,
            )
        return Report(
            end="exited" if done.returncode >= 0 else "signal",
            code=abs(done.returncode),
            stdout=done.stdout,
            stderr=done.stderr,
            seconds=0.0,
            peak_memory_bytes=0,
            tier="none",
        )


def main() -> None:
    """Run them and print what the harness says of each."""
    attacks = []
    for name, text in texts().items():
        attack = Attack(name, text)
        if name == "does_not_work":
            attack = dataclasses.replace(attack, works=True)
        if name == "ends_otherwise":
            attack = dataclasses.replace(attack, ends=("exited", 3))
        attacks.append(attack)
    outcomes = run_all(attacks, HoldsNothing, None)
    print(json.dumps({outcome.name: outcome.escapes for outcome in outcomes}))


if __name__ == "__main__":
    main()
