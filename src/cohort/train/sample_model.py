"""`cohort sample`: ask a model one prompt, or talk to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cohort.config.recipe import Model
from cohort.data.records import Message, Problem
from cohort.errors import ModelError
from cohort.policy.load import load_policy
from cohort.policy.policy import Policy
from cohort.rollout.request import Request, Sampling
from cohort.rollout.sampler import sample
from cohort.train.plan import check_prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How answers are sampled. Temperature 0 is greedy; stop: texts that end an answer; system: a message
    before everything else."""

    temperature: float
    max_new_tokens: int
    seed: int
    stop: tuple[str, ...] = ()
    system: str = ""

    def sampling(self, count: int) -> Sampling:
        """The same for the sampler."""
        return Sampling(
            rollouts_per_prompt=count,
            max_new_tokens=self.max_new_tokens,
            temperatures=(self.temperature or 1.0,),
            greedy=self.temperature == 0.0,
            stop=self.stop,
        )


def sample_model(
    model: Model, prompt: str, manner: Manner, *, count: int = 1, begins: str = ""
) -> list[str]:
    """`count` answers as text; equal arguments give equal answers.

    A tokenizer with a chat template gets the prompt as a user's turn. begins: how every answer begins,
    which is not sampled; so is a `<think>` that the template opens.
    """
    policy = load_policy(model, vocabulary=[], seed=manner.seed)
    asked = _asked(policy, [{"role": "user", "content": prompt}], manner.system, begins)
    key = (manner.seed, "sample", prompt)
    return _answers(policy, asked, manner.sampling(count), key, begins)


def talk_to(model: Model, said: Iterator[str], manner: Manner) -> Iterator[str]:
    """The model's answer to each thing said, which it is shown with all that was said before.

    Raises ModelError for a tokenizer without a chat template.
    """
    policy = load_policy(model, vocabulary=[], seed=manner.seed)
    if not getattr(policy.tokenizer, "chat_template", None):
        raise ModelError(
            f"{model.path!r} has no chat template: there is no conversation with it",
            "give a prompt, which is then continued as text",
        )
    turns: list[Message] = []
    for number, text in enumerate(said):
        turns.append({"role": "user", "content": text})
        asked = _asked(policy, turns, manner.system, "")
        key = (manner.seed, "talk", number, text)
        (answer,) = _answers(policy, asked, manner.sampling(1), key)
        turns.append({"role": "assistant", "content": answer})
        yield answer


def _asked(
    policy: Policy, turns: Sequence[Message], system: str, begins: str
) -> str | tuple[Message, ...]:
    if not getattr(policy.tokenizer, "chat_template", None):
        if system:
            raise ModelError(
                "a system message is for a chat, and this tokenizer has no chat template",
                "leave --system out, or use an instruction-tuned model",
            )
        return str(turns[-1]["content"]) + begins
    before: list[Message] = [{"role": "system", "content": system}] if system else []
    begun: list[Message] = [{"role": "assistant", "content": begins}] if begins else []
    return (*before, *turns, *begun)


def _answers(
    policy: Policy,
    asked: str | tuple[Message, ...],
    sampling: Sampling,
    key: tuple[int | str, ...],
    begins: str = "",
) -> list[str]:
    problem = Problem("the prompt", asked)
    check_prompt(problem, policy)
    request = Request(problem.id, policy.prompt_tokens(problem), key)
    (rollouts,) = sample(policy, [request], sampling)
    begins = begins or policy.begun(problem)
    return [begins + rollout.text for rollout in rollouts]
