"""An agent that knows only a base URL is trained through the endpoint: 20 steps on tau2-bench's mock domain.

    TAU2_MOCK=path/to/tau2-bench/mock python -m proofs.agent [--short]

The agent (proofs.mock_agent) is written with the `openai` client; some of its tasks stream. The policy is a
small random Llama with ChatML and Hermes calls, cold-started on the tasks' golden calls until it solves some
of them, since a group in which nobody does says nothing. Held of every seed:

    steps       all 20 were trained, each with one update, and the weights are others than before
    signal      at least half of the steps had a group with differing rewards
    trainer     at every step, what the sampler recorded of each token that was trained is what the trainer
                recomputed, within 1e-5
    all         the same of all tokens that were sampled in the first step, whatever their advantage: the
                trainer leaves out those that carry no gradient
    whole       every episode was the agent's: no failure, and what was told of calls is in the facts
    streams     tasks that stream and tasks that do not both had episodes

Beside them stands how far the recorded ones are from those of the plain model in double precision, as
transformers has it: what 32 bits lose on the way, of the sampler's and the trainer's alike.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import tempfile
import tomllib
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from cohort.config.load import read_recipe
from cohort.config.optimizer import Optimizer
from cohort.config.recipe import Model
from cohort.data.episodes import episode_from
from cohort.data.packing import Family, Member, pack
from cohort.policy.load import load_policy
from cohort.policy.policy import Policy
from cohort.policy.turns import Turns
from cohort.rollout.environments import Call, Observed, Spoken
from cohort.rollout.messages import results, said
from cohort.tasks.tau2_mock import Tau2Mock
from cohort.tasks.toolscale_desk import assignment_in
from cohort.train.optim import Updater
from cohort.train.run import train_recipe
from cohort.train.supervised import imitate
from proofs import mock_agent
from tests.chat_templates import CHATML
from tests.tiny import plain_logprobs

SEEDS, SHORT_SEEDS = (1, 2, 3), (1,)
STEPS, COLD_STEPS, CLOSE = 20, 90, 1e-5
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CLAIMS = ("steps", "signal", "trainer", "all", "whole", "streams")
FOUND = Path(__file__).parents[1].parent / "shared" / "data" / "tau2-bench" / "mock"

RECIPE = """
seed = {seed}
threads = 1
[model]
path = "{model}"
[[stage]]
kind = "reinforce"
problems = {{ source = "tau2-mock", options = {{ folder = "{folder}" }} }}
environment = {{ name = "{here}:environment", calls = "auto", max_turns = 6, turn_seconds = 60 }}
rewards = {{ "{here}:solved" = {{ weight = 1.0, where = "trainer" }} }}
steps = {steps}
prompts_per_step = 4
rollouts_per_prompt = 6
max_new_tokens = 220
optimizer = {{ learning_rate = 3e-4 }}
"""


def small_model(task: Tau2Mock, folder: Path, seed: int) -> None:
    """A random model whose tokenizer knows the domain's words, as a folder."""
    texts = [
        json.dumps([dict(p.columns), list(p.prompt)], ensure_ascii=False) for p in task.known()
    ]
    texts += [json.dumps(tool.schema) for tool in mock_agent.desk_of(task.known()[0]).tools]
    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bare.train_from_iterator(
        texts * 3,
        trainers.BpeTrainer(vocab_size=900, initial_alphabet=alphabet, show_progress=False),
    )
    bare.add_special_tokens([AddedToken(name, special=True) for name in SPECIAL])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bare, eos_token=SPECIAL[2], pad_token=SPECIAL[0], chat_template=CHATML
    )
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=172, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=1536,
        tie_word_embeddings=True, bos_token_id=None, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def demonstration(policy: Policy, task: Tau2Mock, number: int) -> Family:
    """A task's golden calls, one a turn, as the agent's conversation has them; and its end."""
    problem = task.known()[number]
    desk = mock_agent.desk_of(problem)
    turns = Turns(policy.tokenizer, policy.chats, policy.ends, [t.schema for t in desk.tools])
    messages: list[Any] = list(problem.prompt)
    prompt = turns.prompt(messages, problem.id).tokens
    parts, sampled = [], []
    golden = assignment_in(problem).golden
    for place, call in enumerate((*golden, None)):
        text = "Done." if call is None else _called(call)
        parts.append(policy.completion_tokens(text))
        sampled.append(True)
        if call is None:
            break
        spoken = Spoken(text, place, (call,))
        observed = desk.step(spoken)
        assert isinstance(observed, Observed)
        shown = results(place, [(call.name, str(dict(observed.seen[0])["content"]))])
        messages.append(said(spoken))
        parts.append(turns.shown(messages, shown, problem.id).tokens)
        sampled.append(False)
        messages += shown
    mask = np.repeat(sampled, [len(part) for part in parts])
    return Family(prompt, (Member(np.concatenate(parts), 0, mask),))


def _called(call: Call) -> str:
    own = json.dumps({"name": call.name, "arguments": dict(call.arguments)})
    return f"<tool_call>\n{own}\n</tool_call>"


def cold_start(policy: Policy, task: Tau2Mock, steps: int) -> float:
    """Imitate the golden calls of all tasks; the loss in the end."""
    options = Optimizer(learning_rate=3e-3, warmup_steps=10, beta2=0.95)
    updater = Updater(policy, options, updates=steps)
    families = [demonstration(policy, task, number) for number in range(len(task.known()))]
    loss = float("nan")
    for _ in range(steps):
        loss = imitate(policy, families, updater, tokens_per_microbatch=8192)["loss"]
    return loss


def prepared(folder: Path, data: Path, seed: int) -> float:
    """The cold-started model in a folder; the loss of its cold start."""
    task = Tau2Mock(folder=str(data))
    small_model(task, folder, seed)
    policy = load_policy(Model(path=str(folder)), vocabulary=[], seed=seed)
    loss = cold_start(policy, task, COLD_STEPS)
    policy.model.save_pretrained(folder)
    return loss


def trained(folder: Path, data: Path, seed: int) -> dict[str, Any]:
    """One seed's figures."""
    model, run = folder / f"model-{seed}", folder / f"run-{seed}"
    loss = prepared(model, data, seed)
    here = Path(mock_agent.__file__)
    text = RECIPE.format(seed=seed, model=model, folder=data, here=here, steps=STEPS)
    recipe = read_recipe(tomllib.loads(text), source="agent")
    train_recipe(recipe, run=run, base=folder, name="agent", quiet=True)
    return figures(run, model) | {"cold-start loss": round(loss, 4)}


def figures(run: Path, model: Path) -> dict[str, Any]:
    """What a run says of itself."""
    with closing(sqlite3.connect(run / "run.db")) as db:
        differs = db.execute(
            "SELECT value FROM metrics WHERE name = 'sampling/sampling_logp_difference/max'"
        ).fetchall()
        steps = db.execute("SELECT count(*) FROM steps").fetchone()[0]
        told = db.execute(
            "SELECT step, group_id, reward, stop, episode, length(logprobs) / 4 "
            "FROM rollouts JOIN groups ON groups.id = group_id"
        ).fetchall()
        first = db.execute(
            "SELECT prompt_tokens, tokens, logprobs, episode FROM rollouts "
            "JOIN groups ON groups.id = group_id WHERE step = 1"
        ).fetchall()
    own, exact = differences(first, model)
    by_group: dict[tuple[int, int], set[float | None]] = {}
    for step, group, reward, *_ in told:
        by_group.setdefault((step, group), set()).add(reward)
    with_signal = {step for (step, _), rewards in by_group.items() if len(rewards) > 1}
    episodes = [json.loads(episode) for *_, episode, _ in told]
    by_step = [
        np.mean([r for step, _, r, *_ in told if step == n and r is not None])
        for n in range(1, steps + 1)
    ]
    return {
        "steps": steps,
        "steps with signal": len(with_signal),
        "differs from the trainer": max((value for (value,) in differs), default=1.0),
        "steps that say so": len(differs),
        "differs, all tokens": own,
        "differs from the exact": exact,
        "moved": moved(run, model),
        "episodes": len(told),
        "failed": sum(one["failure"] is not None for one in episodes),
        "sampled tokens": sum(length for *_, length in told),
        "turns": sum(len(one["turns"]) for one in episodes),
        "calls": sum(len(one["facts"].get("called", ())) for one in episodes),
        "ended": sum(stop == "end" for _, _, _, stop, _, _ in told),
        "streamed": sum(bool(one["facts"].get("streams")) for one in episodes),
        "solved at first": round(float(np.mean(by_step[:5])), 3),
        "solved at last": round(float(np.mean(by_step[-5:])), 3),
    }


def differences(rows: list[Any], folder: Path) -> tuple[float, float]:
    """The largest difference between what was recorded of a sampled token and what the trainer's forward
    pass says, and what transformers says in double precision."""
    policy = load_policy(Model(path=str(folder)), vocabulary=[], seed=0)
    exact = AutoModelForCausalLM.from_pretrained(folder).double().eval()
    found = []
    for prompt, tokens, logprobs, episode in rows:
        asked, answer = (np.frombuffer(data, dtype="<i4").copy() for data in (prompt, tokens))
        recorded = np.frombuffer(logprobs, dtype="<f4")
        mask = episode_from(json.loads(episode)).sampled
        with torch.no_grad():
            row = pack([Family(asked, (Member(answer, 0, mask),))])
            own = policy.logprobs(row)[0].numpy()
            plain = plain_logprobs(exact, asked, answer).numpy()[mask]
        found.append([float(np.abs(other - recorded).max()) for other in (own, plain)])
    most = np.max(found, axis=0)
    return float(most[0]), float(most[1])


def moved(run: Path, model: Path) -> float:
    """The largest change of a weight."""
    pair = [
        AutoModelForCausalLM.from_pretrained(folder).state_dict()
        for folder in (model, run / "model")
    ]
    return max(float((pair[0][name] - pair[1][name]).abs().max()) for name in pair[0])


def holds(seen: dict[str, Any]) -> dict[str, bool]:
    """Which claims hold of a seed."""
    return {
        "steps": seen["steps"] == STEPS and seen["moved"] > 0,
        "signal": seen["steps with signal"] >= STEPS / 2,
        "trainer": seen["differs from the trainer"] < CLOSE
        and seen["steps that say so"] >= seen["steps with signal"],
        "all": seen["differs, all tokens"] < CLOSE,
        "whole": seen["failed"] == 0 and seen["calls"] > 0,
        "streams": 0 < seen["streamed"] < seen["ended"],
    }


def prove(short: bool) -> dict[str, Any]:
    """Every seed; 1 of them in the short form. Nothing is asked where the data is not there."""
    data = Path(os.environ.setdefault(mock_agent.FOLDER, str(FOUND)))
    result: dict[str, Any] = {"name": "agent", "asked": 0, "held": 0, "failures": []}
    if not data.is_dir():
        return result | {"left out": f"{mock_agent.FOLDER} names no folder with the domain"}
    for seed in SHORT_SEEDS if short else SEEDS:
        with tempfile.TemporaryDirectory() as name:
            seen = trained(Path(name), data, seed)
        held = holds(seen)
        print(f"seed {seed}: {json.dumps(seen)}", file=sys.stderr, flush=True)
        result["asked"] += len(CLAIMS)
        result["held"] += sum(held.values())
        result["failures"] += [f"seed {seed}: {claim}" for claim in CLAIMS if not held[claim]]
        result[f"seed {seed}"] = seen
    return result


if __name__ == "__main__":
    from proofs.command import main

    raise SystemExit(main(prove("--short" in sys.argv)))
