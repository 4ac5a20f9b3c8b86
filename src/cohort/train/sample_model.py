"""`cohort sample`: ask a model one prompt."""

from __future__ import annotations

from cohort.config.recipe import Model
from cohort.data.records import Problem
from cohort.policy.load import load_policy
from cohort.rollout.request import Request, Sampling
from cohort.rollout.sampler import sample
from cohort.train.plan import check_prompt


def sample_model(
    model: str,
    prompt: str,
    *,
    count: int,
    temperature: float,
    max_new_tokens: int,
    seed: int,
) -> list[str]:
    """`count` answers as text; equal arguments give equal answers. Temperature 0 is greedy.

    A tokenizer with a chat template gets the prompt as a user's turn.
    """
    policy = load_policy(Model(path=model), vocabulary=[], seed=seed)
    chat = bool(getattr(policy.tokenizer, "chat_template", None))
    asked = ({"role": "user", "content": prompt},) if chat else prompt
    problem = Problem("the prompt", asked)
    check_prompt(problem, policy)
    request = Request(problem.id, policy.prompt_tokens(problem), (seed, "sample", prompt))
    sampling = Sampling(
        rollouts_per_prompt=count,
        max_new_tokens=max_new_tokens,
        temperatures=(temperature or 1.0,),
        greedy=temperature == 0.0,
    )
    (rollouts,) = sample(policy, [request], sampling)
    return [rollout.text for rollout in rollouts]
