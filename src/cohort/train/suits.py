"""Whether a stage's options suit its algorithm: what would be ignored, or be silently wrong, is refused."""

from __future__ import annotations

from cohort.config.critic import Critic
from cohort.config.references import stage_of
from cohort.config.stages import Reinforce
from cohort.config.teacher import FIRST
from cohort.errors import RecipeError, legible
from cohort.objective.algorithms import Algorithm


def check_suits(stage: Reinforce, algorithm: Algorithm, where: str) -> None:
    """Raise RecipeError for the first option that the algorithm cannot have."""
    if stage.rollouts_per_prompt == 1 and not algorithm.has("advantage", "alone"):
        raise RecipeError(
            f"{where}: rollouts_per_prompt is 1: a group of one has no advantage.",
            "use at least 2; the recipes use 8.",
        )
    updates = stage.updates_per_step * stage.minibatches_per_step
    if updates > 1 and algorithm.has("surrogate", "on policy"):
        raise RecipeError(
            f"{where}: {updates} updates per step, and the surrogate of {algorithm.name} is right "
            "for answers of the current policy only",
            'make one update per step, or use algorithm.surrogate = "ratio"',
        )
    if stage.reward_scale != 1.0 and algorithm.has("advantage", "scale free"):
        raise RecipeError(
            f"{where}: reward_scale is {stage.reward_scale:g}, and {algorithm.name} divides by the "
            "rewards' own size: it would change nothing",
            "remove it, or change the learning rate",
        )
    if algorithm.has("advantage", "steps") or algorithm.has("advantage", "each reward"):
        _check_parts(stage, algorithm, where)
    if algorithm.chosen["advantage"] == "best-of-k":
        _check_subsets(stage, algorithm, where)
    _check_first(stage, algorithm, where)
    if stage.critic is not None:
        _check_critic(stage, stage.critic, where)
    if algorithm.asks_critic != (stage.critic is not None):
        raise _critic_refusal(algorithm, where)


def _check_first(stage: Reinforce, algorithm: Algorithm, where: str) -> None:
    """The policy's first version is one model in memory, whoever asks it: it cannot stay and move."""
    if stage.teacher is None or stage.teacher.anchor != FIRST:
        return
    if algorithm.chosen["reference"] != "frozen":
        raise RecipeError(
            f"{where}: the reference of {algorithm.name} moves ({algorithm.chosen['reference']}), and the "
            "teacher's anchor is the policy's first version",
            'use algorithm.reference = "frozen", or another anchor',
        )


def _check_parts(stage: Reinforce, algorithm: Algorithm, where: str) -> None:
    """An algorithm that learns from parts of the reward has no use for what is done to the total."""
    reason = f"and {algorithm.name} learns from parts of the reward, not from their total"
    if stage.reward_scale != 1.0 or stage.reward_bounds != [-1e9, 1e9]:
        raise RecipeError(
            f"{where}: the total reward is scaled or bounded, {reason}",
            "remove reward_scale and reward_bounds, and do it in the reward functions",
        )
    if algorithm.penalizes_reward:
        raise RecipeError(
            f"{where}: kl is in-reward, {reason}", 'use a KL term in the loss: algorithm.kl = "k3"'
        )
    if stage.environment is None and algorithm.values.get("turn_gamma", 1.0) != 1.0:
        raise RecipeError(
            f"{where}: turn_gamma is {algorithm.values['turn_gamma']:g}, and without an environment an "
            "answer is one turn",
            "remove algorithm.turn_gamma, or add an environment",
        )


def _critic_refusal(algorithm: Algorithm, where: str) -> RecipeError:
    if algorithm.asks_critic:
        return RecipeError(
            f"{where}: {algorithm.name} makes advantages of a critic's values, and there is no critic",
            'add critic = "own" or critic = "head"',
        )
    return RecipeError(
        f"{where}: there is a critic, and nobody asks it: the advantage of {algorithm.name} is "
        f"{algorithm.chosen['advantage']}",
        'remove critic, or use algorithm.advantage = "whitened-gae"',
    )


def _check_critic(stage: Reinforce, critic: Critic, where: str) -> None:
    """What one kind of critic does not read is refused, and a policy that would wait to the end."""
    if stage.environment is not None and stage.environment.context_tokens:
        raise RecipeError(
            f"{where}: there is a critic, and environment.context_tokens is "
            f"{stage.environment.context_tokens}: it reads an episode as one sequence",
            "remove environment.context_tokens, or use an algorithm without a critic",
        )
    defaults = Critic()
    if critic.kind == "head" and critic.start:
        raise RecipeError(
            f"{where}: critic.start is {legible(repr(critic.start))}, and a head begins with the "
            "policy's own layers",
            'remove it, or use critic.kind = "own"',
        )
    if critic.start and not stage_of(critic.start):
        raise RecipeError(
            f"{where}: critic.start is {legible(repr(critic.start))}",
            'it is "stage:NAME", for the reward model of that stage; leave it out for the policy\'s layers',
        )
    if critic.kind == "own" and critic.coefficient != defaults.coefficient:
        raise RecipeError(
            f"{where}: critic.coefficient is {critic.coefficient:g}, and a critic of its own has a loss "
            "of its own",
            'remove it, or use critic.kind = "head"',
        )
    if critic.pretraining_steps >= stage.steps:
        raise RecipeError(
            f"{where}: critic.pretraining_steps is {critic.pretraining_steps} and steps is "
            f"{stage.steps}: the policy would never learn",
            "lower critic.pretraining_steps or raise steps",
        )


def _check_subsets(stage: Reinforce, algorithm: Algorithm, where: str) -> None:
    k = int(algorithm.values["k"])
    baseline = algorithm.values["pkpo_baseline"]
    least = {"none": k, "k-1": max(k, 2), "leave-one-out": k + 1}[str(baseline)]
    if stage.rollouts_per_prompt < least or (baseline == "k-1" and k == 1):
        raise RecipeError(
            f"{where}: the best of {k} with the baseline {baseline} needs {least} answers per "
            f"problem, and rollouts_per_prompt is {stage.rollouts_per_prompt}",
            "raise rollouts_per_prompt or lower algorithm.k",
        )
