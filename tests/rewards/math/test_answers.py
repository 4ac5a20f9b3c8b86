"""What counts as the same mathematics, and what a verdict costs."""

from __future__ import annotations

import time

import pytest

from cohort.rewards.math.answers import judge

SAME = [
    ("0.5", r"\frac12"), ("1234", "1,234"), ("1234", r"1{,}234"), ("18", r"\$18.00"),
    ("-3/4", r"-\dfrac{3}{4}"),
    ("2.5", r"2\frac{1}{2}"), ("5/2", "2 1/2"), ("1500", r"1.5\times 10^3"), ("0.0015", "1.5e-3"),
    ("50", r"50\%"), ("0.5", "50%"), (r"50\%", r"\frac{1}{2}"), ("90", r"90^\circ"),
    (r"\frac{\pi}{2}", r"90^{\circ}"),
    ("18", "18 apples"), ("18", r"18\text{ cm}^2"), ("18", r"18\,\mathrm{m/s}"), ("18", "18 \u5143"),
    ("3", "x = 3"), ("3", r"AB = 3"), ("12", "16 - 4 = 12"), ("18", "The answer is 18."),
    ("2x+1", "f(x) = 2x+1"),
    (r"2\sqrt{2}", r"\sqrt8"), (r"1+\sqrt2", r"\sqrt{3+2\sqrt2}"), ("-2", r"\sqrt[3]{-8}"),
    ("3", r"\log_2 8"),
    ("1", r"\sin^2 x+\cos^2 x"), ("-1", r"e^{i\pi}"), ("120", "5!"), ("10", r"\binom52"),
    (r"\frac{\pi}{3}", r"\pi/3"),
    ("(x+1)^2", "x^2+2x+1"), ("x+1", r"\frac{x^2-1}{x-1}"), (r"x\cdot y^2", "xy^2"),
    (r"\frac{x}{2}", "0.5x"),
    (r"\{1,2\}", "2, 1"), ("(1,2)", r"\left(1,\,2\right)"), ("(0,1]", r"0 < x \le 1"),
    (r"(3,\infty)", "x>3"),
    (r"3\pm\sqrt2", r"3-\sqrt2, 3+\sqrt2"), ("1,2", r"x=1 \text{ or } x=2"), (r"\emptyset", r"\{\}"),
    (r"(-\infty,2)\cup(5,\infty)", "x<2 or x>5"), ("y=2x+1", "2x-y+1=0"), ("2516", "2516_8"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{bmatrix}1&2\\3&\frac82\end{bmatrix}"),
    ("Paris", r"\text{paris}"), ("A", r"\textbf{(A)}"), ("2^{1000}", "4^{500}"), (r"|x|", r"\sqrt{x^2}"),
]  # fmt: skip

DIFFERENT = [
    ("18", "19"), ("18", "-18"), ("1/3", "0.33"), ("x", "y"), ("x=3", "y=3"), ("[1,2]", "(1,2)"),
    ("|x|", "x"), ("10^{30}", "10^{30}+1"), ("2^{1000}", "2^{1000}+1"), ("5 km", "5 m"),
    ("Paris", "London"), ("yes", "no"),
    ("18", "banana"), ("18", "I don't know"), ("1,2", "1,2,3"), ("(1,2)", "(2,1)"), (r"\{1,2\}", "(1,2)"),
    ("x^2", "x^3"), (r"\pi", "3.14"), (r"\pi", r"\frac{22}{7}"), ("1", "1/0"), ("0.5", "50"), ("18", ""),
    (r"\begin{pmatrix}1&2\end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}"), (r"\infty", r"-\infty"),
    ("18", "\u0661\u0668"), ("x>3", r"x\ge3"), (r"\sqrt2", r"\sqrt2+10^{-40}"), ("xy", "xz"),
    ("y=5x+7", "5x-y+8=0"),
]  # fmt: skip


@pytest.mark.parametrize(("gold", "answer"), SAME)
def test_the_same_mathematics_is_equal_whichever_is_the_gold(gold: str, answer: str) -> None:
    assert judge(gold, answer, 6).verdict == "equal"
    assert judge(answer, gold, 6).verdict == "equal"


@pytest.mark.parametrize(("gold", "answer"), DIFFERENT)
def test_other_mathematics_is_different(gold: str, answer: str) -> None:
    assert judge(gold, answer, 6).verdict == "different"


@pytest.mark.parametrize(
    ("exact", "decimal", "places", "verdict"),
    [
        ("1/3", "0.333333", 6, "equal"),
        ("1/3", "0.333334", 6, "different"),
        ("1/3", "0.333333", 7, "different"),
        ("1/3", "0.333333", 0, "different"),
        ("1/3", "0.33", 2, "equal"),
        ("2/3", "0.67", 2, "equal"),
        ("2/3", "0.66", 2, "equal"),
        ("-2/3", "-0.66", 2, "equal"),
        ("2/3", "-0.66", 2, "different"),
        (r"2\pi", "6.283185", 6, "equal"),
        ("0.333333", "0.3333333", 6, "different"),
    ],
)
def test_a_decimal_is_what_it_is_rounded_from_with_enough_places(
    exact: str, decimal: str, places: int, verdict: str
) -> None:
    assert judge(exact, decimal, places).verdict == verdict


@pytest.mark.parametrize(
    "gold", [r"\int_0^1 x dx", r"f'(x) \to \foo", r"\begin{vmatrix}1\end{vmatrix}"]
)
def test_what_the_grammar_does_not_know_is_asked_of_another(gold: str) -> None:
    said = judge(gold.replace("'", ""), "5", 6)
    assert (said.verdict, said.ask) == ("unknown", True)


@pytest.mark.parametrize(
    ("gold", "answer"), [("x=3", "x^2=9"), (r"\ln(x^2)", r"2\ln x"), ("1,2", "(1,2)"), ("xy", "yx")]
)
def test_what_may_be_equal_is_not_called_different(gold: str, answer: str) -> None:
    assert judge(gold, answer, 6).verdict == "unknown"


HOSTILE = [
    "9^{9^{9^9}}", "((9^9)^{9999})^{9999}", "2^{-2^{40}}", "1000000!", "(((9!)!)!)", "x^{9^{9^9}}",
    "e^{e^{e^{e^9}}}",
    r"\binom{10000000}{5000000}", "(" * 500, "{" * 33 + "1" + "}" * 33, "-(" * 200 + "1" + ")" * 200,
    "1" * 1001,
    "1e99999999", r"\sqrt[99999]{2}^{99999999}", "1+" * 450 + "1", r"\sinh(10^{4000})",
    "*".join(["9^{6000}"] * 60),
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_an_answer_over_the_bounds_is_different_and_costs_nothing(text: str) -> None:
    began = time.process_time()
    said = judge("18", text, 6)
    assert said.verdict == "different"
    assert not said.ask
    assert time.process_time() - began < 0.5


def test_a_gold_over_the_bounds_cannot_be_judged() -> None:
    said = judge("9^{9^{9^9}}", "18", 6)
    assert (said.verdict, said.ask) == ("unknown", False)
    assert "over the bounds" in said.reason
    assert judge("9^{9^{9^9}}", "9^{9^{9^9}}", 6).verdict == "equal"


@pytest.mark.parametrize(
    "unit", ["1,", "111,", r"\text{", "1.1", r"\,", "{,}", "x = ", "\\", "$", " "]
)
def test_no_pattern_takes_more_than_linear_time(unit: str) -> None:
    began = time.process_time()
    for _ in range(5):
        judge("18", unit * (999 // len(unit)) + "!", 6)
    assert time.process_time() - began < 1.0
