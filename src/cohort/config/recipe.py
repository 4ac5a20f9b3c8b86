"""A recipe: one TOML file that is the whole run. A model, and the stages it goes through."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from cohort.config.any_stage import AnyStage
from cohort.config.base import Table
from cohort.config.lookup import numbered
from cohort.config.repeats import unrolled
from cohort.config.stages import PositiveInt
from cohort.config.track import Track


class NewModel(Table):
    """A small Llama made on the spot, its tokenizer from the first stage's task."""

    hidden: PositiveInt = 128
    """Width of the residual stream; a multiple of `heads`."""
    layers: PositiveInt = 4
    """Decoder layers."""
    heads: PositiveInt = 4
    """Query heads."""
    key_value_heads: PositiveInt = 4
    """Key and value heads; `heads` is a multiple of it."""
    feed_forward: PositiveInt = 344
    """Width of the feed-forward layers."""
    context: PositiveInt = 128
    """The longest prompt and answer together, in tokens."""
    initial_deviation: Annotated[float, Field(gt=0.0, le=1.0)] = 0.02
    """Standard deviation of the first weights. A narrow model learns sooner with 1 / sqrt(hidden)."""

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if self.hidden % (2 * self.heads):
            raise ValueError(
                f"hidden is {self.hidden} and heads is {self.heads}: hidden must be a multiple of "
                "twice the heads"
            )
        if self.heads % self.key_value_heads:
            raise ValueError(
                f"heads is {self.heads} and key_value_heads is {self.key_value_heads}: heads must "
                "be a multiple of key_value_heads"
            )
        return self


class LoRA(Table):
    """Low-rank adapters: the model stays as it is, and two small factors beside its matrices are trained."""

    rank: PositiveInt = 16
    """Rows of the factors; the more, the more an adapter can express."""
    alpha: Annotated[float, Field(gt=0.0, lt=1e6)] = 32.0
    """What an adapter says is multiplied with `alpha / rank`."""
    targets: Literal["all-linear"] | Annotated[list[str], Field(min_length=1)] = "all-linear"
    """The layers that get an adapter, by their names in the model; all but the head."""
    merge: bool = False
    """The run's `model/` is a whole model and not an adapter folder; always so for a new model."""
    quantized: Literal["none", "nf4"] = "none"
    """Keep the base in 4 bits (QLoRA, the extra `qlora`): an eighth of the memory of its matrices in float32,
    slower, and rounded once. The embeddings, the head and experts stay as they are."""

    @model_validator(mode="after")
    def _not_merged_into_bits(self) -> Self:
        if self.merge and self.quantized != "none":
            raise ValueError(
                f"quantized is {self.quantized} and merge is true: a base in 4 bits takes no adapters up"
            )
        return self


class Model(Table):
    """The policy to begin with: a folder or hub name, or a new small one."""

    path: str = ""
    """A Hugging Face model folder, or a name on the hub."""
    new: NewModel | None = None
    """A small model made on the spot instead."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """The precision of weights and arithmetic."""
    recompute: bool = False
    """Keep what goes into each layer alone for the gradient, and compute the rest a second time: less
    memory, about a third more time to learn, the same numbers."""
    lora: LoRA | None = None
    """Train adapters instead of all weights; needs the extra `lora`."""
    ends: list[Annotated[int, Field(ge=0)] | Annotated[str, Field(min_length=1)]] = []
    """Tokens that end an answer, by their text or id, beside the end of a sequence and those that the
    model's `generation_config.json` names; saved with the model."""
    template_variables: dict[str, bool | int | float | str] = {}
    """What the chat template is told beside the messages, as `{ enable_thinking = false }`; saved with the
    tokenizer, as the template's default."""
    thinking: list[str] = []
    """The two tags around thoughts, each a token, which rewards and reports are shown as `<think>` and
    `</think>`. Empty: those that the tokenizer is known to have, as `[THINK]`, or else text as it is."""

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if bool(self.path) == (self.new is not None):
            raise ValueError("a model needs either path or new, and not both")
        if self.new is not None and self.lora is not None and self.lora.quantized != "none":
            raise ValueError("lora.quantized is for a model with weights, and not for a new one")
        if self.thinking and (len(self.thinking) != 2 or len({*self.thinking}) < 2):
            raise ValueError(
                f"thinking is {self.thinking}: it is two tags, the opening and the closing one"
            )
        return self


class Saving(Table):
    """When checkpoints are saved, and how many stay. One is saved at the end of each stage, too."""

    every_seconds: Annotated[float, Field(gt=0.0)] = 60.0
    """A checkpoint is saved at the end of the first step after so many seconds."""
    every_steps: Annotated[int, Field(ge=0)] = 0
    """A checkpoint is saved after so many steps as well; 0: the time decides alone."""
    in_background: bool = True
    """A checkpoint is copied in memory, and written while the run goes on; false: nothing is copied, and the
    run waits until it is written."""
    keep: PositiveInt = 2
    """The newest checkpoints that stay in the run's folder, besides the newest healthy one."""


class Repeat(Table):
    """Stages that follow one another and are gone through again and again: an iteration each time.

    `repeat = [{ stages = ["judge", "policy"], times = 3 }]` is written out as `judge`, `policy`,
    `judge.2`, `policy.2`, `judge.3`, `policy.3`. A stage that names one of them, by `stage:judge`, means
    the latest before itself; a reward model goes on from the one before it.
    """

    stages: Annotated[list[str], Field(min_length=1)]
    """The names of the stages, as they follow one another in the recipe."""
    times: Annotated[int, Field(ge=2, le=1000)]
    """How often they are gone through."""


class Recipe(Table):
    """The whole run: a seed, a model, and its stages in order."""

    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 1
    """Every random choice of the run follows from this number."""
    threads: Annotated[int, Field(ge=0, le=1024)] = 0
    """Torch threads; 0: as many as the machine has cores for this process."""
    model: Model
    """The policy to begin with."""
    checkpoints: Saving = Saving()
    """When checkpoints are saved."""
    track: Track = Track()
    """Where else the run is told of."""
    stage: Annotated[list[AnyStage], Field(min_length=1, max_length=1000)]
    """The stages, one `[[stage]]` table each."""
    repeat: list[Repeat] = []
    """Stages that are gone through several times; they are written out, and this is empty afterwards."""

    @field_validator("model", mode="before")
    @classmethod
    def _model_by_path(cls, value: object) -> object:
        return {"path": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _written_out(self) -> Self:
        stages = self.stage
        for one in self.repeat:
            stages = unrolled(stages, one.stages, one.times)
        # Values are fixed once read; this is still the reading.
        vars(self).update(stage=stages, repeat=[])
        return self

    def stage_names(self) -> list[str]:
        """A name per stage: its own, or its kind, numbered when a kind occurs twice."""
        return numbered(stage.name or stage.kind for stage in self.stage)
