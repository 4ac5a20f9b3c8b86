"""The model of a recipe, tried before it is trained: what it samples, and whether a step fits.

Nothing is learned and nothing is written. A stage that comes after others is tried with the weights
that there are: then it is not asked whether its answers end or differ, because they will be others.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cohort.config.stages import Reinforce, Sampled
from cohort.data.packing import Family, Member, pack
from cohort.data.records import Group, Problem
from cohort.policy.policy import Policy
from cohort.policy.probe import TOLERANCE
from cohort.rollout.request import Request, Sampling
from cohort.rollout.sampler import sample
from cohort.train.batch import Cutting, no_grad_logprobs, whole_step
from cohort.train.check_answers import DEMONSTRATION, golds_of, problems_of
from cohort.train.check_findings import Checked, Finding
from cohort.train.plan import StagePlan
from cohort.train.rehearsal import is_memory

GROUPS = 4
"""Groups that are sampled."""

MOST_ROLLOUTS = 8
"""Answers of such a group, at most."""

CUT_SHARE, NEEDED_SHARE = 0.95, 0.25
"""The share of cut answers, and the part of the room that right ones need, from which on it is said."""

TURN = [{"role": "user", "content": "1 + 1"}]
SPOKEN = [*TURN, {"role": "assistant", "content": "2"}]


@dataclass(frozen=True, slots=True)
class Tried:
    """The groups that were sampled, and what a step costs by what they cost."""

    groups: list[Group]
    step_seconds: float


def check_model(
    checked: Checked, plan: StagePlan, policy: Policy, *, seed: int, before: Sequence[str]
) -> Tried:
    """Sample a few groups of a stage, compare log-probabilities, run the largest micro-batch.

    `before`: the stages that train the model before this one.
    """
    options = plan.options
    assert isinstance(options, Sampled), options.kind
    where = f"stage {plan.name}"
    problems = plan.source.batch(seed=seed, purpose="check", step=1, count=GROUPS)
    began = time.perf_counter()
    groups = _sampled(plan, policy, problems, seed)
    sampling = (time.perf_counter() - began) / len(groups)
    if any(not isinstance(problem.prompt, str) for problem in problems):
        checked.findings += about_template(where, policy)
    lengths = right_lengths(plan, policy, seed)
    room = _about_room(where, options.max_new_tokens, lengths)
    if not before and not room:
        room = _about_ends(where, groups, options.max_new_tokens, lengths)
    checked.findings += room
    checked.findings += _about_logprobs(where, groups, policy, checked)
    training = _largest(where, plan, policy, groups, checked)
    step = getattr(options, "prompts_per_step", len(groups))
    share = getattr(options, "rollouts_per_prompt", MOST_ROLLOUTS) / len(groups[0].rollouts)
    return Tried(groups, step * share * (sampling + training))


def about_template(where: str, policy: Policy) -> list[Finding]:
    """Whether the chat template opens the assistant's turn, and ends it with an end token."""
    tokenizer, found = policy.tokenizer, []
    opened = tokenizer.apply_chat_template(TURN, tokenize=False, add_generation_prompt=True)
    plain = tokenizer.apply_chat_template(TURN, tokenize=False, add_generation_prompt=False)
    if opened == plain:
        text = (
            "it adds nothing where the assistant's turn begins (add_generation_prompt): the model "
            "may go on with the user's."
        )
        found.append(Finding("the template", where, text))
    spoken = tokenizer.apply_chat_template(SPOKEN, tokenize=False)
    tokens = tokenizer(spoken, add_special_tokens=False)["input_ids"]
    if not policy.ends & set(
        tokens[len(tokenizer(plain, add_special_tokens=False)["input_ids"]) :]
    ):
        ends = ", ".join(repr(tokenizer.decode([end])) for end in sorted(policy.ends))
        text = f"it does not end the assistant's turn with {ends}, which is what ends an answer."
        found.append(Finding("the template", where, text))
    return found


def _sampled(
    plan: StagePlan, policy: Policy, problems: Sequence[Problem], seed: int
) -> list[Group]:
    options = plan.options
    assert isinstance(options, Sampled), options.kind
    heat = (
        options.temperature.of_step(1, options.steps) if isinstance(options, Reinforce) else (1.0,)
    )
    requests = [
        Request(p.id, policy.prompt_tokens(p), (seed, "check", plan.name, p.id)) for p in problems
    ]
    wanted = getattr(options, "rollouts_per_prompt", MOST_ROLLOUTS)
    sampling = Sampling(
        rollouts_per_prompt=max(2, min(wanted, MOST_ROLLOUTS)),
        max_new_tokens=options.max_new_tokens,
        temperatures=heat,
        slots=options.slots,
        stop=tuple(options.stop),
    )
    answers = sample(policy, requests, sampling)
    return [
        Group(problem, request.prompt, tuple(rollouts), begun=policy.begun(problem))
        for problem, request, rollouts in zip(problems, requests, answers, strict=True)
    ]


def _about_room(where: str, room: int, lengths: Mapping[str, Sequence[int]]) -> list[Finding]:
    """Whether the answers that are called right fit into max_new_tokens, in half of the problems."""
    if not lengths or (middle := _middle(lengths)) <= room:
        return []
    text = (
        f"max_new_tokens is {room}, and right answers have {middle} tokens in the middle: they would "
        "be cut."
    )
    return [Finding("cut", where, text)]


def _about_ends(
    where: str, groups: Sequence[Group], room: int, lengths: Mapping[str, Sequence[int]]
) -> list[Finding]:
    """Whether sampled answers end, where right ones need a good part of the room."""
    stops = [rollout.stop for group in groups for rollout in group.rollouts]
    cut = sum(stop == "length" for stop in stops)
    if not lengths or cut < CUT_SHARE * len(stops) or NEEDED_SHARE * room > _middle(lengths):
        return []
    text = (
        f"{cut} of {len(stops)} sampled answers were cut at max_new_tokens, {room}; right ones have "
        f"{_middle(lengths)} tokens in the middle."
    )
    return [Finding("cut", where, text, mend=False)]


def right_lengths(plan: StagePlan, policy: Policy, seed: int) -> dict[str, list[int]]:
    """Tokens of the answers that the problems call right, by where they stand."""
    problems = problems_of(plan.source, seed)
    golds = golds_of(plan.source, problems, seed)
    return {
        source: sorted(len(policy.completion_tokens(text)) for text in texts)
        for source, texts in golds.items()
    }


def _middle(lengths: Mapping[str, Sequence[int]]) -> int:
    """The median length of right answers: of demonstrations, or of the shortest column."""
    shortest = min(lengths, key=lambda source: lengths[source][-1])
    chosen = lengths[DEMONSTRATION if DEMONSTRATION in lengths else shortest]
    return chosen[len(chosen) // 2]


def _about_logprobs(
    where: str, groups: Sequence[Group], policy: Policy, checked: Checked
) -> list[Finding]:
    """Whether the trainer finds the log-probabilities that the sampler reported."""
    cutting = Cutting(
        tokens_per_microbatch=policy.row_tokens(0), budget_tokens=1, device=policy.device
    )
    places = [(g, r) for g, group in enumerate(groups) for r in range(len(group.rollouts))]
    batch = whole_step(groups, places, cutting)
    trained, _ = no_grad_logprobs(policy, batch)
    worst = float((trained - batch.sampler_logprobs).abs().max())
    allowed = TOLERANCE[policy.model.dtype]
    checked.facts.append(
        f"{where}: the sampler's and the trainer's log-probabilities of {batch.tokens} tokens differ "
        f"by {worst:.1e} at most."
    )
    if worst <= allowed:
        return []
    text = f"of one token they differ by {worst:.2g}; {allowed:g} is what rounding can do."
    return [Finding("log-probabilities", where, text)]


def _largest(
    where: str, plan: StagePlan, policy: Policy, groups: Sequence[Group], checked: Checked
) -> float:
    """Run the largest micro-batch, forward and backward; seconds that a group of its kind takes."""
    options = plan.options
    room = min(options.max_new_tokens, policy.context - 1)  # type: ignore[union-attr]
    budget = policy.row_tokens(getattr(options, "tokens_per_microbatch", 0))
    prompt = max((group.prompt_tokens for group in groups), key=len)[: policy.context - room]
    answers = max(1, (budget - len(prompt)) // room)
    draw = np.random.Generator(np.random.Philox(key=11))
    tokens = [
        draw.integers(0, len(policy.tokenizer), room).astype(np.int32) for _ in range(answers)
    ]
    members = tuple(Member(answer, n * room) for n, answer in enumerate(tokens))
    size = len(prompt) + answers * room
    began = time.perf_counter()
    try:
        logprobs, _ = policy.logprobs(pack([Family(prompt, members)]))
        logprobs.sum().backward()
    except (RuntimeError, MemoryError) as error:
        if not is_memory(error):
            raise
        text = f"a row of {size} tokens does not fit: {str(error).splitlines()[0][:150]}"
        checked.findings.append(Finding("memory", where, text))
    finally:
        policy.model.zero_grad(set_to_none=True)
    seconds = time.perf_counter() - began
    checked.facts.append(f"{where}: the largest micro-batch, {size} tokens, took {seconds:.2f} s.")
    mean = float(np.mean([len(r.tokens) for group in groups for r in group.rollouts]))
    return seconds * mean * len(groups[0].rollouts) / size
