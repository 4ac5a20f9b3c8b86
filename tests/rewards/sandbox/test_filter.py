"""The filter, read by a machine of a few lines: what it says of calls that no test could make here."""

import errno
import os

import pytest

from cohort.rewards.sandbox import seccomp
from cohort.rewards.sandbox.seatbelt import profile
from cohort.rewards.sandbox.seccomp import Bare, Instruction
from cohort.rewards.sandbox.syscalls import ARCHITECTURES, FORBIDDEN, machine, number

REFUSED, MISSING = seccomp.ERROR | errno.EPERM, seccomp.ERROR | errno.ENOSYS
HERE = ARCHITECTURES.get(machine(), 0)


def verdict(program: list[Instruction], arch: int, call: int, *arguments: int) -> int:
    words = {0: call, 4: arch} | {16 + 8 * at: value for at, value in enumerate(arguments)}
    at = value = 0
    while True:
        code, if_true, if_false, operand = program[at]
        at += 1
        if code == seccomp.LOAD:
            value = words.get(operand, 0)
        elif code == seccomp.AND:
            value &= operand
        elif code == seccomp.RETURN:
            return operand
        else:
            tests = {
                seccomp.EQUAL: value == operand,
                seccomp.AT_LEAST: value >= operand,
                seccomp.MORE: value > operand,
                seccomp.SET: bool(value & operand),
            }
            at += if_true if tests[code] else if_false


@pytest.mark.parametrize("bare", [None, Bare(77, truncation=True)])
def test_every_forbidden_call_is_refused_and_later_ones_are_missing(bare: Bare | None) -> None:
    program = seccomp.instructions(bare)
    for name in FORBIDDEN:
        if number(name) >= 0:
            assert verdict(program, HERE, number(name)) == REFUSED, name
    assert verdict(program, HERE, number("clone3")) == MISSING
    assert verdict(program, HERE, 463) == MISSING
    assert verdict(program, HERE, 2**29) == MISSING


def test_another_architecture_ends_the_process() -> None:
    program = seccomp.instructions(None)
    for arch in (0x40000003, 0, *(set(ARCHITECTURES.values()) - {HERE})):
        assert verdict(program, arch, 1) == seccomp.KILL
    if machine() == "x86_64":
        assert verdict(program, HERE, seccomp.X32 | 1) == seccomp.KILL


@pytest.mark.parametrize(
    ("name", "arguments", "allowed", "allowed_bare"),
    [
        ("clone", (0x003D0F00,), True, True),
        ("clone", (17,), True, False),
        ("clone", (0x10000 | 0x10000000,), False, False),
        ("mmap", (0, 0, 3, 0x22), True, True),
        ("mmap", (0, 0, 3, 0x21), False, False),
        ("mmap", (0, 0, 3, 0x23), False, False),
        ("mmap", (0, 0, 3, 0x01), True, True),
        ("mmap", (0, 0, 3, 0x40022), False, False),
        ("prlimit64", (0,), True, True),
        ("prlimit64", (1,), False, False),
        ("socketpair", (1, 1 | os.O_CLOEXEC), True, True),
        ("socketpair", (1, 2), False, False),
        ("socketpair", (1, 5), False, False),
        ("socketpair", (2, 1), False, False),
        ("kill", (77, 9), True, True),
        ("kill", (78, 9), True, False),
        ("tgkill", (77, 80, 6), True, True),
        ("tgkill", (1, 1, 9), True, False),
        ("fcntl", (0, 8), False, False),
        ("fcntl", (0, 6), True, False),
        ("ioctl", (0, 0x5412), False, False),
        ("ioctl", (0, 0x5413), True, True),
        ("prctl", (15,), True, True),
        ("prctl", (1,), False, False),
    ],
)
def test_calls_are_judged_by_what_they_ask(
    name: str, arguments: tuple[int, ...], allowed: bool, allowed_bare: bool
) -> None:
    for bare, wanted in ((None, allowed), (Bare(77, truncation=True), allowed_bare)):
        program = seccomp.instructions(bare)
        got = verdict(program, HERE, number(name), *arguments)
        assert got == (seccomp.ALLOW if wanted else REFUSED)


def test_truncation_is_refused_where_landlock_does_not_know_it() -> None:
    for knows, wanted in ((True, seccomp.ALLOW), (False, REFUSED)):
        program = seccomp.instructions(Bare(77, truncation=knows))
        assert verdict(program, HERE, number("openat"), 0, 0, os.O_TRUNC) == wanted


def test_a_path_cannot_end_its_place_in_the_profile_of_macos() -> None:
    text = profile(['/a"b) (allow default'])
    assert '(subpath "/a\\"b) (allow default")' in text
    assert text.startswith("(version 1)\n(deny default)\n")
