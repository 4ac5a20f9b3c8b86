"""What stands for a label where there is none: a reference that is made of a group's own answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cohort.config.base import Table
from cohort.config.optimizer import MOST, Count

FIRST, MOVING = "first", "policy"
"""The anchors that are no other model: the policy as the stage began with it, and as it is."""


class Teacher(Table):
    """`teacher = "synthesis"`, or a table. A stage with a teacher is free of labels: its rewards are given
    `reference`, and no column of a problem but those in `columns`; reading another is an error.
    """

    reference: Literal["synthesis", "majority", "random"] = "synthesis"
    """What a group's reference is: one answer into which the anchor reconciles all of them (Compute as
    Teacher), the answer that most of them give (TTRL), or one of them drawn at random, to compare with."""
    anchor: str = FIRST
    """Who reconciles: `first`, the policy as it is when the stage begins, frozen; `policy`, as it is at
    each step; a model's folder or hub name; or the URL of a service that speaks OpenAI's chat completions,
    without `/chat/completions`."""
    model: str = ""
    """The name of the model at the service."""
    key_variable: str = ""
    """The environment variable whose content is sent to the service as a bearer token; empty: none."""
    deadline_seconds: Annotated[float, Field(gt=0.0, le=1e6)] = 120.0
    """How long the service may take for all groups of a step."""
    include_question: bool = False
    """Show the anchor the question as well. Without it, it cannot ignore the answers and answer anew."""
    template: str = ""
    """Text with `{candidates}` in it that asks for the reference, and `{question}` where the question
    is included; empty: a text of Cohort's own."""
    candidate: str = ""
    """Text with `{text}` in it, and `{number}` if wanted, that each answer becomes; empty: a text of
    Cohort's own."""
    shown: Literal["whole", "after-thinking", "answer"] = "whole"
    """What of each answer the anchor is shown: all of it, what follows the thinking, or the final answer."""
    prompt_budget: Count = 0
    """The most that all answers may take of the anchor's prompt: tokens of a model, characters for a
    service. Long ones share it equally and keep their ends. 0: what the context leaves, or for a
    service so much that its prompt has 24,000 characters."""
    max_new_tokens: Count = 0
    """The most tokens of a reference. 0: as many as the stage's answers may have."""
    temperature: Annotated[float, Field(ge=0.0, le=100.0)] = 0.0
    """Sampling temperature of the reference; 0: the likeliest."""
    equality: Literal["mathematics", "text"] = "mathematics"
    """When two final answers are the same: as mathematics, or as text without outer and double spaces."""
    criteria: Annotated[int, Field(ge=0, le=64)] = 0
    """The fewest yes-or-no criteria that the anchor derives from the reference, for the reward `rubric`.
    0: none are asked for."""
    rubric_tokens: Annotated[int, Field(ge=1, le=MOST)] = 512
    """The most tokens of the criteria, where there are any."""
    columns: list[str] = []
    """Columns of the problems that are no labels, which rewards may read."""
