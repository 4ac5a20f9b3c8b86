"""The metrics of stages without labels: what references cost, and what the answers say by themselves."""

from __future__ import annotations

from cohort.report.metric_table import Metric

TEACHER: dict[str, Metric] = {
    "teacher/majority_share": Metric(
        "share",
        "How many answers of a group are the most frequent one; it rises as the policy becomes sure, "
        "rightly or not.",
        "over groups with a final answer",
    ),
    "teacher/alike": Metric(
        "share",
        "Groups whose answers are all the same; near 1 there is nothing left to reconcile, rewards are "
        "constant and learning has come to its plateau.",
        "over groups with a final answer",
        "worse",
    ),
    "teacher/differs": Metric(
        "share",
        "References whose answer is another than the most frequent one; at 0 a vote would do as well.",
        "over groups with a final answer and a reference that has one",
    ),
    "teacher/criteria": Metric(
        "criteria", "Criteria of a group's rubric.", "over groups with a final answer"
    ),
    "teacher/abstained": Metric(
        "groups",
        "Groups without a reference, though nothing broke: it was cut, their answers did not fit the "
        "anchor's prompt, or have no final answer. They have no reward.",
        "sum over the step",
        "worse",
    ),
    "teacher/failed": Metric(
        "groups",
        "Groups without a reference because the anchor's service failed. They have no reward.",
        "sum over the step",
        "worse",
    ),
    "teacher/tokens": Metric(
        "tokens",
        "Tokens that a local anchor sampled for references and criteria; one reference a group costs "
        "about one answer more.",
        "sum over the step",
    ),
    "teacher/seconds": Metric(
        "seconds", "Making references and criteria; part of time/rewards.", "sum over the step"
    ),
}
