"""The orchestrator in a run: rewards by preference in the store, as the facts of its episodes have it."""

import json
import statistics

import pytest

from cohort.data.episodes import episode_from
from cohort.rewards.orchestra import orchestra
from cohort.rewards.outcome import Scored
from tests.train import runs

PROBLEMS = {"source": "orchestrator", "options": {"asks": 1}, "held_out_problems": 4}
STAGES = (
    runs.SUPERVISED | {"problems": PROBLEMS, "steps": 40, "rows_per_step": 16},
    {
        "kind": "reinforce",
        "algorithm": "toolorchestra",
        "problems": PROBLEMS,
        "environment": {"name": "orchestrator", "max_turns": 3},
        "rewards": {"orchestra": 1.0},
        "steps": 1,
        "prompts_per_step": 8,
        "rollouts_per_prompt": 6,
        "max_new_tokens": 24,
        "optimizer": {"learning_rate": 1e-3},
    },
)


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    return runs.run(tmp_path_factory.mktemp("played") / "run", *STAGES)


def test_a_group_is_rewarded_by_its_preference_and_too_little_spread_is_left_out(played):
    found = runs.rows(
        played,
        "SELECT group_id, discarded, episode, reward, columns FROM rollouts JOIN groups "
        "ON id = group_id ORDER BY group_id, number",
    )
    groups = {}
    for group, *rest in found:
        groups.setdefault(group, []).append(rest)
    assert len(groups) == 8
    for rows in groups.values():
        episodes = [{"turns": [], "facts": episode_from(json.loads(e)).facts} for _, e, *_ in rows]
        preference = [json.loads(columns)["preference"] for *_, columns in rows]
        said = orchestra(episodes=episodes, preference=preference)
        values = [one.value if isinstance(one, Scored) else None for one in said]
        assert [reward for *_, reward, _ in rows] == values
        known = [value for value in values if value is not None]
        if len(known) > 1:
            assert {d for d, *_ in rows} == {"" if statistics.stdev(known) >= 0.1 else "flat"}
    assert any(reward for rows in groups.values() for *_, reward, _ in rows)
