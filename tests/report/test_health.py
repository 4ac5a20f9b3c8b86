"""The health of a run: planted sicknesses are named, healthy runs left alone, sentences say numbers."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from cohort.report import read
from cohort.report.health import signs
from cohort.report.health.finding import Finding
from cohort.report.health.observed import Ends, HeldOut, Seen, Series, is_needed, observe
from cohort.report.health.signs import EXPLAINS, SIGNS, diagnose
from tests.report.patients import LEAST_NAMED, examine, patients, warnings_of, write
from tests.report.runs import write_run


def series(*values: float, gaps: int = 0) -> Series:
    return Series(tuple(range(1, len(values) + 1)), values, gaps)


def ramp(begin: float, end: float, count: int = 40) -> Series:
    return series(*(begin + (end - begin) * i / (count - 1) for i in range(count)))


BEFORE, AFTER = HeldOut(0, "a", 0.40, (0.37, 0.43)), HeldOut(2, "b", 0.41, (0.38, 0.44))


def seen(**metrics: Series) -> Seen:
    """A stage that measured this; `__` stands for the slash."""
    named = {name.replace("__", "/"): own for name, own in metrics.items()}
    return Seen(1, "learn", "reinforce", 40, named, before=BEFORE, after=AFTER)


def names(stage: Seen) -> list[str]:
    return [found.name for found in diagnose([stage])]


def sentence(stage: Seen, name: str) -> str:
    return next(found.sentence for found in diagnose([stage]) if found.name == name)


def test_a_sick_run_is_named_and_a_healthy_one_is_left_in_peace(tmp_path: Path) -> None:
    wanted = {"length-hacked-3", "healthy-8-1"}
    for name, patient, seed in patients():
        if name in wanted:
            found = warnings_of(write(tmp_path / name, patient, seed))
            assert found[:1] == ([patient.sickness] if patient.sickness else []), name


@pytest.mark.slow
def test_sick_runs_are_named_and_healthy_ones_left_in_peace(tmp_path: Path) -> None:
    missed, alarmed = examine(tmp_path)
    assert 30 - len(missed) >= LEAST_NAMED, missed
    assert not alarmed


def test_a_loss_near_zero_is_explained_and_no_warning() -> None:
    stage = seen(loss=series(*[0.001] * 9), clip_ratio__region_mean=series(*[0.0] * 9))
    assert sentence(stage, "loss-near-zero").startswith("The loss is near 0 by construction")
    assert "loss-near-zero" not in names(seen(loss=series(*[0.5] * 9)))


def test_the_share_of_spreadless_groups_is_said_with_its_reason() -> None:
    stage = replace(
        seen(frac_reward_zero_std=series(*[0.73] * 12)), last=Ends(groups=10, easy=7, hard=1)
    )
    assert sentence(stage, "too-easy").startswith("73% of the groups have no spread")
    stage = replace(stage, last=Ends(groups=10, easy=1, hard=7))
    assert "too hard" in sentence(stage, "too-hard")


def test_groups_that_lost_their_spread_by_learning_are_good_news() -> None:
    stage = replace(seen(frac_reward_zero_std=ramp(0.2, 0.9)), last=Ends(groups=10, easy=9))
    assert names(stage) == ["solved"]


def test_groups_that_agree_with_themselves_are_said_to_agree_and_not_to_be_right() -> None:
    stage = replace(
        seen(frac_reward_zero_std=ramp(0.2, 0.9), teacher__alike=ramp(0.02, 0.9)),
        last=Ends(groups=10, easy=9),
    )
    assert names(stage) == ["answers-alike"]
    assert "nobody has said that they are right" in sentence(stage, "answers-alike")
    assert not [found for found in diagnose([stage]) if found.level == "warning"]
    always = seen(teacher__alike=series(*[0.9] * 12))
    assert [f.level for f in diagnose([always]) if f.name == "answers-alike"] == ["warning"]
    assert "answers-alike" not in names(seen(teacher__alike=ramp(0.0, 0.6)))


def test_a_reward_that_rises_alone_is_named_only_with_a_held_out_measure() -> None:
    stage = seen(reward=ramp(0.2, 0.8))
    assert names(stage) == ["no-held-out-gain"]
    assert "no-held-out-gain" not in names(replace(stage, before=None))
    assert names(replace(stage, before=None)) == ["no-held-out"]
    assert names(replace(stage, after=replace(AFTER, share=0.8, interval=(0.77, 0.83)))) == []


def test_a_function_that_rises_alone_is_named() -> None:
    stage = seen(
        reward=ramp(0.2, 0.8),
        rewards__form__mean=ramp(0.1, 0.9),
        rewards__correct__mean=ramp(0.2, 0.2),
    )
    assert "form alone (0.1" in sentence(stage, "format-farmed").replace("0.139", "0.1")
    assert names(stage) == ["format-farmed"]


def test_length_that_grows_in_rewarded_answers_only_is_said() -> None:
    stage = replace(
        seen(), first=Ends(9, better=40.0, worse=42.0), last=Ends(9, better=90.0, worse=41.0)
    )
    assert "90 tokens (at the start 40)" in sentence(stage, "length-in-rewarded")
    assert names(replace(stage, last=Ends(9, better=90.0, worse=88.0))) == []


def test_kl_that_grows_tenfold_in_twenty_steps_is_named_and_slow_growth_is_not() -> None:
    sudden = series(*[0.04] * 20, *[0.04 + 0.05 * i for i in range(1, 11)])
    assert sentence(seen(kl=sudden), "kl-blown").startswith("KL grew tenfold between steps")
    assert names(seen(kl=ramp(0.001, 0.2))) == []


def test_cut_answers_are_counted_and_the_limit_said() -> None:
    stage = seen(
        completions__clipped_ratio=series(*[0.31] * 9), completions__max_length=series(*[48.0] * 9)
    )
    assert sentence(stage, "cut").startswith(
        "31% of the answers were cut at the limit of 48 tokens"
    )


def test_a_metric_without_a_finite_value_is_a_warning() -> None:
    assert names(seen(loss=series(1.0, 1.0, 1.0, gaps=2)))[0] == "not-finite"


def test_every_finding_says_what_to_change_and_where_to_look(tmp_path: Path) -> None:
    with read.opened(write_run(tmp_path)) as db:
        found = diagnose(observe(db))
    assert found
    for own in found:
        assert isinstance(own, Finding)
        assert own.sentence.endswith(".")
        assert own.change.endswith((".", "?"))
        assert own.name in SIGNS


def test_every_metric_that_a_sign_asks_for_is_read() -> None:
    sources = "".join(path.read_text() for path in Path(signs.__file__).parent.glob("*.py"))
    asked = set(re.findall(r'seen\.get\("([^"]+)"\)', sources))
    assert asked
    assert [name for name in asked if not is_needed(name)] == []
    assert not is_needed("rewards/correct/std")


def test_a_held_out_gain_beside_a_reward_of_another_size_is_no_alarm() -> None:
    stage = seen(reward=ramp(0.9, 1.84))
    after = replace(AFTER, share=0.87, interval=(0.84, 0.90))
    assert names(replace(stage, before=replace(BEFORE, share=0.66), after=after)) == []


def test_what_a_sign_explains_is_a_sign() -> None:
    assert set(EXPLAINS) <= set(SIGNS)
    assert {other for others in EXPLAINS.values() for other in others} <= set(SIGNS)


def test_a_stage_that_measured_nothing_has_no_warnings() -> None:
    for kind in ("reinforce", "supervised", "preference", "evaluate"):
        assert not [f for f in diagnose([replace(seen(), kind=kind)]) if f.level == "warning"]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_stage_of_few_steps_has_no_warnings(count: int) -> None:
    everything = {name: series(*[0.5] * count) for name in ("reward", "kl", "entropy", "loss")}
    assert not [f for f in diagnose([seen(**everything)]) if f.level == "warning"]
