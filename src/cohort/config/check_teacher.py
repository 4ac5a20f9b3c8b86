"""Whether the options of a teacher go together: what would be ignored is refused."""

from __future__ import annotations

from cohort.config.references import called
from cohort.config.selection import Select
from cohort.config.stages import Sampled, Stage, Taught
from cohort.config.teacher import FIRST, Teacher
from cohort.errors import RecipeError, legible

NEEDS_TEACHER = ("agrees", "rubric")
"""Rewards that compare with a reference."""

OF_ANCHOR = (
    "anchor", "model", "key_variable", "deadline_seconds", "include_question", "template", "candidate",
    "shown", "prompt_budget", "max_new_tokens", "temperature",
)  # fmt: skip
"""What only a synthesis reads."""
FILTERS = (
    "keep", "least_total", "best_of", "per_problem", "distinct", "cut", "least_tokens", "most_tokens",
    "least_characters", "most_characters",
)  # fmt: skip
OF_SERVICE = ("model", "key_variable", "deadline_seconds")


def check_teacher(stage: Stage, where: str) -> None:
    """Raise RecipeError for the first contradiction; stages without rewards have none."""
    if not isinstance(stage, Sampled):
        return
    teacher = stage.teacher if isinstance(stage, Taught) else None
    rewards = [called(name) for name in stage.rewards]
    asking = [name for name in NEEDS_TEACHER if name in rewards]
    if teacher is None:
        if asking:
            raise RecipeError(
                f"{where}: the reward {asking[0]} compares with a reference, and there is no teacher",
                'add teacher = "synthesis", or "majority"',
            )
        return
    if not asking:
        raise RecipeError(
            f"{where}: there is a teacher, and no reward compares with its reference",
            "add the reward agrees, or rubric",
        )
    assert isinstance(stage, Taught), stage
    if stage.environment is not None:
        raise RecipeError(
            f"{where}: there are a teacher and an environment, which knows a problem's labels",
            "use one of them; a teacher reconciles answers of one turn",
        )
    if isinstance(stage, Select):
        _check_kept(stage, where)
    _check_anchor(teacher, f"{where}.teacher")
    if (teacher.criteria > 0) != ("rubric" in rewards):
        raise RecipeError(
            f"{where}: teacher.criteria is {teacher.criteria}, and the reward rubric is "
            + ("not there" if teacher.criteria else "there"),
            "the reward rubric goes with criteria = 5 or more",
        )


def _check_kept(stage: Select, where: str) -> None:
    """Refuse filters of answers where references are kept instead of them."""
    for name in FILTERS:
        if getattr(stage, name) != Select.model_fields[name].default:
            raise RecipeError(
                f"{where}.{name} is for answers, and a stage select with a teacher keeps references",
                "remove one of them",
            )


def is_service(anchor: str) -> bool:
    """Whether an anchor is the URL of a service."""
    return anchor.startswith(("http://", "https://"))


def _check_anchor(teacher: Teacher, where: str) -> None:
    default = Teacher()
    told = [name for name in OF_ANCHOR if getattr(teacher, name) != getattr(default, name)]
    if teacher.criteria:  # criteria are the anchor's too
        told = [name for name in told if name not in ("anchor", "temperature", *OF_SERVICE)]
    if teacher.reference != "synthesis" and told:
        raise RecipeError(
            f"{where}.{told[0]} is for a synthesis, and the reference is the group's {teacher.reference}",
            'remove it, or use reference = "synthesis"',
        )
    if not teacher.criteria and teacher.rubric_tokens != default.rubric_tokens:
        raise RecipeError(f"{where}.rubric_tokens is for criteria, and none are asked for")
    odd = [name for name in OF_SERVICE if getattr(teacher, name) != getattr(default, name)]
    if odd and not is_service(teacher.anchor):
        raise RecipeError(
            f'{where}.{odd[0]} is for a service, and the anchor is "{legible(teacher.anchor)}"',
            'remove it, or give anchor = "https://..."',
        )
    if is_service(teacher.anchor) and not teacher.model:
        raise RecipeError(f"{where}: the service has no model", 'name it: model = "..."')
    _check_words(teacher, where)


def _check_words(teacher: Teacher, where: str) -> None:
    """The places of templates, and what is asked for beside them."""
    if teacher.template and "{candidates}" not in teacher.template:
        raise RecipeError(f"{where}.template has no place {{candidates}}", "add it")
    if teacher.template and ("{question}" in teacher.template) != teacher.include_question:
        raise RecipeError(
            f"{where}: include_question is {str(teacher.include_question).lower()}, and the template "
            f"{'has' if '{question}' in teacher.template else 'has no'} place {{question}}",
            "change one of them",
        )
    if teacher.candidate and "{text}" not in teacher.candidate:
        raise RecipeError(f"{where}.candidate has no place {{text}}", "add it")
    if not teacher.anchor:
        raise RecipeError(f"{where}.anchor is empty", f'use "{FIRST}", a folder, or a URL')
