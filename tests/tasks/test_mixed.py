"""Several sources as one: who gives what, whom a reward speaks of, and what is held out."""

from collections import Counter

import pytest

from cohort.config.stages import Problems, Reward
from cohort.data.files import Row
from cohort.data.records import PART, Problem
from cohort.errors import DataError, RewardError
from cohort.rewards.functions import RewardFunction, load_rewards
from cohort.rewards.score import NOT_ASKED, check_columns, score_groups
from cohort.tasks.chain import Chain
from cohort.tasks.countdown import Countdown
from cohort.tasks.finite import Finite
from cohort.tasks.mixed import Mixed, Part
from tests.rewards.test_score import group


def _rows(name, count):
    rows = [Row({"prompt": f"{name} {n}", "completion": str(n)}, f"row {n}") for n in range(count)]
    return Finite(Problems(source=name, held_out_problems=2), rows, [])


def _mixed(*shares, count=40):
    return Mixed([Part(f"s{n}", share, _rows(f"s{n}", count)) for n, share in enumerate(shares)])


def _shares(source, step, count, seed=1):
    asked = source.batch(seed=seed, purpose="x", step=step, count=count)
    assert len(asked) == count == len({problem.id for problem in asked})
    return Counter(problem.columns[PART] for problem in asked)


def test_each_source_gives_its_share_rounded_up_or_down():
    source, total = _mixed(3, 1, 2.5), Counter()
    for step in range(1, 41):
        own = _shares(source, step, 7)
        total += own
        for name, share in zip(("s0", "s1", "s2"), (3, 1, 2.5), strict=True):
            assert abs(own[name] - 7 * share / 6.5) < 1
    assert abs(total["s1"] / total.total() - 1 / 6.5) < 0.03


def test_a_step_is_a_function_of_seed_and_step_alone():
    late = _mixed(1, 1).batch(seed=3, purpose="x", step=9, count=5)
    source = _mixed(1, 1)
    steps = [source.batch(seed=3, purpose="x", step=step, count=5) for step in range(1, 10)]
    assert steps[8] == late
    assert source.batch(seed=4, purpose="x", step=9, count=5) != late


def test_a_source_goes_through_its_problems_as_if_it_were_asked_alone():
    source = _mixed(1, 1, count=20)
    asked = Counter()
    for step in range(1, 50):
        batch = source.batch(seed=1, purpose="x", step=step, count=4)
        asked += Counter(p.prompt for p in batch if p.columns[PART] == "s0")
    assert max(asked.values()) - min(asked.values()) <= 1
    assert not set(asked) & {problem.prompt for problem in source.held_out()}


def test_demonstrations_come_from_all_sources():
    made = Mixed([Part("a", 1, _rows("a", 20)), Part("sums", 1, Chain())])
    shown = made.demonstrations(seed=1, step=2, count=6)
    assert Counter(one.problem.columns[PART] for one in shown) == {"a": 3, "sums": 3}
    assert all(one.completion for one in shown)


def test_what_another_source_trains_on_is_not_held_out():
    rows = [Row({"prompt": f"q {n}"}, f"row {n}") for n in range(30)]
    few, all_of_them = Problems(source="f", held_out_problems=3), Problems(source="g")
    other = Finite(all_of_them, rows, [Row({"prompt": "another"}, "row 1")])
    held = Finite(few, rows, [])
    assert len(held.held_out()) == 3
    apart = Mixed([Part("f", 1, held), Part("g", 1, other)])
    assert [problem.prompt for problem in apart.held_out()] == ["another"]
    assert len(Mixed([Part("f", 1, held)]).held_out()) == 3


def test_a_column_of_the_user_is_not_overwritten():
    source = Finite(Problems(source="f"), [Row({"prompt": "q", PART: "x"}, "row 1")], [])
    with pytest.raises(DataError, match="has a column mixed_from"):
        Mixed([Part("f", 1, source)]).batch(seed=1, purpose="x", step=1, count=1)


def test_two_rewards_of_one_name_are_refused_and_one_shared_by_two_tasks_is_not():
    with pytest.raises(DataError, match="two sources of a mix have a reward correct"):
        Mixed([Part("a", 1, Chain()), Part("b", 1, Countdown())])
    same = Mixed(
        [Part("a", 1, Chain()), Part("b", 1, Chain(numbers=3)), Part("c", 1, _rows("c", 9))]
    )
    (reward,) = same.confined(
        load_rewards({"correct": Reward()}, task_rewards=same.rewards, base=None)
    )
    assert reward.options.only == ["a", "b"]


def _of(part, **columns):
    return group(Problem(part, "q", {**columns, PART: part}), "one", "two")


def test_a_reward_says_nothing_of_sources_that_it_is_not_for():
    def gold(completions, answer, **_):
        return [float(text == right) for text, right in zip(completions, answer, strict=True)]

    rewards = [
        RewardFunction("gold", 1.0, gold, options=Reward(only=["sums"])),
        RewardFunction("all", 0.5, lambda completions: [1.0] * len(completions)),
    ]
    chat, sums = score_groups([_of("chat"), _of("sums", answer="two")], rewards)
    assert [score.total for score in chat.scores] == [0.5, 0.5]
    assert [score.total for score in sums.scores] == [0.5, 1.5]
    assert chat.scores[0].unsaid["gold"] == ("unscorable", NOT_ASKED.reason)


def test_a_column_that_a_source_lacks_is_missed_there():
    def gold(completions, answer):
        return [0.0 for _ in completions]

    problems = [_of("chat").problem, _of("sums", answer="two").problem]
    with pytest.raises(RewardError, match='needs the column "answer"; the problems of chat have'):
        check_columns([RewardFunction("gold", 1.0, gold)], problems)
    check_columns([RewardFunction("gold", 1.0, gold, options=Reward(only=["sums"]))], problems)
