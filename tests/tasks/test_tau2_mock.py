"""The mock domain of tau2-bench: read from a folder, here one of our own with the same form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cohort.config.stages import Problems
from cohort.data.records import Problem
from cohort.errors import DataError
from cohort.rollout.environments import Call, Observed, Spoken
from cohort.tasks.problems import open_source
from cohort.tasks.tau2_mock import Tau2Mock, read_mock
from cohort.tasks.toolscale_desk import assignment_in

REAL = Path(__file__).parents[3] / "shared" / "data" / "tau2-bench" / "mock"
DATABASE = {
    "tasks": {
        "task_1": {"task_id": "task_1", "title": "Mow", "description": None, "status": "pending"}
    },
    "users": {"user_1": {"user_id": "user_1", "name": "Ann", "tasks": ["task_1"]}},
}
NEW = {"name": "create_task", "arguments": {"user_id": "user_1", "title": "Rake"}}
FINISH = {"name": "update_task_status", "arguments": {"task_id": "task_2", "status": "completed"}}
GO_ON = {
    "message_history": [
        {"role": "user", "content": "I have to rake."},
        {"role": "assistant", "tool_calls": [NEW]},
        {"role": "tool", "content": "{}"},
        {"role": "assistant", "content": "It is task_2."},
    ]
}


def task(name: str, *actions: dict[str, object], **more: object) -> dict[str, object]:
    criteria = {"actions": list(actions), **more.pop("criteria", {})}  # type: ignore[dict-item]
    scenario = {"instructions": f"You want {name}."}
    return {"id": name, "user_scenario": scenario, "evaluation_criteria": criteria, **more}


TASKS = [
    task("new", NEW, ticket="Rake, please."),
    task("go_on", FINISH, initial_state=GO_ON),
    task("finish", FINISH, initial_state={
        "initialization_actions": [
            {"env_type": "assistant", "func_name": "create_task", "arguments": NEW["arguments"]},
            {"env_type": "user", "func_name": "look_out", "arguments": {}},
        ]
    }),
    task("given", FINISH, initial_state={"initialization_data": {"agent_data": {
        "tasks": {"task_2": {"task_id": "task_2", "title": "Rake", "status": "pending"}},
        "users": {"user_1": {"tasks": ["task_1", "task_2"]}},
    }}}),
    task(
        "hand_over",
        {
            "name": "transfer_to_human_agents",
            "arguments": {"summary": "to delete"},
            "compare_args": [],
        },
        criteria={"reward_basis": ["DB", "ACTION"]},
    ),
    task("praise"),
    task("too_early", FINISH),
    task("lost", NEW, initial_state={"initialization_actions": [
        {"env_type": "assistant", "func_name": "create_task",
         "arguments": {"user_id": "nobody", "title": "Rake"}},
    ]}),
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "db.json").write_text(json.dumps(DATABASE))
    (tmp_path / "tasks.json").write_text(json.dumps(TASKS))
    (tmp_path / "policy.md").write_text("Be exact.\n")
    return tmp_path


def played(task: Tau2Mock, problem: Problem, *calls: Call) -> dict[str, object]:
    desk = task.environments["tau2-mock"]()
    desk.reset(problem, 1)
    if calls:
        desk.step(Spoken("", 0, calls))
    end = desk.step(Spoken("", 1))
    assert isinstance(end, Observed)
    return dict(end.facts)


def test_tasks_that_the_database_cannot_judge_are_left_out_with_the_reason(folder: Path) -> None:
    _, found, left_out = read_mock(folder)
    assert [one.id for one in found] == ["new", "go_on", "finish", "given", "hand_over"]
    assert left_out == {
        "praise": "doing nothing solves it",
        "too_early": "its golden calls do not go through: there is no task task_2",
        "lost": "it cannot begin: there is no user nobody",
    }


def test_a_task_begins_where_its_history_or_its_data_leaves_it(folder: Path) -> None:
    _, found, _ = read_mock(folder)
    by_id = {one.id: one.database for one in found}
    assert set(by_id["new"]["tasks"]) == {"task_1"}
    for name in ("go_on", "finish", "given"):
        assert by_id[name]["tasks"]["task_2"]["status"] == "pending"
        assert by_id[name]["users"]["user_1"]["tasks"] == ["task_1", "task_2"]
    assert by_id["given"]["users"]["user_1"]["name"] == "Ann"


def test_prompts_are_chats_with_policy_history_and_ticket(folder: Path) -> None:
    prompts = {one.id: one.prompt for one in Tau2Mock(folder=str(folder)).known()}
    system = {"role": "system", "content": "Be exact."}
    assert prompts["new"] == (system, {"role": "user", "content": "Rake, please."})
    assert prompts["go_on"] == (
        system,
        {"role": "user", "content": "I have to rake."},
        {"role": "assistant", "content": "It is task_2."},
        {"role": "user", "content": "You want go_on."},
    )


def test_success_is_the_database_and_where_a_task_says_so_the_calls(folder: Path) -> None:
    mock = Tau2Mock(folder=str(folder))
    for problem in mock.known():
        golden = assignment_in(problem).golden
        assert played(mock, problem, *golden)["outcome"] is True
        assert played(mock, problem)["outcome"] is False
    by_id = {problem.id: problem for problem in mock.known()}
    handed = Call("transfer_to_human_agents", {"summary": "in other words"})
    assert played(mock, by_id["hand_over"], handed)["outcome"] is True
    wrong = Call("create_task", {"user_id": "user_1", "title": "Rake", "description": "leaves"})
    assert played(mock, by_id["new"], wrong)["outcome"] is False
    refused = Call("update_task_status", {"task_id": "task_2", "status": "lost"})
    assert played(mock, by_id["finish"], refused)["refused"] == 1


def test_it_is_opened_by_name_and_asks_for_its_folder(folder: Path, tmp_path: Path) -> None:
    options = {"folder": str(folder)}
    source = open_source(Problems(source="tau2-mock", options=options), tmp_path)
    assert len(source.batch(seed=1, purpose="r", step=1, count=4)) == 4
    assert len(source.held_out()) == 1
    with pytest.raises(DataError, match="folder is not given"):
        Tau2Mock()
    with pytest.raises(DataError, match="cannot be read"):
        Tau2Mock(folder=str(tmp_path / "nowhere"))
    (folder / "db.json").write_text("{")
    with pytest.raises(DataError, match="is no JSON"):
        Tau2Mock(folder=str(folder))


@pytest.mark.skipif(not REAL.is_dir(), reason=f"there is no data of tau2-bench in {REAL}")
def test_eight_of_the_ten_real_tasks_are_judged_and_solved_by_their_golden_calls() -> None:
    mock = Tau2Mock(folder=str(REAL))
    assert sorted(mock.left_out) == [
        "create_task_1_nl_eval",
        "update_task_with_history_and_env_assertions",
    ]
    for problem in mock.known():
        assert played(mock, problem, *assignment_in(problem).golden)["outcome"] is True
        assert played(mock, problem)["outcome"] is False
