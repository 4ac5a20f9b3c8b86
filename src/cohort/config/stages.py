"""The stages of a recipe, and what they ask of problems, rewards, sampling and the optimizer.

Values only: nothing here opens a file or imports torch. Whether a reward or an algorithm exists is
asked where it is defined, before a model is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from cohort.config.base import Table
from cohort.config.critic import Critic
from cohort.config.environments import Environment
from cohort.config.optimizer import MOST as MOST
from cohort.config.optimizer import Count, Fraction
from cohort.config.optimizer import Optimizer as Optimizer
from cohort.config.teacher import Teacher

PositiveInt = Annotated[int, Field(ge=1, le=MOST)]
Bounded = Annotated[float, Field(ge=-MOST, le=MOST)]
Heat = Annotated[float, Field(ge=1e-3, le=100.0)]


class Problems(Table):
    """Where problems come from. `problems = "chain"` is short for `problems = { source = "chain" }`."""

    source: str = ""
    """A built-in task (`calculator`, `chain`, `countdown`, `greetings`, `orchestrator`, `slips`,
    `sums`, `tau2-mock`, `toolscale`), a .jsonl, .csv or .parquet file, the first two also with .gz behind,
    `hub:owner/name` for a data set of the hub (extra `data`),
    `reasoning-gym:TASK` (extra `reasoning-gym`), `file.py:function`, or `stage:NAME` for what an earlier
    stage `select` kept."""
    options: dict[str, Any] = {}
    """Arguments of a built-in task or of the function, for example `{ numbers = [3, 4] }`."""
    prompt: str = "prompt"
    """The column that holds the prompt: text, or a list of chat messages."""
    template: str = ""
    """Text with `{column}` in it that makes the prompt instead of the `prompt` column."""
    system: str = ""
    """A system message; with it every prompt becomes a chat."""
    chat: bool = False
    """Put a text prompt into the user turn of the tokenizer's chat template."""
    completion: str = "completion"
    """The column with the answer to imitate (supervised stages)."""
    columns: dict[str, str] = {}
    """Other names for columns: `{ answer = "solution" }` gives rewards the column `solution` as `answer`."""
    too_long: Literal["refuse", "drop", "cut"] = "refuse"
    """What to do with rows whose prompt leaves too little of the context for an answer: refuse to
    train, leave them out, or cut away the beginning of the prompt, of a chat that of its longest message
    of a user. How many they were is said."""
    split: str = "train"
    """The split of a hub data set."""
    held_out: str = ""
    """A second file (or split) with the held-out problems; empty: they are set aside from `source`."""
    held_out_problems: PositiveInt = 200
    """How many problems are held out: never trained on, the same for every seed."""


class Share(Problems):
    """A source among several, and how much of every step it gives."""

    share: Annotated[float, Field(gt=0.0, le=MOST)]
    """How much of a step comes from here, beside the shares of the others; they need not sum to 1."""
    name: str = ""
    """What the column `mixed_from` of its problems says, and a reward's `only`; empty: the source."""

    @model_validator(mode="before")
    @classmethod
    def _named_by_source(cls, value: object) -> object:
        """Named before paths are made whole and repeated stages are written out."""
        if isinstance(value, dict) and not value.get("name"):
            return {**value, "name": value.get("source", "")}
        return value

    def alone(self) -> Mixture:
        """The same source as that of a stage."""
        return Mixture(**{name: getattr(self, name) for name in Problems.model_fields})


class Mixture(Problems):
    """The problems of a stage: one source with the options of `Problems`, or several with shares.

    `problems = { mix = [{ source = "stage:keep", share = 3 }, { source = "chat.jsonl", share = 1 }] }`.
    """

    mix: list[Share] = []
    """The sources, each with its options, which stand there and not beside `mix`. Of a step each
    gives as many as its share asks for, one more or one less; which, follows from seed and step."""

    @property
    def tables(self) -> list[Problems]:
        """The tables that name a source."""
        return [*self.mix] or [self]

    def each(self, change: Callable[[Problems], Mapping[str, object]]) -> Self:
        """The same with what `change` says of each table that names a source replaced there."""
        if not self.mix:
            return self.model_copy(update=change(self))
        return self.model_copy(
            update={"mix": [part.model_copy(update=change(part)) for part in self.mix]}
        )


class Reward(Table):
    """One reward of a stage: its weight, how it is run, and the arguments of its function as further keys.

    An option that the function has a parameter of the same name for is given to it as well.
    """

    model_config = ConfigDict(extra="allow")

    weight: Bounded = 1.0
    """What the value is multiplied with in the sum of the rewards."""
    only: list[str] = []
    """Of a mix, the names of the sources whose problems it is asked about; of the others it says nothing.
    Empty: all of them, or those of the tasks that it belongs to."""
    where: Literal["worker", "trainer"] = "worker"
    """In which process the function runs: one of its own, which can be killed, or the training process.
    Functions that cannot be imported by name (closures, lambdas) run in the training process anyway."""
    deadline_seconds: Annotated[float, Field(gt=0.0, le=1e6)] = 60.0
    """How long a call may take; then its process is killed, and the answer that is to blame is looked for."""
    retries: Annotated[int, Field(ge=0, le=100)] = 2
    """How often an answer is asked about again after a failure that may pass."""
    at_once: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Of an async function: call it for each answer alone, so many at a time. 0: one call for all."""
    memory_mb: Count = 0
    """The most resident memory that the function's processes may have, in MB. 0: no limit."""
    processes: PositiveInt = 64
    """The most processes that the function may have at a time."""
    output_kb: PositiveInt = 1024
    """The most that a call may print, in kB; the end of it is shown where the call fails."""

    @property
    def arguments(self) -> dict[str, Any]:
        """The further keys, as keyword arguments of the function."""
        return dict(self.model_extra or {})


class Algorithm(Table):
    """`algorithm = "grpo"`, or `{ name = "grpo", beta = 0.0 }` to depart visibly from its paper."""

    model_config = ConfigDict(extra="allow")

    name: str = "grpo"
    """A row of `cohort algorithms`."""

    @property
    def changes(self) -> dict[str, Any]:
        """The choices that differ from the paper's."""
        return dict(self.model_extra or {})


def _as_table(value: object, key: str) -> object:
    return {key: value} if isinstance(value, (str, int, float)) else value


class Temperature(Table):
    """`temperature = 0.8`, or a table where it changes over the stage or differs within a group."""

    start: Heat = 1.0
    """The temperature of the first step."""
    end: Heat = 1.0
    """The temperature of the last step; in between it changes by the same amount every step."""
    factors: list[Heat] = [1.0]
    """What the answers of a group multiply it with, in turn: `[0.8, 1.0, 1.2]`."""

    def of_step(self, step: int, steps: int) -> tuple[float, ...]:
        """The temperatures of a group's answers, in turn, at step `step` of `steps`, from 1."""
        progress = (step - 1) / max(1, steps - 1)
        now = self.start + (self.end - self.start) * progress
        return tuple(now * factor for factor in self.factors)


class Stage(Table):
    """What every stage has: a name for tables and reports, and its problems."""

    name: str = ""
    """How reports call this stage; empty: its kind, numbered when a kind occurs twice."""
    problems: Mixture
    """Where the problems come from."""

    @field_validator("problems", mode="before")
    @classmethod
    def _problems_by_name(cls, value: object) -> object:
        return _as_table(value, "source")


class Sampled(Stage):
    """A stage that samples answers and scores them."""

    rewards: dict[str, Reward]
    """Reward functions by name: the task's own, built-in ones, `file.py:function`, or `stage:NAME` for the
    model of an earlier stage `reward-model`; value: a weight, or a table with `weight`, how it is run,
    and the function's arguments."""
    failures_allowed: Fraction = 0.2
    """The share of a step's answers for which a reward function may fail; more of them end the run."""
    max_new_tokens: PositiveInt = 256
    """The most tokens an answer may have."""
    stop: list[str] = []
    """Texts that end an answer, or a turn of a conversation, when it has said one of them; it stays in the
    answer. End-of-sequence tokens end it in any case."""
    slots: Count = 0
    """How many answers are sampled side by side; changes memory and speed, never an answer. 0: as suits
    the device: 64 on a CPU, 256 on a GPU."""
    compile_decoding: bool = False
    """Let torch compile the attention of decode steps, where they have fixed shapes; the metric
    `sampling/warmup_seconds` says what that takes."""

    @field_validator("stop")
    @classmethod
    def _stop_at_something(cls, value: list[str]) -> list[str]:
        if "" in value:
            raise ValueError("stop holds an empty text, which every answer has said at once")
        return value

    @field_validator("rewards", mode="before")
    @classmethod
    def _weights_as_tables(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {name: _as_table(reward, "weight") for name, reward in value.items()}


class Conversing(Sampled):
    """A stage whose answers may have several turns."""

    environment: Environment | None = None
    """What answers the policy's turns: a name or a table; without one an answer is one turn."""

    @field_validator("environment", mode="before")
    @classmethod
    def _environment_by_name(cls, value: object) -> object:
        return _as_table(value, "name")


class Taught(Conversing):
    """A stage that may do without labels."""

    teacher: Teacher | None = None
    """What stands for a label where there is none: `teacher = "synthesis"`, `"majority"`, or a table. With
    one the stage is free of labels, and its rewards are `agrees` or `rubric`, and such as read none."""

    @field_validator("teacher", mode="before")
    @classmethod
    def _teacher_by_reference(cls, value: object) -> object:
        return _as_table(value, "reference")


class Trained(Stage):
    """A stage that trains the policy."""

    start: str = ""
    """The policy to begin with: empty, as the stage before left it; `base`, the recipe's model; or
    `stage:NAME`, as that stage left it."""
    optimizer: Optimizer = Optimizer()
    """The optimizer of this stage; it starts fresh."""


class Supervised(Trained):
    """Imitation of demonstrations: the mean negative log-likelihood of their tokens."""

    kind: Literal["supervised"]
    steps: PositiveInt
    """Optimizer updates."""
    rows_per_step: PositiveInt = 32
    """Demonstrations per update."""
    tokens_per_microbatch: Count = 0
    """The most tokens one forward pass holds; changes memory and speed, never the gradient's sum.
    0: as suits the device: 2,048 on a CPU, whose cache holds the activations then, 8,192 on a GPU."""
    optimizer: Optimizer = Optimizer(learning_rate=1e-5, schedule="cosine")
    """The optimizer of this stage; it starts fresh."""


class Reinforce(Taught, Trained):
    """Group relative policy optimization: sample groups, score them, follow the better answers."""

    kind: Literal["reinforce"]
    algorithm: Algorithm = Algorithm(name="grpo")
    """Which member of the family, and what is changed in it."""
    critic: Critic | None = None
    """What says how much reward is still to come, where the algorithm asks for that: `critic = "own"`,
    `critic = "head"`, or a table. Without one, the algorithm has none."""
    steps: PositiveInt
    """Steps: each samples `prompts_per_step` groups and learns from them."""
    prompts_per_step: PositiveInt = 16
    """Problems per step."""
    rollouts_per_prompt: PositiveInt = 8
    """Answers per problem: the size of a group, at least 2 where an answer is compared with its group."""
    updates_per_step: PositiveInt = 1
    """How often the same groups are gone through; from the second update on the ratio counts."""
    minibatches_per_step: PositiveInt = 1
    """Parts that the groups of a step are shared out to; each is an optimizer update of its own."""
    temperature: Temperature = Temperature()
    """Sampling temperature, a number or a table; log-probabilities are taken at the same one."""
    reward_scale: Bounded = 1.0
    """What the total reward is multiplied with before advantages are made of it."""
    reward_bounds: list[float] = [-1e9, 1e9]
    """The least and the most that the total reward counts, after it was scaled."""
    tokens_per_microbatch: Count = 0
    """The most tokens one forward pass holds; changes memory and speed, never the gradient's sum.
    0: as suits the device: 2,048 on a CPU, whose cache holds the activations then, 8,192 on a GPU."""
    show_every: PositiveInt = 10
    """Steps between two groups shown in the terminal."""

    @field_validator("algorithm", mode="before")
    @classmethod
    def _algorithm_by_name(cls, value: object) -> object:
        return _as_table(value, "name")

    @field_validator("critic", mode="before")
    @classmethod
    def _critic_by_kind(cls, value: object) -> object:
        return _as_table(value, "kind")

    @field_validator("temperature", mode="before")
    @classmethod
    def _temperature_by_number(cls, value: object) -> object:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return {"start": value, "end": value} if is_number else value


class Evaluate(Conversing):
    """Held-out problems: greedy accuracy, pass@k, and their intervals. Nothing is trained."""

    kind: Literal["evaluate"]
    success: str = "correct"
    """The reward that decides whether an answer counts as right: at `success_at` or above."""
    success_at: Bounded = 1.0
    """The value of that reward from which on an answer is right."""
    samples_per_problem: PositiveInt = 8
    """Sampled answers per problem, for pass@k and the mean reward."""
    temperature: Heat = 1.0
    """Temperature of the sampled answers."""
