"""The reward `math`: where the answer is looked for, and who decides."""

from __future__ import annotations

import sys
import threading
import time

import pytest

from cohort.errors import MissingExtraError
from cohort.rewards.built_in import BUILT_IN
from cohort.rewards.math import second
from cohort.rewards.math.reward import equal_mathematics, final
from cohort.rewards.outcome import Unscorable

UNKNOWN = r"\int_0^1 x dx"
"""What only math-verify reads."""


def said(text: str, gold: object, **options: object) -> float | Unscorable:
    return equal_mathematics(completions=[text], answer=[gold], **options)[0]


@pytest.fixture
def installed() -> None:
    pytest.importorskip("math_verify")


def test_it_is_a_built_in_reward() -> None:
    assert BUILT_IN["math"] is equal_mathematics


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"so \boxed{\frac{1}{2}} and 7", r"\frac{1}{2}"),
        (r"<answer>it is \boxed{7}</answer>", "7"),
        (r"the area is $\frac{3}{4}$.", r"\frac{3}{4}"),
        (r"hence \(x = 3\)", "x = 3"),
        (r"$x=3$, so we need 4", "4"),
        ("from $5 to $10", "$10"),
        ("<think>$9$</think> so 8", "8"),
        ("<think>the answer is $9$", None),
        ("a" * 1_000_001 + r"\boxed{1}", None),
        ("nothing", None),
    ],
)
def test_the_answer_is_found(text: str, answer: str | None) -> None:
    assert final(text) == answer


def test_golds_may_be_numbers_texts_and_whole_solutions() -> None:
    for gold in (18, 18.0, "18", "9 + 9 is 18\n#### 18", r"thus \boxed{18}", "36/2"):
        assert said(r"\boxed{18}", gold) == 1.0
        assert said(r"\boxed{19}", gold) == 0.0
    assert said("18", None) == Unscorable("the problem has no gold answer")


def test_places_and_second_opinion_change_what_is_said(installed: None) -> None:
    assert said("0.33", "1/3", places=2) == 1.0
    assert said("0.33", "1/3") == 0.0
    assert said(r"\boxed{0.5}", UNKNOWN) == 1.0
    assert isinstance(said(r"\boxed{0.5}", UNKNOWN, second_opinion=False), Unscorable)


def test_the_second_opinion_decides_and_nobody_is_unscorable(installed: None) -> None:
    assert said(rf"\boxed{{{UNKNOWN}}}", "0.6") == 0.0
    assert said(r"\boxed{\foo{3}}", "5") == 0.0
    gold_unread = said(r"\boxed{5}", r"\foo{3}")
    assert isinstance(gold_unread, Unscorable)
    assert "does not read the gold" in gold_unread.reason


def test_a_second_opinion_that_does_not_come_is_killed(installed: None) -> None:
    tower = (
        UNKNOWN + r" + \dfrac{5^{\left(5^{\left(5^{\left(5^5\right)}\right)} - 4\right)} - 5}{16}"
    )
    said(r"\boxed{0.5}", UNKNOWN)  # the package is loaded
    began = time.monotonic()
    silent = said(rf"\boxed{{{tower}}}", "5")
    assert isinstance(silent, Unscorable)
    assert "no second opinion" in silent.reason
    assert time.monotonic() - began < 10 * second.WALL_SECONDS


def test_what_is_no_latex_never_reaches_the_second_opinion() -> None:
    texts = [
        f"{UNKNOWN} {t}" for t in ("__import__", "'", '"', "\x00", "\ud800", "#", "`", "x" * 1000)
    ]
    assert second.opinions([("5", text) for text in texts], 1.0) == ["none"] * len(texts)


@pytest.mark.slow
def test_a_process_with_threads_asks_a_fresh_interpreter(installed: None) -> None:
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        assert second.is_threaded()
        assert said(rf"\boxed{{{UNKNOWN}}}", "1/2") == 1.0
    finally:
        end.set()
        thread.join()


def test_without_the_extra_the_reason_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "math_verify", None)
    monkeypatch.setattr(second, "_warmed", False)
    silent = said(r"\boxed{0.5}", UNKNOWN)
    assert isinstance(silent, Unscorable)
    assert "pip install 'cohort-rl[math]'" in silent.reason
    with pytest.raises(MissingExtraError):
        second.package()
    assert said(r"\boxed{0.5}", "1/2") == 1.0


@pytest.mark.parametrize(
    "event", ["os.system", "subprocess.Popen", "socket.connect", "os.posix_spawn"]
)
def test_a_child_that_does_more_than_compute_ends_first(
    event: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(second.os, "_exit", ended.append)
    second._forbid(event, ("touch",))
    second._forbid("compile", ("__import__('os')", "<string>"))
    second._forbid("compile", (b"Integer (9 )", "<string>"))
    second._forbid("open", ("file", "w", 1))
    second._forbid("open", ("file", "r", 0))
    assert ended == [1, 1, 1]
