"""Tokens to a tree: a recursive descent over a closed grammar; what it does not know is refused.

    answer    relation, separated by `,` `;` `and` `or`
    relation  union (`=` | `<` | ... | `:`  union)*
    union     sum (`\\cup` sum)*
    sum       product (`+` | `-` | `\\pm` | `\\mp`  product)*
    product   power (`*` | `/` | nothing  power)*
    power     postfix (`^` exponent)?
    postfix   atom (`!` | `%` | degree)?

A level of nesting is counted where one is entered, so that no text can exhaust the stack.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from cohort.rewards.math.bounds import UnreadError
from cohort.rewards.math.cursor import Cursor, number_of
from cohort.rewards.math.tokens import Token
from cohort.rewards.math.tree import Apply, Listed, Matrix, Name, Node, Number, Operation, Relation

ONE, TWO, TEN = Number(Fraction(1)), Number(Fraction(2)), Number(Fraction(10))
E = Name("e")

FUNCTIONS: tuple[Operation, ...] = (
    "sin", "cos", "tan", "cot", "sec", "csc", "asin", "acos", "atan", "sinh", "cosh", "tanh", "exp",
    "abs",
)  # fmt: skip
INVERSE: dict[Operation, Operation] = {"sin": "asin", "cos": "acos", "tan": "atan"}
"""What `\\sin^{-1}` and its like are read as."""

GREEK = frozenset([
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu",
    "nu", "xi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega", "Gamma", "Delta", "Theta",
    "Lambda", "Xi", "Sigma", "Phi", "Psi", "Omega", "ell",
])  # fmt: skip
RELATIONS = ("=", "<", "<=", ">", ">=", "!=", "in")
CLOSERS = {"(": (")", "]"), "[": ("]", ")")}
OTHER_CLOSERS = {"lfloor": "rfloor", "lceil": "rceil"}


def tree_of(tokens: Sequence[Token]) -> Node:
    """The tree that the tokens are. Raises UnreadError."""
    return _Grammar(tokens).answer()


class _Grammar(Cursor):
    def __init__(self, tokens: Sequence[Token]) -> None:
        super().__init__(tokens)
        self.bars = 0

    def answer(self) -> Node:
        items = self.items()
        if self.place < len(self.tokens):
            raise self.refusal()
        return items[0] if len(items) == 1 else Listed("list", tuple(items))

    # Several answers.

    def items(self) -> list[Node]:
        items = [self.relation()]
        while self.take(",", ";", "and", "or"):
            self.take("and", "or")
            if self.token is None:
                break
            items.append(self.relation())
        return items

    def relation(self) -> Node:
        sides, signs = [self.union()], []
        while sign := self.take(*RELATIONS, ":"):
            signs.append(sign)
            sides.append(self.union())
        if not signs:
            return sides[0]
        if ":" in signs:
            return Listed("ratio", tuple(sides)) if set(signs) == {":"} else self._no()
        return Relation(tuple(signs), tuple(sides))

    def _no(self) -> Node:
        raise UnreadError("form", "a ratio inside a relation is not read")

    def union(self) -> Node:
        united = [self.sum()]
        while self.take("cup"):
            united.append(self.sum())
        return united[0] if len(united) == 1 else Listed("union", tuple(united))

    # Arithmetic.

    def sum(self) -> Node:
        terms = [self.signed(self.product)]
        while sign := self.take("+", "-", "pm", "mp"):
            terms.append(_with_sign(sign, self.signed(self.product)))
        return terms[0] if len(terms) == 1 else Apply("add", tuple(terms))

    def signed(self, inner: Callable[[], Node]) -> Node:
        signs = []
        while sign := self.take("+", "-", "pm", "mp"):
            signs.append(sign)
        negative = signs.count("-") % 2 == 1
        signs = [sign for sign in signs if sign in ("pm", "mp")]
        if len(signs) > 1:
            raise UnreadError("form", "two signs of plus-minus in a row")
        node = _with_sign("-", inner()) if negative else inner()
        return _with_sign(signs[0], node) if signs else node

    def product(self) -> Node:
        factors = [self.power()]
        while True:
            if self.take("*"):
                factors.append(self.signed(self.power))
            elif self.take("/"):
                factors.append(Apply("div", (ONE, self.signed(self.power))))
            elif mixed := self.mixed(factors):
                factors = [mixed]
            elif self.starts_factor():
                factors.append(self.power())
            else:
                return _product(factors)

    def mixed(self, factors: list[Node]) -> Node | None:
        """The mixed number that an integer and a proper fraction after it are."""
        whole = factors[0]
        if (
            len(factors) > 1
            or not _is_integer(whole)
            or self.tokens[self.place - 1].kind != "number"
        ):
            return None
        start, token = self.place, self.token
        if self.at("frac"):
            fraction = self.atom()
        elif token is not None and token.kind == "number" and token.spaced:
            above = self.number()
            fraction = Apply("div", (above, self.number())) if self.take("/") else above
        else:
            return None
        if isinstance(fraction, Apply) and all(_is_integer(part) for part in fraction.arguments):
            top, bottom = (part.value for part in fraction.arguments if isinstance(part, Number))
            if 0 < top < bottom and not self.at("^", "/", "*"):
                return Apply("add", (whole, fraction))
        self.place = start
        return None

    def starts_factor(self) -> bool:
        token = self.token
        if token is None or token.kind in ("number", "text"):
            return False
        if token.kind == "letter":
            return True
        if token.kind == "word":
            raise self.refusal()
        if token.text == "|":
            return not self.bars
        return token.text in ("(", "[", "{", *OTHER_CLOSERS) or self.is_named_atom(token)

    @staticmethod
    def is_named_atom(token: Token) -> bool:
        named = ("pi", "infty", "frac", "sqrt", "surd", "binom", "ln", "log", "begin", "emptyset")
        return token.kind == "command" and (
            token.text in named or token.text in FUNCTIONS or token.text in GREEK
        )

    def power(self) -> Node:
        base = self.postfix()
        if not self.take("^"):
            return base
        if self.is_degree():
            return Apply("degree", (base,))
        return Apply("pow", (base, self.exponent()))

    def is_degree(self) -> bool:
        """Whether `\\circ` or `{\\circ}` follows; it is then behind us."""
        if self.take("degree"):
            return True
        braced = [token.text for token in self.tokens[self.place : self.place + 3]]
        if braced == ["{", "degree", "}"]:
            self.place += 3
            return True
        return False

    def exponent(self) -> Node:
        with self.deeper():
            return self.braces() if self.at("{") else self.signed(self.power)

    def postfix(self) -> Node:
        node = self.atom()
        sign = self.take("!", "%", "degree")
        operations: dict[str, Operation] = {"!": "factorial", "%": "percent", "degree": "degree"}
        if sign and self.at("!"):
            raise UnreadError("form", "double factorials are not read")
        return Apply(operations[sign], (node,)) if sign else node

    # Atoms.

    def atom(self) -> Node:
        token = self.token
        if token is None or token.kind in ("text", "word"):
            raise self.refusal()
        if token.kind == "number":
            return self.based(self.number())
        if token.kind == "letter":
            self.place += 1
            return self.name(token.text)
        with self.deeper():
            return self.bracket() or self.named()

    def based(self, number: Number) -> Number:
        """A numeral with its base as a subscript, or the number itself."""
        if not self.take("_"):
            return number
        braced = self.take("{")
        base = self.number().value
        if braced:
            self.expect("}")
        if base.denominator > 1 or not 2 <= base <= 36 or not _is_integer(number):
            raise UnreadError("form", "a number with a subscript that is no base")
        return Number(number.value, base=int(base))

    def name(self, letter: str) -> Name:
        """A symbol with the subscript that may follow it."""
        if not self.take("_"):
            return Name(letter)
        if not self.take("{"):
            token = self.token
            if token is None or token.kind not in ("number", "letter"):
                raise self.refusal()
            self.place += 1
            return Name(f"{letter}_{token.text}")
        inside = []
        while (token := self.token) is not None and not self.at("}", "{", "^", "_"):
            inside.append(token.text)
            self.place += 1
        self.expect("}")
        return Name(f"{letter}_{' '.join(inside)}")

    def bracket(self) -> Node | None:
        """What is in brackets of any kind; None where there is none."""
        if self.at("{"):
            sign = self.tokens[self.place].kind == "sign"
            return self.braces() if sign else self.set()
        if opened := self.take("(", "["):
            items = self.inside()
            closed = self.expect(*CLOSERS[opened])
            whole = len(items) == 1 and closed == CLOSERS[opened][0]
            return items[0] if whole else Listed(opened + closed, tuple(items))
        if self.take("|"):
            self.bars += 1
            inside = self.sum()
            self.bars -= 1
            self.expect("|")
            return Apply("abs", (inside,))
        if opened := self.take(*OTHER_CLOSERS):
            inside = self.sum()
            self.expect(OTHER_CLOSERS[opened])
            return Apply("floor" if opened == "lfloor" else "ceil", (inside,))
        return None

    def inside(self) -> list[Node]:
        """The items in brackets, where a bar opens again."""
        bars, self.bars = self.bars, 0
        items = self.items()
        self.bars = bars
        return items

    def braces(self) -> Node:
        """What TeX groups: one expression; several with commas are a set."""
        self.expect("{")
        items = self.inside()
        self.expect("}")
        return items[0] if len(items) == 1 else Listed("set", tuple(items))

    def set(self) -> Node:
        self.expect("{")
        items = [] if self.at("}") else self.inside()
        self.expect("}")
        return Listed("set", tuple(items))

    def named(self) -> Node:
        """What begins with a command."""
        token = self.tokens[self.place]
        if not self.is_named_atom(token):
            raise self.refusal()
        self.place += 1
        name = token.text
        if name in ("ln", "log"):
            return self.logarithm(name)
        if name in ("sqrt", "surd"):
            return self.root(name)
        if name in ("frac", "binom"):
            return Apply("div" if name == "frac" else "binom", (self.argument(), self.argument()))
        function = next((operation for operation in FUNCTIONS if operation == name), None)
        return self.function(function) if function else self.constant(name)

    def constant(self, name: str) -> Node:
        if name == "begin":
            return self.matrix()
        if name == "emptyset":
            return Listed("set", ())
        return self.name("infinity" if name == "infty" else name)

    def argument(self) -> Node:
        """What a command of TeX takes: a group, or one sign; of a number its first digit."""
        token = self.token
        if token is None or token.kind == "text" or self.at("{"):
            return self.braces()
        if token.kind == "number" and len(token.text) > 1 and token.text[0] != ".":
            self.tokens[self.place] = Token("number", token.text[1:])
            return number_of(token.text[0])
        return self.atom()

    def root(self, name: str) -> Node:
        degree: Node = TWO
        if self.take("["):
            degree = self.sum()
            self.expect("]")
        radicand = self.atom() if name == "surd" or self.at("(") else self.argument()
        return Apply("root", (radicand, degree))

    def logarithm(self, name: str) -> Node:
        base: Node = E if name == "ln" else TEN
        if self.take("_"):
            base = self.argument()
        exponent = self.exponent() if self.take("^") else None
        node = Apply("log", (self.function_argument(), base))
        return Apply("pow", (node, exponent)) if exponent else node

    def function(self, name: Operation) -> Node:
        exponent = self.exponent() if self.take("^") else None
        argument = self.function_argument()
        if exponent == Apply("neg", (ONE,)):
            if name not in INVERSE:
                raise UnreadError("form", f"the inverse of {name} is not read")
            return Apply(INVERSE[name], (argument,))
        node = Apply(name, (argument,))
        return Apply("pow", (node, exponent)) if exponent else node

    def function_argument(self) -> Node:
        """What is in brackets after a function, else the factors up to the next function."""
        if self.at("(", "{", "["):
            return self.atom()
        if self.take("-"):
            return _with_sign("-", self.function_argument())
        factors = [self.power()]
        while self.starts_factor() and not self.at("(", "[", "ln", "log", *FUNCTIONS):
            factors.append(self.power())
        return _product(factors)

    def matrix(self) -> Node:
        kind = self.environment()
        if kind not in ("pmatrix", "bmatrix", "matrix", "Bmatrix", "smallmatrix"):
            raise UnreadError("form", f"the environment {kind[:20]!r} is not read")
        rows: list[tuple[Node, ...]] = []
        while not self.at("end"):
            row = [self.relation()]
            while self.take("&"):
                row.append(self.relation())
            rows.append(tuple(row))
            if not self.take("\\"):
                break
        self.expect("end")
        if self.environment() != kind or len({len(row) for row in rows}) != 1:
            raise UnreadError("form", "a matrix that is not whole")
        return Matrix(tuple(rows))

    def environment(self) -> str:
        self.expect("{")
        token = self.token
        self.place += 1
        self.expect("}")
        return token.text if token else ""


def _with_sign(sign: str, node: Node) -> Node:
    operations: dict[str, Operation] = {"-": "neg", "pm": "plus_minus", "mp": "minus_plus"}
    return Apply(operations[sign], (node,)) if sign in operations else node


def _product(factors: list[Node]) -> Node:
    if len(factors) == 2 and isinstance(factors[1], Apply) and factors[1].operation == "div":
        above, below = factors[1].arguments
        if above == ONE:
            return Apply("div", (factors[0], below))
    return factors[0] if len(factors) == 1 else Apply("mul", tuple(factors))


def _is_integer(node: Node) -> bool:
    return isinstance(node, Number) and node.places is None and node.value.denominator == 1
