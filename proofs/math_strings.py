"""Hostile answers: what a model may write to hang, exhaust or take over whoever reads it as mathematics.

Every family gives as many strings as it is asked for, each a function of its number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

FORM = r"\int_0^1 x dx + {}"
"""Mathematics that our grammar does not know, so that a hostile part reaches the second opinion."""

ISSUE_65 = r"\dfrac{5^{\left(5^{\left(5^{\left(5^5\right)}\right)} - 4\right)} - 5}{16}"
ISSUE_65_LATER = (
    "{@Neillier 1276915 4951077 n\u589e\u9ad8\u4eba\u6743 \uad6d {1,1-3-10};"
    "5\u4e2a_GENERAL2. _HEADERS1}"
)
ISSUE_63 = (
    r"10^{10^{10}}",
    r"2^{2^{2^{2^{2^{2}}}}}",
    r"\frac{1}{10^{10^{10^{10}}}}",
    r"(10^{10^9})!",
)
"""Powers that fill the memory when they are computed."""

INJECTIONS = (
    "__import__('os').system('touch {canary}')",
    "__import__('pathlib').Path('{canary}').write_text('x')",
    "open('{canary}','w').write('x')",
    "eval(\"open('{canary}','w')\")",
    "exec('import os; os.mknod(\"{canary}\")')",
    "().__class__.__base__.__subclasses__()",
    "''.__class__.__mro__[1].__subclasses__()",
    "x.__class__.__init__.__globals__",
    "lambda: open('{canary}','w')",
    "[open('{canary}','w') for _ in range(1)]",
    r"\write18{{touch {canary}}}",
    r"\immediate\write18{{touch {canary}}}",
    r"\input{{/etc/passwd}}",
    r"\openout0={canary} \write0{{x}}",
    r"\catcode`\%=12 \csname input\endcsname /etc/passwd",
    "{{0.__class__}} %s%s%s%n %(x)s ${{HOME}} `touch {canary}`",
    "$(touch {canary}); touch {canary} | touch {canary}",
    "sympify('open(1)') Symbol('x').func.__globals__",
    "1 if open('{canary}','w') else 2",
    "\U0001d41e\U0001d42f\U0001d41a\U0001d425(1)",
    r"\text{{__import__('os').mkdir('{canary}')}}",
    r"\operatorname{{__import__('os').mkdir('{canary}')}}",
    r"f'{{__import__(\"os\").mkdir(\"{canary}\")}}'",
    "cos\nSystem.exit\n(0)",
    "import os\nos.abort()",
)


def _towers(i: int) -> str:
    forms: tuple[Callable[[int], str], ...] = (
        lambda n: "**".join(["9"] * (n + 3)),
        lambda n: "9" + "^{9" * (n + 2) + "}" * (n + 2),
        lambda n: "(" * (n + 2) + "9" + "".join(f"**{9**k})" for k in range(2, n + 4)),
        lambda n: f"((9^9)^{{{9999 + n}}})^{{9999}}",
        lambda n: f"2^{{-2^{{{30 + n}}}}}",
        lambda n: f"{{{n + 2}}}^{{10^{{10}}}} - {{{n + 2}}}^{{10^{{10}}}} + 18",
        lambda n: f"x^{{9^{{9^{{{n + 3}}}}}}}",
        lambda n: r"\sqrt[" + "9" * (n + 1) + "]{2}^{" + "9" * (n + 5) + "}",
        lambda n: r"e^{e^{e^{e^{" + str(n + 5) + "}}}}",
        lambda n: r"\left(1+10^{-" + str(50 * n + 9) + r"}\right)^{10^{" + str(50 * n + 9) + "}}",
    )
    return forms[i % len(forms)](i // len(forms))


def _products(i: int) -> str:
    forms: tuple[Callable[[int], str], ...] = (
        lambda n: f"{10 ** (n + 3)}!",
        lambda n: "5" + "!" * (n + 2),
        lambda n: "(" * (n + 3) + "9" + "!)" * (n + 3),
        lambda n: f"\\binom{{{10 ** (n + 6)}}}{{{5 * 10 ** (n + 5)}}}",
        lambda n: "*".join([f"{9 + n}^{{6000}}"] * 60),
        lambda n: "+".join(f"\\frac{{1}}{{{10**40 + k * (n + 3)}}}" for k in range(20)),
        lambda n: r"\sum_{k=1}^{10^{" + str(9 + n) + r"}} \frac{1}{k^{k}}",
        lambda n: r"\prod_{k=1}^{" + "9" * (n + 8) + "} k!",
        lambda n: r"\int_0^{\infty} x^{" + "9" * (n + 4) + "} e^{-x} dx",
        lambda n: r"\lim_{x\to0} \frac{\sin^{" + "9" * (n + 3) + "} x}{x}",
    )
    return forms[i % len(forms)](i // len(forms))


def _nestings(i: int) -> str:
    depth = (20, 31, 33, 60, 100, 240)[i // 10 % 6] + i
    pairs = (
        ("(", ")"), ("{", "}"), (r"\{", r"\}"), ("[", "]"), (r"\frac{", "}{2}"), (r"\sqrt{", "}"),
        (r"\left(", r"\right)"), ("|", "|"), (r"\sin(", ")"), ("-(", ")"),
    )  # fmt: skip
    opened, closed = pairs[i % len(pairs)]
    return opened * depth + "1" + closed * (depth if i % 3 else depth - 1)


def _bombs(i: int) -> str:
    forms: tuple[Callable[[int], str], ...] = (
        lambda n: r"\frac{1}{1+" * (n + 12) + "1" + "}" * (n + 12),
        lambda n: r"\def\a{\a\a}\a" * (n + 1),
        lambda n: r"\newcommand{\x}[1]{#1#1#1}\x{\x{\x{1}}}" + str(n),
        lambda n: r"\begin{pmatrix}" + "1&" * (40 * n + 40) + r"1\end{pmatrix}",
        lambda n: r"\begin{pmatrix}" * (n + 10),
        lambda n: "(" + "+".join("abcdefgh") + f")^{{{50 * (n + 1)}}}",
        lambda n: "".join(f"(x-{k})" for k in range(1, 60 + n)),
        lambda n: r"\sqrt{2+" * (n + 20) + "x" + "}" * (n + 20),
        lambda n: r"\{" + ",".join(rf"\{{{k},{k + n}\}}" for k in range(60)) + r"\}",
        lambda n: r"\pm " * (n + 5) + "1" + r" \pm 1" * (n + 20),
    )
    return forms[i % len(forms)](i // len(forms))


def _long(i: int) -> str:
    forms: tuple[Callable[[int], str], ...] = (
        lambda n: "9" * (900 + 2000 * n),
        lambda n: "0." + "3" * (900 + 2000 * n),
        lambda n: "1," * (n + 200) + "1",
        lambda n: "1e" + "9" * (n + 3),
        lambda n: "1" + ",111" * (100 * n + 50) + "1",
        lambda n: "\\" * (600 * n + 500),
        lambda n: "$" * (500 * n + 300) + "1",
        lambda n: "a" * (500 * n + 300) + "!",
        lambda n: r"\boxed{" * (300 * n + 50) + "1",
        lambda n: " " * (10_000 * n + 1000) + "18 " + "\t" * 1000,
    )
    return forms[i % len(forms)](i // len(forms))


def _huge(i: int) -> str:
    """Ten million characters."""
    units = ("9", "(", "1,111", r"\boxed{", "x+", "<answer>", r"\frac{1}{", "-", "\ud800", "$1$ ")
    unit = units[i]
    return unit * (10_000_000 // len(unit))


ODD = (
    "\ud800", "\x00", "\u0663\u0664", "\u202e81", "\uff11\uff18", "\u2460", "\x1b[31m18", "1\u03018",
    "\U0001d7cf\U0001d7d6", "\ufeff18", "\u00b2" * 40, "\u221a" * 60, "\u0131\u0307", "18\u2028",
    "\u00bd" * 50, "\U0001f4a3", "\u200b18", "\uffff", "\u0661e\u0669", "\u221e" * 40,
)  # fmt: skip


def _odd(i: int) -> str:
    unit = ODD[i % len(ODD)]
    return unit if i < 20 else f"{unit}^{{{unit}}}+18" + unit * (i - 20)


def _patterns(i: int) -> str:
    """What makes a regular expression go back again and again."""
    forms: tuple[Callable[[int], str], ...] = (
        lambda n: "1" * n + "!",
        lambda n: "1," * n + "x",
        lambda n: "111," * n + "11",
        lambda n: r"\text{" * n,
        lambda n: r"\text {" + " " * n + r"\}",
        lambda n: "x = " * n,
        lambda n: "1 2/3 " * n,
        lambda n: r"\," * n + "1",
        lambda n: "{,}" * n,
        lambda n: "1.1" * n + "e",
    )
    return forms[i % len(forms)](200 + 700 * (i // len(forms)))


def hostile(canary: str) -> Iterator[tuple[str, str]]:
    """Five hundred strings, each with the name of its family."""
    families: dict[str, tuple[int, Callable[[int], str]]] = {
        "towers": (80, _towers),
        "products": (60, _products),
        "nestings": (60, _nestings),
        "bombs": (60, _bombs),
        "long": (50, _long),
        "huge": (10, _huge),
        "odd characters": (40, _odd),
        "patterns": (40, _patterns),
    }
    for name, (count, make) in families.items():
        yield from ((name, make(i)) for i in range(count))
    for text in INJECTIONS:
        yield "injections", text.format(canary=canary)
        yield "injections", FORM.format(text.format(canary=canary))
    known = (ISSUE_65, ISSUE_65_LATER, *ISSUE_63)
    yield from (("math-verify issues", text) for text in known)
    yield from (("math-verify issues", FORM.format(text)) for text in known)
    for i in range(38):
        make = (_towers, _products, _bombs)[i % 3]
        yield "second opinion", FORM.format(make(i))
