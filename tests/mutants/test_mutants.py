"""Every kind of wrong is made, and one that no test notices fails the run."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.mutants.plant import mutants, shortened
from tests.mutants.project import distance, imports

ROOT = Path(__file__).parents[2]


def made(source):
    return [mutant.what for mutant in mutants("area.py", textwrap.dedent(source))]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = -a", ["sign -a -> a"]),
        ("x = ~mask", ["sign ~mask -> mask"]),
        ("x = a + b", ["sign a + b -> a - b"]),
        ("x = a - b", ["sign a - b -> a + b", "exchange a - b -> b - a"]),
        ("x -= a", ["sign x -= a -> x += a"]),
        ("x = (a - b).square()", ["sign a - b -> a + b"]),
        ("x = a / b", ["exchange a / b -> b / a"]),
        ("x = a ** 2", ["exchange a ** 2 -> 2 ** a"]),
        ("x = 0 <= a < 1", ["sign 0 <= a < 1 -> 0 >= a < 1", "sign 0 <= a < 1 -> 0 <= a > 1"]),
        ("x = max(a, b)", ["sign max(a, b) -> min(a, b)"]),
        ("x = torch.minimum(a, b)", ["sign torch.minimum(a, b) -> torch.maximum(a, b)"]),
        ("x = a.clamp(min=0)", ["sign a.clamp(min=0) -> a.clamp(max=0)"]),
        ("x = f(a, largest=True)", ["sign f(a, largest=True) -> f(a, largest=False)"]),
        ("x = 'amax'", ["sign 'amax' -> 'amin'"]),
        ("x = a.detach()", ["detach a.detach() -> a"]),
        ("@torch.no_grad()\ndef f(): ...", ["f: detach torch.no_grad() -> nothing"]),
        ("with no_grad(): ...", ["detach no_grad() -> torch.enable_grad()"]),
        ("x = f(a, b, c)", ["exchange f(a, b, c) -> f(b, a, c)"]),
        ("x = f(a, low=b, high=c)", ["exchange f(a, low=b, high=c) -> f(a, low=c, high=b)"]),
        ("f(low=1, high=2)", ["exchange f(low=1, high=2) -> f(low=2, high=1)"]),
        ("x = ('now', 'then')", ["exchange ('now', 'then') -> ('then', 'now')"]),
        ("x = {'low': a, 'high': b}", ["exchange {'low': a, 'high': b} -> {'low': b, 'high': a}"]),
        ("x = torch.where(m, a, b)", ["exchange torch.where(m, a, b) -> torch.where(m, b, a)"]),
    ],
)
def test_every_kind_of_wrong_is_made(source, expected):
    assert made(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        "x = 'a' + b",
        "x = [*a] + b",
        "x = f(a, a)",
        "x = f(a, 'what it is')",
        "x = f(low=1.0, whole=True)",
        "x = {'low': 'what it is', 'high': 'what else'}",
        "x = torch.dot(a, b)",
        "x = a.masked_fill(m, 0.0)",
        "x = torch.eye(a, dtype=b, device=c)",
        "x = Method(name='a', paper='b')",
        "raise Error(f'{a - b}', 'text')",
        "x = a.softmax(dim=-1).sum(-1)",
        "assert a < b, f'{a - b}'",
        "def f(a: Literal['max'] = b) -> Float[Tensor, 'n - 1']: ...",
        "x: dict[str, max(a)] = b",
    ],
)
def test_what_is_no_mathematics_is_left_alone(source):
    assert made(source) == []


def test_the_same_change_twice_in_a_function_has_two_names_and_two_sources():
    found = mutants("area.py", "def f(a):\n    return -a * -a")
    assert [mutant.name for mutant in found] == [
        "area.py f: sign -a -> a",
        "area.py f: sign -a -> a (2)",
    ]
    assert [mutant.source.splitlines()[-1].strip() for mutant in found] == [
        "return a * -a",
        "return -a * a",
    ]
    assert str(found[0]) == "area.py:2 f: sign -a -> a"


def test_a_long_change_is_told_around_where_it_is():
    before, after = shortened("a" * 200 + "-" + "b" * 200, "a" * 200 + "+" + "b" * 200)
    assert before == "..." + "a" * 30 + "-" + "b" * 89 + "..."
    assert after == before.replace("-", "+")
    assert shortened("-a", "a") == ("-a", "a")


def test_imports_for_the_type_checker_alone_lead_nowhere(tmp_path):
    (tmp_path / "far.py").write_text("")
    (tmp_path / "near.py").write_text("if TYPE_CHECKING:\n    import far\nimport os")
    (tmp_path / "test_near.py").write_text("from near import name")
    assert imports(tmp_path / "near.py") == {"os"}
    roots = (tmp_path,)
    assert distance(tmp_path / "test_near.py", tmp_path / "near.py", roots) == 1
    assert distance(tmp_path / "test_near.py", tmp_path / "far.py", roots) is None


AREA = "def area(width, height):\n    return width * height - 0\n"
NOTICES = "from shapes.area import area\ndef test_area():\n    assert area(2, 3) == 6\n"
IS_ENDLESS = "from shapes.area import area\ndef test_area():\n    while area(2, 3) != 6: pass\n"
MINUS = "area.py area: sign width * height - 0 -> width * height + 0"
TURNED = "area.py area: exchange width * height - 0 -> 0 - width * height"
CASES = {
    "survivor": (NOTICES, {}, 1, ["total: 2 tried, 1 killed, 50.0%; 0 equivalent"]),
    "equivalent": (NOTICES, {MINUS: "0"}, 0, ["total: 1 tried, 1 killed, 100.0%; 1 equivalent"]),
    "no equivalents": (
        NOTICES,
        {MINUS: "0", TURNED: "0", "area.py gone": "0"},
        1,
        [f"but a test notices: {TURNED}", "but there is no: area.py gone"],
    ),
    "endless": (IS_ENDLESS, {MINUS: "0"}, 0, ["1 killed (1 by taking too long)"]),
    "wrong test": (NOTICES.replace("6", "7"), {}, 2, ["a test fails without any change"]),
}
RUN = """
import contextlib, io, json, sys
from pathlib import Path
from tests.mutants import run
from tests.mutants.project import Project
from tests.mutants.test_mutants import CASES
run.LEAST_LIMIT_SECONDS = 0.5
here, found = Path(sys.argv[1]), {}
for name, (test, equivalent, *_) in CASES.items():
    path = here / name.replace(" ", "_") / "test_area.py"
    path.parent.mkdir()
    path.write_text(test)
    project = Project((here,), "shapes", (path,))
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
        found[name] = run.main([], project, equivalent), out.getvalue()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """All cases in one process of its own, which forks: what it has not loaded costs nothing."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "shapes").mkdir()
    (folder / "shapes" / "area.py").write_text(AREA)
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(folder)],
        cwd=ROOT, env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True, text=True, timeout=100, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_that_no_test_notices_fails_the_run(runs, name):
    status, output = runs[name]
    assert status == CASES[name][2], output
    for said in CASES[name][3]:
        assert said in output
