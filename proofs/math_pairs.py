"""Pairs of benign answers, each the same value in two notations or two values, and which it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from cohort.data import keyed
from proofs.recipe_mutations import Random, choice


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers of a family; `equal` by how they were made."""

    family: str
    gold: str
    answer: str
    equal: bool


Make = Callable[[Random, bool], tuple[str, str]]


def pairs(count: int, seed: int) -> list[Pair]:
    """So many pairs; each is a function of the seed and its number."""
    made = []
    for number in range(count):
        random = keyed.generator(seed, "math pairs", number)
        family, equal = choice(random, list(FAMILIES)), bool(random.random() < 0.5)
        gold, answer = FAMILIES[family](random, equal)
        if random.random() < 0.5:
            gold, answer = answer, gold
        made.append(Pair(family, gold, answer, equal))
    return made


def _int(random: Random, low: int, high: int) -> int:
    return int(random.integers(low, high + 1))


def _other(random: Random, value: int, equal: bool) -> int:
    """The value itself, or one that is not far from it."""
    return value if equal else value + choice(random, (1, -1, 2, 10, 100, -7))


def _latex(value: Fraction, command: str = "frac") -> str:
    if value.denominator == 1:
        return str(value.numerator)
    sign = "-" if value < 0 else ""
    return f"{sign}\\{command}{{{abs(value.numerator)}}}{{{value.denominator}}}"


def _integers(random: Random, equal: bool) -> tuple[str, str]:
    value = _int(random, -50, 2_000_000)
    other = _other(random, value, equal)
    forms = (
        f"{other}", f"{other:,}", f"\\${other}", f"{other}.0", f"{other}.00", f"x = {other}", f"${other}$",
        f"{other}\\text{{ meters}}", f"{other} dollars", f"\\text{{ }}{other}", f"\\left({other}\\right)",
        f"{other:,}".replace(",", "{,}"), f"{other}.",
    )  # fmt: skip
    return str(value), choice(random, forms)


def _fractions(random: Random, equal: bool) -> tuple[str, str]:
    value = Fraction(_int(random, -60, 60), choice(random, (2, 3, 4, 5, 7, 8, 9, 12, 20, 25)))
    other = (
        value
        if equal
        else value + Fraction(choice(random, (1, -1, 3)), choice(random, (1, 2, 5, 6)))
    )
    forms = [_latex(other), _latex(other, "dfrac"), _latex(other, "tfrac")]
    forms.append(f"{other.numerator}/{other.denominator}")
    times = _int(random, 2, 5)
    forms.append(f"\\frac{{{other.numerator * times}}}{{{other.denominator * times}}}")
    if 1000 % other.denominator == 0:
        forms += [f"{float(other)}", f"{float(other):.3f}", f"{float(other * 100):g}\\%"] * 2
    whole, rest = divmod(abs(other), 1)
    if rest and whole and other > 0:
        forms += [f"{whole}{_latex(Fraction(rest))}"]
    return _latex(value), choice(random, forms)


def _powers(random: Random, equal: bool) -> tuple[str, str]:
    base, exponent = _int(random, 2, 12), _int(random, 2, 9)
    value = _other(random, base**exponent, equal)
    forms = [f"{base}^{exponent}", f"{base}^{{{exponent}}}", f"{base}**{exponent}"][:2]
    if random.random() < 0.5:
        digits, zeros = _int(random, 11, 99), _int(random, 2, 9)
        value = _other(random, digits * 10**zeros, equal)
        forms = [f"{digits / 10} \\times 10^{{{zeros + 1}}}", f"{digits} \\cdot 10^{zeros}"]
    return str(value), choice(random, forms)


def _surds(random: Random, equal: bool) -> tuple[str, str]:
    factor, inside = _int(random, 2, 9), choice(random, (2, 3, 5, 6, 7, 10, 11))
    other = factor if equal else factor + 1
    form = choice(
        random,
        (
            rf"{other}\sqrt{{{inside}}}",
            rf"\sqrt{{{other * other * inside}}}",
            rf"\frac{{{other * inside}}}{{\sqrt{{{inside}}}}}",
            rf"\sqrt{{{inside}}} \cdot {other}",
        ),
    )
    return rf"{factor}\sqrt{{{inside}}}", form


def _circles(random: Random, equal: bool) -> tuple[str, str]:
    above, below = _int(random, 1, 20), choice(random, (2, 3, 4, 6, 5))
    other = above if equal else above + 1
    forms = (
        rf"\frac{{{other}}}{{{below}}}\pi", rf"\frac{{{other}\pi}}{{{below}}}", rf"{other}\pi/{below}",
        rf"\pi \cdot \frac{{{other}}}{{{below}}}", f"{other * 3.141592653589793 / below:.6f}",
        f"{other * 3.141592653589793 / below:.9f}",
    )  # fmt: skip
    return rf"\frac{{{above}\pi}}{{{below}}}", choice(random, forms)


def _polynomials(random: Random, equal: bool) -> tuple[str, str]:
    a, b = _int(random, 1, 9), _int(random, 1, 9)
    x = choice(random, "xtn")
    total, product = a + b, a * b if equal else a * b + 1
    expanded = (
        f"{x}^2+{total}{x}+{product}"
        if random.random() < 0.5
        else f"{product}+{total}{x}+{x}^{{2}}"
    )
    form = choice(
        random,
        (f"({x}+{a})({x}+{b})", f"({x}+{b})\\cdot({x}+{a})", f"{x}^2 + {total} {x} + {a * b}"),
    )
    return expanded, form


def _quotients(random: Random, equal: bool) -> tuple[str, str]:
    a, b = _int(random, 1, 9), _int(random, 2, 9)
    other = a if equal else a + 1
    form = choice(
        random,
        (
            rf"\frac{{x^2+{a}x}}{{{b}x}}" if equal else rf"\frac{{x^2+{other}x}}{{{b}x}}",
            rf"\frac{{x}}{{{b}}}+\frac{{{other}}}{{{b}}}",
            rf"\frac{{1}}{{{b}}}(x+{other})",
        ),
    )
    return rf"\frac{{x+{a}}}{{{b}}}", form


def _members(random: Random, equal: bool) -> tuple[list[str], list[str]]:
    """Three values, and the same or others in the same order."""
    values = [Fraction(n, choice(random, (1, 1, 2, 3))) for n in random.permutation(12)[:3] + 1]
    others = [*values[:2], values[2] if equal else values[2] + 13]
    return [_latex(v) for v in values], [
        choice(random, (_latex(v), _latex(v, "dfrac"))) for v in others
    ]


def _sets(random: Random, equal: bool) -> tuple[str, str]:
    gold, answer = _members(random, equal)
    return rf"\{{{', '.join(gold)}\}}", rf"\{{{','.join(reversed(answer))}\}}"


def _lists(random: Random, equal: bool) -> tuple[str, str]:
    gold, answer = _members(random, equal)
    return ", ".join(gold), choice(random, (",", ", ")).join(answer[::-1])


def _tuples(random: Random, equal: bool) -> tuple[str, str]:
    gold, answer = _members(random, equal)
    return f"({', '.join(gold)})", rf"\left({', '.join(answer)}\right)"


def _intervals(random: Random, equal: bool) -> tuple[str, str]:
    low, width = _int(random, -9, 9), _int(random, 1, 9)
    opened, closed = choice(random, "(["), choice(random, ")]")
    other = closed if equal else {")": "]", "]": ")"}[closed]
    return (
        f"{opened}{low},{low + width}{closed}",
        rf"\left{opened}{low}, {low + width}\right{other}",
    )


def _matrices(random: Random, equal: bool) -> tuple[str, str]:
    values = [_int(random, -9, 9) for _ in range(4)]
    others = [*values[:3], values[3] if equal else values[3] + 1]
    shown = [r"{} & {} \\ {} & {}".format(*items) for items in (values, others)]
    kind = choice(random, ("pmatrix", "bmatrix"))
    return (
        rf"\begin{{pmatrix}} {shown[0]} \end{{pmatrix}}",
        rf"\begin{{{kind}}} {shown[1]} \end{{{kind}}}",
    )


def _equations(random: Random, equal: bool) -> tuple[str, str]:
    a, b = _int(random, 2, 9), _int(random, 1, 9)
    other = b if equal else b + 1
    forms = (f"y={a}x+{other}", f"y = {other} + {a}x", f"{a}x-y+{other}=0", f"{a}x + {other}")
    return f"y={a}x+{b}", choice(random, forms)


def _two_values(random: Random, equal: bool) -> tuple[str, str]:
    a, b = _int(random, 1, 9), choice(random, (2, 3, 5))
    other = a if equal else a + 1
    return rf"{a}\pm\sqrt{{{b}}}", rf"{other}+\sqrt{{{b}}}, {other}-\sqrt{{{b}}}"


def _functions(random: Random, equal: bool) -> tuple[str, str]:
    power = _int(random, 2, 9)
    value = power if equal else power + 1
    forms = (
        (rf"\log_2 {2**power}", f"{value}"), (rf"\log_{{3}}({3**power})", f"{value}"),
        (rf"\ln e^{{{power}}}", f"{value}"), (rf"{power}\sin\frac{{\pi}}{{6}}", _latex(Fraction(value, 2))),
        (rf"{power}\cos(\pi/3)", _latex(Fraction(value, 2))), (rf"{power}!", str(_factorial(value))),
        (rf"\sqrt[3]{{{power**3}}}", f"{value}"), (rf"e^{{{power}\ln 2}}", str(2**value)),
    )  # fmt: skip
    return choice(random, forms)


def _factorial(n: int) -> int:
    return 1 if n < 2 else n * _factorial(n - 1)


def _inequalities(random: Random, equal: bool) -> tuple[str, str]:
    low = _int(random, -9, 9)
    other = low if equal else low + 1
    forms = (f"x>{other}", f"{other}<x", f"x > {other}.0")
    return f"x>{low}", choice(random, forms)


def _degrees(random: Random, equal: bool) -> tuple[str, str]:
    value = _int(random, 1, 359)
    other = _other(random, value, equal)
    forms = (rf"{other}^\circ", rf"{other}^{{\circ}}", f"{other}", rf"{other}\text{{ degrees}}")
    return rf"{value}^\circ", choice(random, forms)


def _choices(random: Random, equal: bool) -> tuple[str, str]:
    letter = choice(random, "ABCD")
    other = letter if equal else choice(random, [one for one in "ABCD" if one != letter])
    return letter, choice(
        random, (f"({other})", rf"\text{{{other}}}", rf"\textbf{{({other})}}", other)
    )


FAMILIES: dict[str, Make] = {
    "integers": _integers,
    "fractions": _fractions,
    "powers": _powers,
    "surds": _surds,
    "multiples of pi": _circles,
    "polynomials": _polynomials,
    "quotients": _quotients,
    "sets": _sets,
    "lists": _lists,
    "tuples": _tuples,
    "intervals": _intervals,
    "matrices": _matrices,
    "equations": _equations,
    "plus-minus": _two_values,
    "functions": _functions,
    "inequalities": _inequalities,
    "degrees": _degrees,
    "choices": _choices,
}
