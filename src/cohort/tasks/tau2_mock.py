"""The task "tau2-mock": the mock domain of tau2-bench, read from a folder of its data.

The folder has `db.json`, `tasks.json` and `policy_solo.md` (or `policy.md`); none of it comes with Cohort.
The operations are written here after what its tasks call. There is no simulated user: the request is a
task's ticket, or what its user was to bring about; what was said earlier stands before it, without its calls.
An attempt is judged by the database at the end, and where a task says so (`ACTION`) also by the calls that
were made. Assertions in words and on the user's own device are not asked. A task that cannot be judged so is
left out, and `left_out` says why.
"""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, final

from cohort.config.stages import Problems
from cohort.data.files import Row
from cohort.data.records import Demonstration, Problem
from cohort.errors import DataError, legible
from cohort.rollout.environments import Call, EnvironmentFactory
from cohort.tasks.finite import Finite
from cohort.tasks.toolscale import MEASURES
from cohort.tasks.toolscale_desk import DomainDesk, columns_of, prompt_of
from cohort.tasks.toolscale_domain import (
    Assignment,
    Database,
    Domain,
    Refusal,
    done,
    operation,
    unsound,
)

STATUSES = ("pending", "completed")


def create_task(
    database: Database, user_id: str, title: str, description: str = ""
) -> dict[str, Any]:
    """A further task of a user, pending."""
    if user_id not in database["users"]:
        raise Refusal(f"there is no user {user_id}")
    task_id = f"task_{len(database['tasks']) + 1}"
    task = {"task_id": task_id, "title": title, "description": description or None}
    database["tasks"][task_id] = task | {"status": "pending"}
    database["users"][user_id]["tasks"].append(task_id)
    return dict(database["tasks"][task_id])


def update_task_status(database: Database, task_id: str, status: str) -> dict[str, Any]:
    """A task, with another status."""
    if task_id not in database["tasks"]:
        raise Refusal(f"there is no task {task_id}")
    if status not in STATUSES:
        raise Refusal(f"a status is one of {', '.join(STATUSES)}")
    database["tasks"][task_id]["status"] = status
    return dict(database["tasks"][task_id])


def get_users(database: Database) -> list[dict[str, Any]]:
    """All users, with the ids of their tasks."""
    return [dict(user) for user in database["users"].values()]


def transfer_to_human_agents(database: Database, summary: str) -> str:
    """Leaves the rest to somebody else."""
    return "transferred"


OPERATIONS = (
    operation(
        create_task,
        "Create a task for a user.",
        user_id="the id of the user",
        title="the title of the task",
        description="what the task is about (optional)",
    ),
    operation(
        update_task_status,
        "Change the status of a task.",
        task_id="the id of the task",
        status="pending or completed",
    ),
    operation(get_users, "List the users.", writes=False),
    operation(
        transfer_to_human_agents,
        "Hand the user over to a human agent.",
        writes=False,
        summary="what the user wants",
    ),
)


@final
class Tau2Mock:
    """The tasks of the mock domain in `folder`; a fifth of them, at most `held_out_problems`, is held out."""

    name = "tau2-mock"

    def __init__(self, *, folder: str = "", held_out_problems: int = 200) -> None:
        if not isinstance(folder, str) or not folder:
            raise DataError(
                "tau2-mock: folder is not given",
                'options = { folder = "tau2-bench/mock" }: where its db.json and tasks.json are',
            )
        self.domain, assignments, self.left_out = read_mock(Path(folder))
        rows = [_row(self.domain, one, folder) for one in assignments]
        options = Problems(source="tau2-mock", held_out_problems=held_out_problems)
        self._finite = Finite(options, rows, [])
        self.rewards: Mapping[str, Callable[..., object]] = MEASURES
        self.environments: Mapping[str, EnvironmentFactory] = {
            "tau2-mock": functools.partial(DomainDesk, self.domain)
        }

    def batch(self, *, seed: int, purpose: str, step: int, count: int) -> list[Problem]:
        """The training problems of a step, in epochs."""
        return self._finite.batch(seed=seed, purpose=purpose, step=step, count=count)

    def demonstrations(self, *, seed: int, step: int, count: int) -> list[Demonstration]:
        """Refused: the data has none."""
        raise DataError("tau2-mock has no demonstrations", "begin with a model that can call tools")

    def held_out(self) -> list[Problem]:
        """The held-out problems, the same for every seed."""
        return self._finite.held_out()

    def known(self) -> list[Problem]:
        """Every problem, held out or not."""
        return self._finite.known()

    def vocabulary(self) -> list[str]:
        """Refused: a new model has no chat template."""
        return self._finite.vocabulary()


def read_mock(folder: Path) -> tuple[Domain, list[Assignment], dict[str, str]]:
    """The domain, its sound assignments, and for each of the others why it is left out."""
    policy = folder / "policy_solo.md"
    policy = policy if policy.exists() else folder / "policy.md"
    domain = Domain("tau2-mock", _text(policy).strip(), OPERATIONS)
    database, tasks = (_json(folder / name) for name in ("db.json", "tasks.json"))
    found: list[Assignment] = []
    left_out: dict[str, str] = {}
    for task in tasks:
        try:
            assignment = _assignment(domain, database, task)
        except Refusal as refusal:
            left_out[task["id"]] = f"it cannot begin: {refusal}"
            continue
        if why := unsound(domain, assignment):
            left_out[task["id"]] = why
        else:
            found.append(assignment)
    return domain, found, left_out


def _assignment(domain: Domain, database: Mapping[str, Any], task: Mapping[str, Any]) -> Assignment:
    criteria = task["evaluation_criteria"]
    basis = criteria.get("reward_basis", ["DB"])
    actions = criteria.get("actions") or []
    begin = task.get("initial_state") or {}
    return Assignment(
        task["id"],
        task.get("ticket") or task["user_scenario"]["instructions"],
        _begun(domain, database, begin),
        tuple(Call(action["name"], action["arguments"]) for action in actions),
        judged=("database", "complete") if "ACTION" in basis else ("database",),
        uncompared={
            action["name"]: tuple(k for k in action["arguments"] if k not in action["compare_args"])
            for action in actions
            if action.get("compare_args") is not None
        },
        earlier=tuple(
            {"role": message["role"], "content": message["content"]}
            for message in begin.get("message_history") or []
            if message["role"] != "tool" and message.get("content")
        ),
    )


def _begun(domain: Domain, database: Mapping[str, Any], begin: Mapping[str, Any]) -> Database:
    """The database when the agent begins: with its data, and after what was done before."""
    made: Database = copy.deepcopy(dict(database))
    _merge(made, (begin.get("initialization_data") or {}).get("agent_data") or {})
    for action in begin.get("initialization_actions") or []:
        if action["env_type"] == "assistant":
            done(domain, Call(action["func_name"], action["arguments"]), made)
    for message in begin.get("message_history") or []:
        for call in message.get("tool_calls") or []:
            done(domain, Call(call["name"], call["arguments"]), made)
    return made


def _merge(database: Database, more: Mapping[str, Any]) -> None:
    """Put the entries of `more` into tables, and their fields into entries."""
    for key, value in more.items():
        if isinstance(value, Mapping) and isinstance(database.get(key), dict):
            _merge(database[key], value)
        else:
            database[key] = copy.deepcopy(value)


def _row(domain: Domain, assignment: Assignment, folder: str) -> Row:
    values = columns_of(assignment) | {"id": assignment.id}
    values["prompt"] = list(prompt_of(domain, assignment))
    return Row(values, f"{Path(folder).name}/tasks.json, task {assignment.id}")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"tau2-mock: {legible(str(path))} cannot be read: {error}",
            "folder is the one with the mock domain's db.json and tasks.json",
        ) from error


def _json(path: Path) -> Any:
    try:
        return json.loads(_text(path))
    except ValueError as error:
        raise DataError(f"tau2-mock: {legible(str(path))} is no JSON: {error}") from error
