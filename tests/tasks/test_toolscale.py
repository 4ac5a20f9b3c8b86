"""Domains: golden calls that prove an assignment, success by the database, a desk that tells refusals."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import pytest

from cohort.data.records import Problem
from cohort.errors import DataError
from cohort.rewards.orchestra import orchestra
from cohort.rollout.environments import Call, Observed, Spoken
from cohort.tasks.toolscale import MEASURES, ToolScale
from cohort.tasks.toolscale_desk import DomainDesk, assignment_in, columns_of, prompt_of
from cohort.tasks.toolscale_domain import (
    Assignment,
    Domain,
    Refusal,
    done,
    operation,
    replay,
    same_data,
    state_hash,
    succeeded,
    unsound,
)
from cohort.tasks.toolscale_library import LIBRARY


def put(database, item, place):
    if place not in database["places"]:
        database["places"]["spoiled"] = []  # a refusal takes this back
        raise Refusal(f"there is no {place}")
    database["places"][place].append(item)
    return database["places"][place]


def look(database, place):
    return database["places"].get(place)


KITCHEN = Domain(
    "kitchen",
    "Put things where they belong.",
    (
        operation(put, "Put a thing somewhere.", item="what", place="where"),
        operation(look, "See what is there.", writes=False, place="where"),
    ),
)
PLATE = Call("put", {"item": "plate", "place": "shelf"})
CUP = Call("put", {"item": "cup", "place": "shelf"})
LOOK = Call("look", {"place": "shelf"})
TIDY = Assignment(
    "tidy", "Put plate and cup on the shelf.", {"places": {"shelf": []}}, (PLATE, CUP), ("done",)
)


def after(*calls: Call, said: str = "done", assignment: Assignment = TIDY) -> dict[str, bool]:
    database = copy.deepcopy(dict(assignment.database))
    for call in calls:
        done(KITCHEN, call, database)
    return succeeded(KITCHEN, assignment, database=database, calls=calls, said=said)


def test_data_is_the_same_in_whatever_order_and_only_then() -> None:
    one = {"a": [{"x": 1, "y": [2, 1]}, {"x": 2}], "b": True}
    assert same_data(one, {"b": True, "a": [{"x": 2}, {"y": [1, 2], "x": 1.0}]})
    assert state_hash(one) == state_hash({"b": True, "a": [{"x": 2}, {"y": [1, 2], "x": 1}]})
    for other in ({"a": one["a"], "b": 1}, {"a": [{"x": 2}], "b": True}, {"a": one["a"]}):
        assert not same_data(one, other)
    assert not same_data([1, 1, 2], [1, 2, 2])


def test_golden_calls_in_any_order_solve_it_and_doing_nothing_does_not() -> None:
    assert unsound(KITCHEN, TIDY) == ""
    assert all(after(PLATE, CUP).values())
    assert all(after(CUP, PLATE).values())
    assert not after()["outcome"]
    assert replay(KITCHEN, TIDY) == {"places": {"shelf": ["plate", "cup"]}}
    assert TIDY.database == {"places": {"shelf": []}}


def test_success_is_the_database_and_the_calls_and_what_was_told() -> None:
    assert after(PLATE, CUP, said="Done!")["outcome"]
    assert after(PLATE, CUP, said="") == {
        "database": True, "complete": True, "told": False, "outcome": False,
    }  # fmt: skip
    assert after(PLATE, PLATE, CUP)["database"] is False
    twice = replace(TIDY, golden=(PLATE, PLATE))
    assert after(PLATE, assignment=twice)["complete"] is False
    seen = replace(TIDY, golden=(PLATE, LOOK))
    assert after(PLATE, assignment=seen)["outcome"] is False
    assert after(PLATE, assignment=replace(seen, judged=("database",)))["outcome"] is True
    elsewhere = replace(seen, golden=(Call("look", {"place": "moon"}),), judged=("complete",))
    assert after(LOOK, assignment=elsewhere)["complete"] is False
    free = replace(elsewhere, uncompared={"look": ("place",)})
    assert after(LOOK, assignment=free)["complete"] is True


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"golden": (Call("put", {"item": "plate", "place": "moon"}),)}, "there is no moon"),
        ({"golden": (Call("burn", {}),)}, "there is no tool burn; there are put, look"),
        ({"golden": (Call("put", {"item": "plate"}),)}, "needs the argument place"),
        ({"golden": (), "told": ()}, "doing nothing solves it"),
        ({"judged": ()}, "doing nothing solves it"),
    ],
)
def test_an_assignment_that_proves_nothing_is_unsound(changes, why: str) -> None:
    assert why in unsound(KITCHEN, replace(TIDY, **changes))


def test_a_refused_call_changes_nothing() -> None:
    database = copy.deepcopy(dict(TIDY.database))
    with pytest.raises(Refusal, match="no moon"):
        done(KITCHEN, Call("put", {"item": "cup", "place": "moon"}), database)
    assert database == TIDY.database


def at_desk(assignment: Assignment = TIDY) -> DomainDesk:
    desk = DomainDesk(KITCHEN)
    problem = Problem("p", prompt_of(KITCHEN, assignment), columns_of(assignment))
    assert desk.reset(problem, 7) == problem.prompt
    return desk


def turn(
    desk: DomainDesk, *calls: Call, content: str = "", mistakes: tuple[str, ...] = ()
) -> Observed:
    return desk.step(Spoken(content, 0, calls, mistakes, content))


def told(answer: Observed) -> list[object]:
    assert not isinstance(answer.seen, str)
    assert all(message["role"] == "tool" for message in answer.seen)
    return [json.loads(message["content"]) for message in answer.seen]


def test_an_episode_at_the_desk_ends_with_a_turn_without_calls_and_is_judged_then() -> None:
    desk = at_desk()
    before = desk.state_hash()
    answer = turn(desk, PLATE, CUP, content="I am")
    assert told(answer) == [["plate"], ["plate", "cup"]]
    assert not answer.over
    assert desk.state_hash() != before == at_desk().state_hash()
    end = turn(desk, content="done")
    assert end.over
    assert end.facts == {
        "calls": {"put": 2, "look": 0}, "refused": 0, "mistakes": 0, "cost": 2, "latency": 2,
        "database": True, "complete": True, "told": True, "outcome": True,
    }  # fmt: skip


def test_what_is_refused_or_cannot_be_read_is_told_and_counted() -> None:
    desk = at_desk()
    answer = turn(
        desk,
        Call("burn", {}),
        Call("put", {"item": 1, "place": "shelf"}),
        Call("put", {"item": "cup", "place": "shelf", "now": "yes"}),
        mistakes=("a call without a name",),
    )
    errors = [one["error"] for one in told(answer)]  # type: ignore[index]
    assert errors == [
        "there is no tool burn; there are put, look",
        "put: item has to be a text",
        "put has no argument now; it has item, place",
        "a call without a name",
    ]
    facts = turn(desk).facts
    assert (facts["refused"], facts["mistakes"], facts["outcome"]) == (3, 1, False)


def test_members_of_a_group_do_not_share_a_database() -> None:
    one, other = at_desk(), at_desk()
    turn(one, PLATE, CUP)
    assert one.state_hash() != other.state_hash()
    assert turn(other, content="done").facts["outcome"] is False


def test_the_tools_of_a_desk_have_schemas_and_work_on_its_database() -> None:
    desk = at_desk()
    first, _ = desk.tools
    assert first.schema["function"] == {
        "name": "put",
        "description": "Put a thing somewhere.",
        "parameters": {
            "type": "object",
            "properties": {
                "item": {"type": "string", "description": "what"},
                "place": {"type": "string", "description": "where"},
            },
            "required": ["item", "place"],
        },
    }
    assert first.call(item="plate", place="shelf") == ["plate"]
    assert told(turn(desk, CUP)) == [["plate", "cup"]]


def test_an_assignment_survives_being_a_problem_s_columns() -> None:
    columns = json.loads(json.dumps(columns_of(TIDY)))
    assert assignment_in(Problem("tidy", "", columns)) == TIDY


def test_every_problem_of_the_library_is_solved_by_its_golden_calls_and_not_by_nothing() -> None:
    task = ToolScale(errands=3, held_out_problems=5)
    problems = task.batch(seed=1, purpose="r", step=1, count=40)
    assert not {p.id for p in task.held_out()} & {p.id for p in problems}
    for problem in problems:
        assignment = assignment_in(problem)
        for solves in (True, False):
            desk = task.environments["toolscale"]()
            desk.reset(problem, 1)
            if solves:
                desk.step(Spoken("", 0, assignment.golden))
            end = desk.step(Spoken("", 1, content=" ".join(assignment.told)))
            assert isinstance(end, Observed)
            assert end.facts["outcome"] is solves
    assert {len(p.columns["golden"]) for p in problems} == {1, 2, 3}  # type: ignore[arg-type]
    kinds = {call["name"] for p in problems for call in p.columns["golden"]}  # type: ignore[attr-defined]
    assert kinds == {"lend_book", "take_back_book", "move_book"}


def test_the_library_keeps_its_own_rules() -> None:
    problem = ToolScale(held_out_problems=1).batch(seed=1, purpose="r", step=1, count=1)[0]
    database = copy.deepcopy(dict(assignment_in(problem).database))
    book = next(key for key, own in database["books"].items() if own["lent_to"])
    for call, why in (
        (
            Call("lend_book", {"book_id": book, "member_id": next(iter(database["members"]))}),
            "is lent to",
        ),
        (Call("move_book", {"book_id": book, "shelf": "A1"}), "is lent to"),
        (Call("lend_book", {"book_id": "b0", "member_id": "m0"}), "there is no b0 among the books"),
    ):
        with pytest.raises(Refusal, match=why):
            done(LIBRARY, call, database)


def test_measures_read_what_the_desk_said_and_the_orchestra_can_reward_it() -> None:
    desk = at_desk()
    turn(desk, PLATE, CUP)
    facts = turn(desk, content="done").facts
    episode = {"turns": [], "facts": facts}
    assert {name: m(episodes=[episode]) for name, m in MEASURES.items()} == {
        name: [1.0] for name in ("solved", "database", "complete", "told")
    }
    assert all(m(episodes=[None]) == [None] for m in MEASURES.values())
    lazy = {"turns": [], "facts": {**facts, "cost": 9}}
    said = orchestra(episodes=[episode, lazy], preference=[{"outcome": 1, "cost": 1}] * 2)
    assert [one.value for one in said] == [1.0, 0.0]  # type: ignore[union-attr]


def test_what_needs_a_template_is_refused() -> None:
    task = ToolScale(held_out_problems=1)
    with pytest.raises(DataError, match="no demonstrations"):
        task.demonstrations(seed=1, step=1, count=1)
    with pytest.raises(DataError, match="no vocabulary"):
        task.vocabulary()
    with pytest.raises(DataError, match="errands is 0"):
        ToolScale(errands=0)
