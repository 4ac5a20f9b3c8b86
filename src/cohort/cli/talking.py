"""The command that asks a model, or talks to it: `sample`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from cohort.cli.training import MaxNewTokens, Model
from cohort.cli.waiting import choose_waiting
from cohort.errors import RecipeError

PROMPT = "> "


def sample(
    model: Model,
    prompt: Annotated[
        str | None,
        typer.Argument(help="The prompt, as text; without it a conversation, line by line."),
    ] = None,
    count: Annotated[int, typer.Option(help="How many answers.", min=1)] = 1,
    temperature: Annotated[float, typer.Option(help="0 is greedy.", min=0.0)] = 1.0,
    max_new_tokens: MaxNewTokens = 256,
    seed: Annotated[int, typer.Option(help="Equal seeds give equal answers.", min=0)] = 1,
    system: Annotated[str, typer.Option(help="A system message before the prompt.")] = "",
    begins: Annotated[
        str, typer.Option("--begins", help="How every answer begins; the model goes on from it.")
    ] = "",
    stop: Annotated[
        list[str] | None, typer.Option("--stop", help="A text that ends an answer. Repeatable.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="OPTION=VALUE",
            help="An option of the model: model.template_variables.enable_thinking=false. Repeatable.",
        ),
    ] = None,
) -> None:
    """Sample answers to one prompt, or talk to a model; answers go to stdout, one after the other.

    Without a prompt every line of stdin is a turn, until it ends (Ctrl-D).
    """
    if prompt is None and (count > 1 or begins):
        raise RecipeError(
            f"a conversation has one answer a turn, and {'--count' if count > 1 else '--begins'} "
            "is for a prompt",
            "give the prompt after the model",
        )
    from cohort.config.load import read_model

    asked = read_model(model, changes or [], source="cohort sample")
    choose_waiting()
    from cohort.train.sample_model import Manner, sample_model, talk_to

    manner = Manner(
        temperature=temperature,
        max_new_tokens=max_new_tokens,
        seed=seed,
        stop=tuple(stop or ()),
        system=system,
    )
    answers = talk_to(asked, _lines(), manner)
    if prompt is not None:
        answers = iter(sample_model(asked, prompt, manner, count=count, begins=begins))
    for answer in answers:
        typer.echo(answer)


def _lines() -> Iterator[str]:
    """What is said: lines of stdin that are not empty, asked for where a person types."""
    while True:
        if sys.stdin.isatty():
            typer.echo(PROMPT, nl=False, err=True)
        line = sys.stdin.readline()
        if not line:
            return
        if line.strip():
            yield line.rstrip("\n")
