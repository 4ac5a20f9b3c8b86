"""The orchestrator: problems that say what tools cost, tools that keep to it, and what is measured."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from cohort.data.records import Problem
from cohort.errors import DataError
from cohort.policy.new import new_tokenizer
from cohort.rewards.orchestra import orchestra
from cohort.rewards.outcome import Scored
from cohort.rollout.environments import Spoken
from cohort.tasks.orchestrator import BANDS, Orchestrator, asked_for
from cohort.tasks.orchestrator_desk import KINDS, REACH, Desk
from cohort.tasks.orchestrator_measures import MEASURES, first_tools, fitting_tool

TABLE = re.compile(r"(\w+) (?:(\w+) )?([0-9]{2})c ([0-9])s")
EASY = Problem(
    "p",
    "easy: cheap 07c 3s, medium 21c 5s, strong 64c 9s; cost matters\n",
    {
        "kind": "easy",
        "harder": False,
        "answer": "17",
        "prices": {"cheap": 7, "medium": 21, "strong": 64},
        "seconds": {"cheap": 3, "medium": 5, "strong": 9},
        "names": {tool: tool for tool in REACH},
        "asks": 2,
        "wants": "cost",
        "preference": {"outcome": 1.0, "cost": 1.0},
    },
)


def like(problem: Problem = EASY, **columns: object) -> Problem:
    return replace(problem, columns={**problem.columns, **columns})


def play(
    problem: Problem, *turns: str, strict: bool = False
) -> tuple[list[str], dict[str, object], bool]:
    """What is seen after each turn, the facts, and whether it is over."""
    desk = Desk(strict=strict)
    assert desk.reset(problem, 1) == problem.prompt
    facts: dict[str, object] = {}
    seen, over = [], False
    for number, text in enumerate(turns):
        assert not over
        answer = desk.step(Spoken(text, number))
        facts |= answer.facts
        seen.append(answer.seen)
        over = answer.over
    return seen, facts, over


def many(count: int = 300, **options: object) -> list[Problem]:
    task = Orchestrator(held_out_problems=1, **options)  # type: ignore[arg-type]
    return task.batch(seed=1, purpose="reinforce", step=1, count=count)


def test_a_conversation_costs_what_the_table_says() -> None:
    seen, facts, over = play(like(kind="middling"), "ask cheap", "ask medium", "done")
    assert seen[:2] == ["-> failed\n", "-> 17\n"]
    assert facts == {
        "calls": {"cheap": 1, "medium": 1, "strong": 0},
        "first": "cheap",
        "cost": 28,
        "latency": 8,
        "mistakes": 0,
        "outcome": True,
    }
    assert over


@pytest.mark.parametrize(("kind", "able"), [*zip(KINDS, (3, 2, 1), strict=True)])
def test_a_tool_solves_what_is_within_its_reach_and_says_so_where_it_is_not(
    kind: str, able: int
) -> None:
    said = [play(like(kind=kind), f"ask {tool}")[0][0] for tool in REACH]
    assert said == ["-> failed\n"] * (3 - able) + ["-> 17\n"] * able


def test_what_is_harder_than_it_looks_is_answered_wrongly_and_the_same_by_all_members() -> None:
    harder = like(harder=True)
    ((first,), _, _), again = play(harder, "ask cheap"), play(harder, "ask cheap")[0]
    assert re.fullmatch(r"-> [0-9]{2}\n", first)
    assert first != "-> 17\n"
    assert again == [first]
    assert play(harder, "ask medium")[0] != ["-> 17\n"] == play(harder, "ask strong")[0]
    assert play(like(kind="middling", harder=True), "ask cheap")[0] == ["-> failed\n"]


@pytest.mark.parametrize(
    ("asked", "solved"),
    [(["medium"], True), (["cheap", "medium"], True), (["medium", "cheap"], False), ([], False)],
)
def test_the_answer_is_what_was_shown_last(asked: list[str], solved: bool) -> None:
    asks = [f"ask {tool}" for tool in asked]
    _, facts, over = play(like(kind="middling"), *asks, "done")
    assert over
    assert facts["outcome"] is solved


@pytest.mark.parametrize(
    ("turn", "seen"),
    [
        ("ask clever", "-> no such tool\n"),
        ("ask  cheap", "-> not understood\n"),
        ("done.", "-> not understood\n"),
        ("ask cheap done", "-> not understood\n"),
        ("", "-> not understood\n"),
    ],
)
def test_what_cannot_be_read_is_told_and_counted_and_costs_nothing(turn: str, seen: str) -> None:
    shown, facts, over = play(EASY, turn)
    assert shown == [seen]
    assert (facts["mistakes"], facts["cost"], over) == (1, 0, False)


def test_more_calls_than_allowed_end_the_episode_without_an_answer() -> None:
    _, facts, over = play(like(asks=1), "ask cheap", "ask cheap")
    assert over
    assert "outcome" not in facts
    assert facts["calls"] == {"cheap": 1, "medium": 0, "strong": 0}


@pytest.mark.parametrize("turns", [("please",), ("ask cheap", "ask cheap"), ("ask clever",)])
def test_a_strict_desk_loses_a_problem_by_a_wrong_turn_and_it_is_not_dropped(
    turns: tuple[str, ...],
) -> None:
    _, facts, over = play(like(asks=1), *turns, strict=True)
    assert over
    assert (facts["outcome"], facts["lost"], facts["mistakes"]) == (False, True, 0)
    assert MEASURES["valid"](episodes=[{"turns": [], "facts": facts}]) == [0.0]
    preference = [EASY.columns["preference"]]
    said = orchestra(episodes=[{"turns": [], "facts": facts}], preference=preference)  # type: ignore[arg-type]
    assert said == [Scored(0.0)]


def test_a_desk_that_is_neither_strict_nor_not_is_refused() -> None:
    with pytest.raises(DataError, match="strict is 'yes'"):
        Desk(strict="yes")  # type: ignore[arg-type]


def test_the_state_is_that_of_the_problem_and_of_what_was_asked() -> None:
    one, other, third = Desk(), Desk(), Desk()
    for desk, problem in ((one, EASY), (other, EASY), (third, like(answer="18"))):
        desk.reset(problem, 1)
    assert one.state_hash() == other.state_hash() != third.state_hash()
    other.step(Spoken("ask cheap", 0))
    assert one.state_hash() != other.state_hash()


@pytest.mark.parametrize("aliases", [False, True])
def test_a_prompt_says_what_its_columns_do(aliases: bool) -> None:
    for problem in many(40, aliases=aliases):
        columns = problem.columns
        rows = TABLE.findall(str(problem.prompt))
        tools = {name: (solves, int(cents), int(took)) for name, solves, cents, took in rows}
        assert len(tools) == 3
        for name, tool in columns["names"].items():  # type: ignore[attr-defined]
            looks = KINDS[REACH[tool]] if aliases else ""
            assert tools[name] == (looks, columns["prices"][tool], columns["seconds"][tool])  # type: ignore[index]
        assert str(problem.prompt).startswith(f"{columns['kind']}: ")


def test_aliases_stand_for_another_tool_in_every_problem_and_are_what_is_asked_for() -> None:
    problems = many(aliases=True)
    stands_for = {problem.columns["names"].get("A") for problem in problems}  # type: ignore[attr-defined]
    assert stands_for == {*REACH, None}
    names: dict[str, str] = problems[0].columns["names"]  # type: ignore[assignment]
    (name, tool), *_ = names.items()
    assert play(problems[0], f"ask {name}")[1]["first"] == tool
    assert play(problems[0], f"ask {tool}")[0] == ["-> no such tool\n"]


def test_options_say_what_problems_are_like() -> None:
    bands = [range(*band) for band in BANDS]
    for prices, order in (("ordinary", bands), ("swapped", bands[::-1])):
        for problem in many(40, prices=prices):
            own = problem.columns["prices"].values()  # type: ignore[attr-defined]
            assert all(price in band for price, band in zip(own, order, strict=True))
    assert {p.columns["kind"] for p in many(40, kinds=["hard"])} == {"hard"}
    assert {p.columns["wants"] for p in many(40)} == {"outcome", "cost"}
    timely = many(1, preferences=["time"])[0]
    assert timely.columns["preference"] == {"outcome": 1.0, "latency": 1.0}
    assert many(1, asks=3)[0].columns["asks"] == 3
    harder = [
        bool(p.columns["harder"]) for p in many(harder_share=0.5) if p.columns["kind"] != "hard"
    ]
    assert 0.4 < sum(harder) / len(harder) < 0.6
    assert not any(p.columns["harder"] for p in many(kinds=["hard"], harder_share=1.0))
    for p in many(40, kinds=["easy"], harder_share={"cost": 0.0, "outcome": 1.0}):
        assert p.columns["harder"] is (p.columns["wants"] == "outcome")


def test_unseen_prices_are_never_seen_elsewhere() -> None:
    def asked(unseen: bool) -> set[int]:
        every = many(unseen_prices=unseen)
        return {price for p in every for price in p.columns["prices"].values()}  # type: ignore[attr-defined]

    assert not asked(False) & asked(True)
    assert len(asked(False)) > 30
    assert all(any(price in range(*band) for price in asked(True)) for band in BANDS)


def test_the_same_problem_can_be_asked_for_something_else() -> None:
    for problem in many(20):
        timely = asked_for(problem, "time")
        assert str(timely.prompt).partition(";")[0] == str(problem.prompt).partition(";")[0]
        assert str(timely.prompt).endswith("; time matters\n")
        changed = {k for k, v in timely.columns.items() if v != problem.columns[k]}
        assert changed == {"wants", "preference"}
        assert asked_for(timely, str(problem.columns["wants"])) == problem


def test_no_held_out_problem_is_ever_trained_on_and_the_seed_does_not_choose_them() -> None:
    task = Orchestrator()
    held_out = {problem.id for problem in task.held_out()}
    assert len(held_out) == 200
    for step in range(1, 9):
        shown = task.demonstrations(seed=step, step=step, count=64)
        asked = task.batch(seed=step, purpose="r", step=step, count=64)
        assert not held_out & {*(d.problem.id for d in shown), *(p.id for p in asked)}


def test_demonstrations_replay_as_they_are_and_ask_every_tool_as_often() -> None:
    shown = Orchestrator().demonstrations(seed=1, step=1, count=600)
    for one in shown:
        seen, facts, over = play(one.problem, *[turn for turn, _ in one.earlier], one.completion)
        assert seen[:-1] == [was for _, was in one.earlier]
        assert over
        assert not facts["mistakes"]
    firsts = [one.earlier[0][0] for one in shown]
    assert all(0.27 < firsts.count(f"ask {tool}") / 600 < 0.4 for tool in REACH)
    assert {len(one.earlier) for one in shown} == {1, 2}


@pytest.mark.parametrize("aliases", [False, True])
def test_the_vocabulary_spells_everything_that_is_said_and_shown(aliases: bool) -> None:
    task = Orchestrator(aliases=aliases, preferences=["outcome", "cost", "time"])
    tokenizer = new_tokenizer(task.vocabulary())
    spoken = ["-> not understood\n", "-> no such tool\n"]
    for one in task.demonstrations(seed=1, step=1, count=64):
        turns = [part for both in one.earlier for part in both]
        spoken += [str(one.problem.prompt), *turns, one.completion]
    for text in spoken:
        assert tokenizer.unk_token_id not in tokenizer(text)["input_ids"]


def test_a_tool_and_the_first_digit_of_its_price_are_one_piece_and_unseen_prices_have_no_other() -> (
    None
):
    task = Orchestrator()
    tokenizer = new_tokenizer(task.vocabulary())
    assert tokenizer.tokenize("cheap 07c 3s")[:3] == ["cheap 0", "7", "c "]
    asked = [
        {piece for p in many(unseen_prices=unseen) for piece in tokenizer.tokenize(str(p.prompt))}
        for unseen in (False, True)
    ]
    assert asked[1] <= asked[0]


@pytest.mark.parametrize(
    ("columns", "tool"),
    [
        ({}, "cheap"),
        ({"kind": "middling"}, "medium"),
        ({"kind": "hard"}, "strong"),
        ({"prices": {"cheap": 64, "medium": 21, "strong": 7}}, "strong"),
        ({"prices": {"cheap": 21, "medium": 7, "strong": 64}}, "medium"),
        ({"kind": "middling", "prices": {"cheap": 1, "medium": 9, "strong": 8}}, "strong"),
        ({"wants": "outcome"}, "strong"),
        ({"wants": "time", "seconds": {"cheap": 9, "medium": 2, "strong": 5}}, "medium"),
    ],
)
def test_the_fitting_tool_follows_difficulty_price_and_preference(columns, tool) -> None:
    assert fitting_tool(like(**columns).columns) == tool


def test_measures_say_what_was_done() -> None:
    _, facts, _ = play(EASY, "ask medium", "done")
    given = {name: [value] for name, value in EASY.columns.items()}
    episode = {"turns": [], "facts": facts}
    said = {name: measure(episodes=[episode], **given)[0] for name, measure in MEASURES.items()}  # type: ignore[index]
    assert said == {
        "solved": 1.0,
        "spent": 21.0,
        "waited": 5.0,
        "valid": 1.0,
        "fitting": 0.0,
        "first_cheap": 0.0,
        "first_medium": 1.0,
        "first_strong": 0.0,
    }
    assert all(m(episodes=[None], **given) == [None] for m in MEASURES.values())
    played = [
        (EASY, facts),
        (EASY, {"first": ""}),
        (like(kind="hard"), facts | {"first": "strong"}),
    ]
    assert first_tools(played) == {
        "easy": {"cheap": 0.0, "medium": 0.5, "strong": 0.0},
        "hard": {"cheap": 0.0, "medium": 0.0, "strong": 1.0},
    }


@pytest.mark.parametrize(
    "options",
    [
        {"kinds": []},
        {"kinds": "easy"},
        {"preferences": ["speed"]},
        {"prices": "free"},
        {"unseen_prices": 1},
        {"harder_share": 2},
        {"harder_share": {"cost": 0.1}},
        {"asks": 0},
        {"aliases": "yes"},
    ],
)
def test_options_that_cannot_be_are_refused_with_their_value(options: dict[str, object]) -> None:
    (name,) = options
    with pytest.raises(DataError, match=f"orchestrator: {name} is"):
        Orchestrator(**options)  # type: ignore[arg-type]
