"""Tools, environments and agents at fault: no run is lost, no failure is a reward.

    python -m proofs.episode_faults [--short] [--only PATTERN]

Each case is a run of two steps with three groups of three rollouts each, one of the groups at fault. The
policy is a small random model that was taught to say a word or two. Held of every case:

    ended       the run made both steps, and saved its model
    beside      in the first step the healthy groups have the tokens and rewards that they have without
                a fault
    counted     the rollouts at fault have failed, all by the kind that was expected, and have no reward;
                or where a fault is told to the policy, they were shown it, and have the reward of what
                they said
    control     whatever was shown, it has no control token but those of the template's own
    time        the run took no longer than without a fault, than the deadlines that it waited for, and SLACK
    nothing     afterwards no thread and no child process is left that was not there before
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import re
import sqlite3
import sys
import tempfile
import threading
import time
import tomllib
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from cohort.config.load import read_recipe
from cohort.config.optimizer import Optimizer
from cohort.config.recipe import Model
from cohort.data.packing import Family, Member
from cohort.policy.load import load_policy
from cohort.policy.policy import Policy
from cohort.policy.turns import Turns
from cohort.rewards.outcome import KINDS
from cohort.train.optim import Updater
from cohort.train.run import train_recipe
from cohort.train.supervised import imitate
from proofs import episode_ground
from proofs.episode_ground import TURN_SECONDS, Fault, length, with_tool
from proofs.faults_of_episodes import FAULTS
from tests.chat_templates import STYLES, tokenizer_of

SHORT = (
    "tool raises SystemExit", "tool returns control tokens", "step hangs", "coroutine exits",
    "process dies in a session", "agent asks in parallel", "agent hangs up and asks again",
)  # fmt: skip
CLAIMS = ("ended", "beside", "counted", "control", "time", "nothing")
STEPS, MEMBERS, SLACK, COLD_STEPS = 2, 3, 15.0, 60
WORDS = ("yes", "no", "one", "two", "a b", "so it is", "well", "42")
ASKED = {"at fault": True, "healthy": False, "well": False}
RECIPE = """
seed = 3
threads = 1
[model]
path = "{model}"
[[stage]]
kind = "reinforce"
problems = {{ source = "{folder}/problems.jsonl", held_out = "{folder}/others.jsonl" }}
environment = {{ name = "{here}:Ground", fault = {fault}, max_turns = 4, turn_seconds = {seconds} }}
rewards = {{ "{here}:first_length" = {{ weight = 1.0, where = "trainer" }} }}
steps = {steps}
prompts_per_step = 3
rollouts_per_prompt = {members}
max_new_tokens = 400
failures_allowed = 1.0
optimizer = {{ learning_rate = 1e-4 }}
"""


def prepare(folder: Path) -> None:
    """A model that says a word or two, and the problems."""
    tokenizer = tokenizer_of("chatml")
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=2048,
        bos_token_id=None, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    policy = load_policy(Model(path=str(folder / "model")), vocabulary=[], seed=1)
    updater = Updater(policy, Optimizer(learning_rate=5e-3, beta2=0.95), updates=COLD_STEPS)
    said = [
        Family(prompt, (Member(policy.completion_tokens(word), 0),))
        for prompt in prompts(policy)
        for word in WORDS
    ]
    for _ in range(COLD_STEPS):
        imitate(policy, said, updater, tokens_per_microbatch=4096)
    policy.model.save_pretrained(folder / "model")
    for name, asked in (("problems", ASKED), ("others", {"another": False})):
        rows = [
            {"prompt": [{"role": "user", "content": text}], "faulty": faulty}
            for text, faulty in asked.items()
        ]
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))


def prompts(policy: Policy) -> list[Any]:
    """The problems as a policy sees them, with a tool and without."""
    tools = [tool.schema for tool in with_tool(int)().tools]
    with_it = Turns(policy.tokenizer, policy.chats, policy.ends, tools)
    return [
        turns.prompt([{"role": "user", "content": text}], text).tokens
        for turns in (policy.turns, with_it)
        for text in ASKED
    ]


def played(folder: Path, name: str) -> Path:
    """The run of a case."""
    run = folder / f"run-{abs(hash(name))}"
    text = RECIPE.format(
        model=folder / "model", folder=folder, here=episode_ground.__file__, fault=json.dumps(name),
        seconds=TURN_SECONDS, steps=STEPS, members=MEMBERS,
    )  # fmt: skip
    episode_ground.RELEASE.clear()
    try:
        recipe = read_recipe(tomllib.loads(text), source="a fault")
        return train_recipe(recipe, run=run, base=folder, name="fault", quiet=True)
    finally:
        episode_ground.RELEASE.set()


def rows_of(run: Path) -> list[dict[str, Any]]:
    """All rollouts of a run, with what is said of them."""
    with closing(sqlite3.connect(run / "run.db")) as db:
        db.row_factory = sqlite3.Row
        found = db.execute(
            "SELECT step, columns, number, tokens, stop, reward, episode, kind, reason "
            "FROM rollouts JOIN groups ON groups.id = group_id "
            "JOIN scores USING (group_id, number) ORDER BY step, problem, number"
        ).fetchall()
        steps = db.execute("SELECT count(*) FROM steps").fetchone()[0]
    made = [dict(row) for row in found]
    for row in made:
        row["faulty"] = json.loads(row.pop("columns"))["faulty"]
        row["episode"] = json.loads(row["episode"])
        row["steps"] = steps
    return made


def judged(fault: Fault, rows: list[dict[str, Any]], usual: list[dict[str, Any]]) -> dict[str, str]:
    """What does not hold of a run; nothing, at best."""
    wrong = {}
    if len(rows) != STEPS * 3 * MEMBERS or any(row["steps"] != STEPS for row in rows):
        wrong["ended"] = f"{len(rows)} rollouts"
    if not fault.alone and healthy(rows) != healthy(usual):
        wrong["beside"] = "the healthy groups are others"
    concerned = [row for row in rows if row["faulty"] or fault.alone]
    if not any(row["stop"] != "length" or fault.stop == "length" for row in concerned):
        wrong["counted"] = "nobody came to the fault"
    for row in rows:
        if row in concerned:
            why = (failed if fault.kind else told)(fault, row)
            if why:
                wrong["counted"] = why
        if odd_tokens(row):
            wrong["control"] = f"{odd_tokens(row)} control tokens too many"
    return wrong


def healthy(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What healthy groups of the first step are."""
    own = [row for row in rows if row["step"] == 1 and not row["faulty"]]
    return [(row["tokens"], row["stop"], row["reward"]) for row in own]


def failed(fault: Fault, row: dict[str, Any]) -> str:
    """Why a rollout is not a failure of its kind."""
    seen = (row["stop"], row["kind"], row["reward"])
    if row["stop"] == "length" and row["kind"] == "scored" and row["reward"]:
        return ""  # its first turn never ended, so nobody was asked
    wanted = ("length" if row["stop"] == "length" else "failed", fault.kind, None)
    return "" if seen == wanted else f"{seen} for {wanted}: {row['reason'][:200]}"


def told(fault: Fault, row: dict[str, Any]) -> str:
    """Why a rollout did not go on as it must."""
    turns = row["episode"]["turns"]
    if row["reward"] != length(turns) or row["kind"] in KINDS:
        return f"reward {row['reward']}, {row['kind']} {row['reason'][:200]}"
    if row["stop"] == "length" and fault.stop != "length":  # one of its turns never ended
        return ""
    if fault.stop and row["stop"] != fault.stop:
        return f"it stopped for {row['stop']}"
    shown = "".join(turn["seen"] for turn in turns)
    return "" if fault.seen in shown else f"it was shown {shown[:300]!r}"


def odd_tokens(row: dict[str, Any]) -> int:
    """How many control tokens are in what was shown beside those that the template writes."""
    tokenizer = tokenizer_of("chatml")
    special = set(tokenizer.convert_tokens_to_ids(list(STYLES["chatml"].special)))
    tags = set(tokenizer.convert_tokens_to_ids(["<tool_call>", "</tool_call>"]))
    tokens, place, odd = np.frombuffer(row["tokens"], dtype="<i4"), 0, 0
    for turn in row["episode"]["turns"]:
        place += turn["sampled"] + turn["observed"]
        shown = tokens[place - turn["observed"] : place].tolist()
        messages = 3 * bool(
            shown
        )  # of the user's or tool's message two, and one of the turn after it
        odd += abs(sum(token in special for token in shown) - messages)
        odd += sum(token in tags for token in shown)
    return odd


def left(before: set[threading.Thread]) -> list[str]:
    """Threads and children that are left, after some time to end in."""
    for attempt in range(200):
        if attempt % 50 == 0:
            gc.collect()
        threads = [t.name for t in threading.enumerate() if t not in before]
        threads = [name for name in threads if name != "cohort endpoint"]
        names = threads + children()
        if not names:
            return []
        time.sleep(0.05)
    return names


def children() -> list[str]:
    """Child processes of this one, by name."""
    mine = Path(f"/proc/{os.getpid()}/task")
    found = []
    for task in mine.iterdir():
        with contextlib.suppress(OSError):  # it ended meanwhile
            for child in (task / "children").read_text().split():
                found.append(Path(f"/proc/{child}/cmdline").read_text().replace("\0", " "))
    return found


def prove(short: bool, only: str = "") -> dict[str, Any]:
    """Every case; some of them in the short form."""
    names = [name for name in (SHORT if short else FAULTS) if re.search(only, name)]
    outcomes: Counter[str] = Counter()
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        prepare(folder)
        usual = rows_of(played(folder, ""))
        before, began = set(threading.enumerate()), time.monotonic()
        again = rows_of(played(folder, ""))
        usually = time.monotonic() - began
        if judged(Fault(episode_ground.Healthy), again, usual):
            failures.append("two runs without a fault differ")
        for name in names:
            began = time.monotonic()
            wrong = tried(folder, name, usual)
            seconds = time.monotonic() - began
            if seconds > usually + 2 * STEPS * TURN_SECONDS + SLACK:
                wrong["time"] = f"{seconds:.1f} s, and {usually:.1f} s without a fault"
            rest = left(before)
            if rest:
                wrong["nothing"] = f"{rest}"
            outcomes[FAULTS[name].kind or "told"] += 1
            failures += [f"{name}: {claim}: {why}" for claim, why in wrong.items()]
            print(f"{seconds:5.1f} s  {name}: {wrong or 'held'}", file=sys.stderr, flush=True)
    asked = len(CLAIMS) * len(names)
    return {
        "name": "episode faults",
        "asked": asked,
        "held": asked - len(failures),
        "failures": failures,
        "faults": len(names),
        "outcomes": dict(outcomes),
    }


def tried(folder: Path, name: str, usual: list[dict[str, Any]]) -> dict[str, str]:
    """What does not hold of a case."""
    try:
        run = played(folder, name)
    except BaseException as error:  # noqa: BLE001 - a lost run, whatever lost it
        return {"ended": f"{type(error).__name__}: {error}"[:500]}
    return judged(FAULTS[name], rows_of(run), usual)


if __name__ == "__main__":
    from proofs.command import main

    words = sys.argv[1:]
    asked_only = words[words.index("--only") + 1] if "--only" in words else ""
    raise SystemExit(main(prove("--short" in words, asked_only)))
