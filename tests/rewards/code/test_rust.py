"""Rust with cargo: what counts as a test that tells something, and what a program is worth."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cohort.errors import RewardError
from cohort.rewards.code import cargo
from cohort.rewards.code import rust as rewarded
from cohort.rewards.code.rust import examined, rust
from cohort.rewards.code.rust_source import read_rust
from cohort.rewards.outcome import Scored, Unscorable
from cohort.rewards.sandbox.sandbox import Sandbox

ADD = """
/// Adds; the brace here is no code: {
pub fn add(a: i64, b: i64) -> i64 {
    let text = "fn b() {"; // }
    a + b + text.len() as i64 - 8
}
"""
TESTS = """
#[cfg(test)]
mod tests {{
    use super::*;
    #[test]
    fn adds() {{
        {asserts}
    }}
}}
"""
ASSERTS = 'assert_eq!(add(1, 2), 3); assert!(add(2, 2) == 4); assert_ne!(add(0, 0), 1, "no");'
GOOD = ADD + TESTS.format(asserts=ASSERTS + "assert_eq!(add(-1, 1), 0);")


def fenced(source: str) -> str:
    return f"```rust\n{source}\n```"


@pytest.mark.parametrize(
    ("asserts", "telling"),
    [
        (ASSERTS, 3),
        (ASSERTS * 2, 3),
        ("assert_eq!(add(1, 2), 3); assert_eq!( add(1,2) , 3, \"again\");", 1),
        ("assert!(true);" * 8, 0),
        ("assert_eq!(1 + 1, 2);", 0),
        ("assert_eq!(add(1, 2), add(1, 2));", 0),
        ("assert_eq!(\"add\", \"add(\"); // assert_eq!(add(1, 2), 3);", 0),
        ("println!(\"{}\", add(1, 2));", 0),
        ("assert_eq!(vec![add(1, 2), 3], vec![3, 3]);", 1),
    ],
)  # fmt: skip
def test_an_assert_tells_if_it_speaks_of_the_program(asserts: str, telling: int) -> None:
    assert read_rust(ADD + TESTS.format(asserts=asserts)).telling_asserts == telling


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (GOOD, ""),
        (ADD, "no test module"),
        (GOOD.replace("#[test]", ""), "no test module"),
        (TESTS.format(asserts=ASSERTS), "fewer than"),
        (ADD + TESTS.format(asserts="add(1, 2);"), "no assert"),
        (GOOD.replace("use super", "use std::process; use super"), "'process'"),
        (GOOD.replace("#[test]", "#[test]\n    #[ignore]"), "'ignore'"),
        (GOOD.replace("pub fn", "#[cfg(not(test))]\npub fn"), "'cfg(not'"),
        (GOOD.replace("a + b", "std::io::stdout(); a + b"), "'stdout'"),
        (GOOD.replace("// }", "// process"), ""),
    ],
)
def test_tests_that_cannot_tell_are_named(source: str, words: str) -> None:
    said = read_rust(source).complaint()
    assert words in said
    assert bool(words) == bool(said)


def test_a_hollowed_source_panics_in_each_of_its_functions_and_in_no_test() -> None:
    source = (
        "const fn k<T>(t: [T; 2]) -> usize { 2 }\nimpl A { fn a(&self) -> impl Fn() { || {} } }\n"
    )
    hollow = read_rust(source + "trait T { fn t(&self); }\n" + GOOD).hollowed()
    assert hollow.count("panic!") == 2
    assert '-> impl Fn() { panic!("hollow");' in hollow
    assert '-> i64 { panic!("hollow");' in hollow


@pytest.mark.parametrize("text", ["'a' '{' '\\'' b'{'", 'r#"{"#', "/* { /* { */ { */", "&'a str"])
def test_what_is_in_strings_and_comments_is_no_code(text: str) -> None:
    code = read_rust(f"fn a() {{ {text} }}").code
    assert code.count("{") == 1
    assert len(code) == len(f"fn a() {{ {text} }}")


def test_without_a_toolchain_nothing_can_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewarded, "toolchain", lambda: "there is no Rust toolchain")
    said = rust(completions=[fenced(GOOD)] * 2)
    assert said == [Unscorable("there is no Rust toolchain")] * 2


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    found = cargo.toolchain()
    if isinstance(found, str):
        pytest.skip(found)
    made = Sandbox()
    try:
        cargo._knowledge(made, found)
    except RewardError as error:
        made.close()
        pytest.skip(error.message)
    yield made
    made.close()


def test_a_program_is_worth_what_held_of_it(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewarded, "_sandbox", lambda: sandbox)
    hollow = ADD + TESTS.format(asserts="assert!({ let add = 3; add == 3 });")
    asked = [GOOD, hollow, "fn f() -> u8 { 300 }"]
    said = rust(completions=[*map(fenced, asked), "no program"])
    assert said == [Scored(1.0), Scored(0.4), Scored(0.0), Scored(0.0)]


SLOW = {
    "a failing test": (GOOD.replace("2), 3)", "2), 4)"), (True, True, False), "do not pass"),
    "a loop": (GOOD.replace("a + b", "loop {} a + b"), (True, True, False), "do not pass"),
    "a warning of clippy": (GOOD.replace("a + b", "return a + b"), (True, True, True), ""),
    "an error of clippy": (
        GOOD.replace("a + b", "let _ = a == a; a + b"), (True, False, True), "clippy"
    ),
    "clippy told not to look": (
        "#![allow(clippy::all)]\n" + GOOD, (True, False, True), "clippy"
    ),
    "a test that is not run": (
        GOOD + "\n#[cfg(test)]\nmod b {\n    #[cfg(any())]\n    #[test]\n    fn c() {}\n}\n",
        (True, True, False),
        "not every test",
    ),
    "only should_panic": (
        GOOD.replace("#[test]", "#[test]\n    #[should_panic]").replace("2), 3)", "2), 4)"),
        (True, True, False),
        "do not depend",
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_each_part_is_found_out_by_itself(sandbox: Sandbox, name: str) -> None:
    source, parts, words = SLOW[name]
    found = cargo.toolchain()
    assert isinstance(found, cargo.Toolchain)
    said = examined(sandbox, found, fenced(source), 20.0)
    assert (said.build, said.clippy, said.test) == parts, said
    assert words in said.reason
