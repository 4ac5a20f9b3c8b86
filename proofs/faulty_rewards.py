"""Reward functions that go wrong, each in a way of its own, for one answer in seven.

They are rewards of whole runs (`proofs.reward_faults`): every call returns 1.0 per answer, unless one
of the answers is `bad`. Then the function does what its name says. `EXPECTED` has the kind of failure
that the bad answers must get, and "" where all of them must be scored all the same.
"""

import asyncio
import ctypes
import gc
import json
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from cohort.rewards.outcome import Failed, Unscorable

EXPECTED = {}
"""Name -> the kind that bad answers get, and options."""

CALM = set()
"""Those whose first call goes well."""


def harmless(*, completions, **_):
    return [1.0 for _ in completions]


def bad(text):
    return sum(text.encode()) % 7 == 0


def faulty(kind, *, calm=False, **options):
    """Returns ones, after it has done the fault where an answer is bad. calm: not in its first call,
    since a mistake in a stage's first step ends the run."""

    def made(fault):
        calls = [0]

        def function(*, completions, **_):
            calls[0] += 1
            values = [1.0 for _ in completions]
            if any(map(bad, completions)) and not (calm and calls[0] == 1):
                said = fault(completions)
                values = values if said is None else said
            return values

        function.__name__ = function.__qualname__ = fault.__name__
        EXPECTED[fault.__name__] = (kind, options)
        CALM.update([fault.__name__] if calm else [])
        return function

    return made


def spoilt(completions, value):
    return [value if bad(text) else 1.0 for text in completions]


@faulty("raised", calm=True)
def raises(_):
    raise ValueError("no")


@faulty("raised", calm=True)
def raises_what_cannot_be_shown(_):
    class Odd(Exception):
        def __str__(self):
            raise RuntimeError

    raise Odd


@faulty("raised", calm=True)
def raises_a_group(_):
    raise ExceptionGroup("several", [ValueError("one"), TypeError("two")])


@faulty("raised", calm=True)
def recurses(_):
    recurses(completions=["\x07"])


@faulty("raised", calm=True)
def exits_with_0(_):
    sys.exit(0)


@faulty("raised", calm=True)
def exits_with_text(_):
    raise SystemExit("done")


@faulty("raised", calm=True)
def interrupts(_):
    raise KeyboardInterrupt


@faulty("raised", calm=True)
def ends_a_generator(_):
    raise GeneratorExit


@faulty("raised", calm=True)
def raises_memory_error(_):
    raise MemoryError


@faulty("crashed")
def exits_at_once_with_0(_):
    os._exit(0)


@faulty("crashed")
def exits_at_once_with_3(_):
    os._exit(3)


@faulty("crashed")
def reads_address_0(_):
    ctypes.string_at(0)


@faulty("crashed")
def aborts(_):
    os.abort()


@faulty("crashed")
def kills_itself(_):
    os.kill(os.getpid(), signal.SIGKILL)


@faulty("crashed")
def terminates_itself(_):
    os.kill(os.getpid(), signal.SIGTERM)


@faulty("crashed")
def kills_its_supervisor(_):
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)


@faulty("deadline")
def stops_its_supervisor_and_sleeps(_):
    os.kill(os.getppid(), signal.SIGSTOP)
    time.sleep(60)


@faulty("crashed")
def becomes_another_program(_):
    os.execv("/bin/sleep", ["sleep", "60"])


@faulty("crashed")
def closes_every_file(_):
    os.closerange(0, 256)


@faulty("crashed")
def writes_garbage_to_every_file(_):
    for fd in range(3, 64):
        try:
            os.write(fd, b"\xff" * 64)
        except OSError:
            continue
    time.sleep(60)


@faulty("crashed")
def answers_out_of_turn(_):
    text = json.dumps({"said": [7]}).encode()
    for fd in range(3, 64):
        try:
            os.write(fd, len(text).to_bytes(4, "big") + text[:-1] + b"]")
        except OSError:
            continue
    time.sleep(60)


@faulty("deadline")
def sleeps(_):
    time.sleep(60)


@faulty("deadline")
def spins(_):
    while True:
        pass


@faulty("deadline")
def spins_in_c(_):
    return [9**9**9 % 7]


@faulty("deadline")
def waits_in_c(_):
    ctypes.CDLL(None).pause()
    ctypes.CDLL(None).sleep(60)


@faulty("deadline")
def matches_for_ever(_):
    import re

    re.fullmatch("(a+)+b", "a" * 60)


@faulty("deadline")
def waits_for_a_thread(_):
    thread = threading.Thread(target=time.sleep, args=(60,))
    thread.start()
    thread.join()


@faulty("deadline")
def waits_for_itself(_):
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


@faulty("deadline")
def waits_for_nobody_s_answer(_):
    here, _there = socket.socketpair()
    here.recv(1)


@faulty("deadline")
def waits_for_a_child(_):
    subprocess.run(["sleep", "60"], check=False)


@faulty("deadline")
def ignores_signals_and_sleeps(_):
    for which in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
        signal.signal(which, signal.SIG_IGN)
    time.sleep(60)


@faulty("deadline")
def stops_itself(_):
    os.kill(os.getpid(), signal.SIGSTOP)


@faulty("deadline")
def hides_a_child_in_a_session(_):
    subprocess.Popen(["sleep", "61"], start_new_session=True)
    time.sleep(60)


@faulty("deadline")
def hides_a_grandchild(_):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(61)
        os._exit(0)
    time.sleep(60)


@faulty("deadline")
def catches_everything(_):
    while True:
        try:
            time.sleep(60)
        except BaseException:  # noqa: BLE001  # that is the fault
            continue


async def _never():
    await asyncio.Event().wait()


async def awaits_for_ever(*, completions, **_):
    if any(map(bad, completions)):
        await _never()
    return [1.0 for _ in completions]


async def blocks_its_loop(*, completions, **_):
    if any(map(bad, completions)):
        time.sleep(60)
    return [1.0 for _ in completions]


async def awaits_for_ever_alone(*, completions, **_):
    if bad(completions[0]):
        await _never()
    return [1.0]


EXPECTED["awaits_for_ever"] = ("deadline", {})
EXPECTED["blocks_its_loop"] = ("deadline", {})
EXPECTED["awaits_for_ever_alone"] = ("deadline", {"at_once": 4})


@faulty("memory", memory_mb=512)
def takes_4_gigabytes(_):
    blocks = [b"x" * (64 << 20) for _ in range(64)]
    time.sleep(60)
    return blocks


@faulty("memory", memory_mb=512)
def takes_memory_in_children(_):
    for _ in range(4):
        if os.fork() == 0:
            block = b"x" * (160 << 20)
            time.sleep(60)
            os._exit(len(block) % 1)
    time.sleep(60)


@faulty("processes", processes=8)
def forks_too_often(_):
    for _ in range(12):
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
    time.sleep(60)


@faulty("output", output_kb=1000)
def prints_without_end(_):
    while True:
        print("x" * 10_000)


@faulty("output", output_kb=1000)
def writes_errors_without_end(_):
    while True:
        os.write(2, b"y" * 10_000)


@faulty("invalid", calm=True)
def returns_a_number(_):
    return 0


@faulty("invalid", calm=True)
def returns_one_too_few(completions):
    return [1.0] * (len(completions) - 1)


@faulty("invalid", calm=True)
def returns_one_too_many(completions):
    return [1.0] * (len(completions) + 1)


@faulty("invalid", calm=True)
def returns_text(_):
    return "1.0"


@faulty("invalid", calm=True)
def returns_a_dict(completions):
    return dict.fromkeys(completions, 1.0)


@faulty("invalid", calm=True)
def returns_texts(completions):
    return spoilt(completions, "1.0")


@faulty("invalid", calm=True)
def returns_nan(completions):
    return spoilt(completions, float("nan"))


@faulty("invalid", calm=True)
def returns_infinity(completions):
    import numpy as np

    return spoilt(completions, np.float32("inf"))


@faulty("invalid", calm=True)
def returns_a_huge_number(completions):
    return spoilt(completions, 10**400)


@faulty("invalid", calm=True)
def returns_complex_numbers(completions):
    return spoilt(completions, 1j)


@faulty("invalid", calm=True)
def returns_odd_steps(completions):
    return spoilt(completions, [(-1, 2.0)])


@faulty("invalid", calm=True)
def leaves_its_range(completions):
    return spoilt(completions, 1.5)


leaves_its_range.range = (0.0, 1.0)


@faulty("invalid", calm=True)
def returns_what_cannot_be_shown(completions):
    class Odd:
        def __repr__(self):
            raise RuntimeError

    return spoilt(completions, Odd())


@faulty("unreachable")
def says_that_it_failed(completions):
    return spoilt(completions, Failed("unreachable", "nobody there", retryable=True))


@faulty("unscorable")
def cannot_say(completions):
    return spoilt(completions, Unscorable("it is in another language"))


@faulty("")
def changes_the_folder(_):
    os.chdir(tempfile.gettempdir())


@faulty("")
def changes_the_environment(_):
    os.environ.clear()
    os.environ["PATH"] = "/nowhere"


@faulty("")
def changes_the_seeds(_):
    import numpy as np

    random.seed(0)
    np.random.seed(0)
    np.seterr(all="raise")


@faulty("")
def changes_the_threads(_):
    os.environ["OMP_NUM_THREADS"] = "7"
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    threading.stack_size(1 << 20)
    sys.setswitchinterval(1.0)


@faulty("")
def changes_signal_handlers(_):
    for which in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(which, signal.SIG_IGN)


@faulty("")
def changes_limits(_):
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    gc.disable()
    sys.setrecursionlimit(5000)


@faulty("")
def changes_what_it_is_given(completions):
    completions.clear()


@faulty("")
def closes_its_output(_):
    sys.stdout.close()
    os.closerange(0, 3)


@faulty("")
def returns_twice(_):
    os.fork()


@faulty("")
def leaves_a_thread_behind(_):
    threading.Thread(target=time.sleep, args=(60,)).start()


@faulty("")
def leaves_a_child_behind(_):
    subprocess.Popen(["sleep", "62"], start_new_session=True)


@faulty("")
def prints_a_little(_):
    print("\x1b[2J" + "x" * 1000)
