"""The model card of a finished run: `README.md` in the folder of its result, from what the store holds.

Its head is the YAML that the hub reads. Nothing in it is praise: what was trained, how it was measured, and
the recipe with which the run can be repeated. No seconds: a run that is repeated has the same card.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from cohort.report.read import EvaluationRow, StageRow, evaluations, facts, opened, stages

CARD = "README.md"
ADAPTER = "adapter_config.json"
MOST_RECIPE = 20_000
"""Characters of a recipe; a longer one is named only."""


def write_card(run: Path, model: Path) -> None:
    """Write the card of a run's result beside its weights."""
    with opened(run) as db:
        lines = _card(
            facts(db), stages(db), evaluations(db), run, adapted=(model / ADAPTER).is_file()
        )
        text = "\n".join(lines) + "\n"
    (model / CARD).write_text(text, encoding="utf-8")


def _card(
    known: Mapping[str, object],
    done: list[StageRow],
    measured: list[EvaluationRow],
    run: Path,
    *,
    adapted: bool,
) -> Iterator[str]:
    base, name = str(known.get("model", "")), str(known.get("recipe", run.name))
    yield from ("---", f"library_name: {'peft' if adapted else 'transformers'}")
    if base.count("/") == 1 and not Path(base).exists():  # a name on the hub
        yield f"base_model: {json.dumps(base)}"
    yield from (
        "pipeline_tag: text-generation",
        "tags: [cohort]",
        "---",
        "",
        f"# {_plain(name)}",
        "",
    )
    what = "Adapters for" if adapted else "Trained from"
    origin = "a new model" if base == "new" else f"`{_plain(base)}`"
    yield f"{what} {origin}, {known.get('parameters', 0):,} parameters, seed {known.get('seed')}."
    yield from ("", "| stage | kind | steps | sampled tokens | trained tokens |")
    yield "| --- | --- | --- | --- | --- |"
    for stage in done:
        numbers = (stage.steps_done, stage.sampled_tokens or 0, stage.trained_tokens or 0)
        cells = " | ".join(f"{number:,}" for number in numbers)
        yield f"| {_plain(stage.name)} | {stage.kind} | {cells} |"
    if measured:
        yield from ("", "Held-out problems, with 95 % intervals:", "")
        yield from ("| after | greedy | pass@1 |", "| --- | --- | --- |")
        for row in measured:
            shares = " | ".join(_share(row.summary, key) for key in ("greedy", "pass_at_1"))
            yield f"| {_plain(row.after)} | {shares} |"
    yield from ("", f"Versions: {_plain(json.dumps(known.get('versions', {})))}", "")
    recipe = (run / "recipe.toml").read_text(encoding="utf-8")
    if len(recipe) <= MOST_RECIPE:
        yield from (
            "The recipe, with which the run is repeated:",
            "",
            "````toml",
            recipe.rstrip(),
            "````",
        )


def _share(summary: Mapping[str, object], key: str) -> str:
    value, interval = summary.get(key), summary.get(f"{key}_interval")
    if not isinstance(value, (int, float)):
        return ""
    if not isinstance(interval, (list, tuple)) or len(interval) != 2:
        return f"{value:.1%}"
    low, high = interval
    return f"{value:.1%} ({low:.1%} to {high:.1%})"


def _plain(text: str) -> str:
    """Text that makes no markup and no row of its own."""
    return "".join(c if c.isprintable() and c not in "|`<>" else " " for c in text)
