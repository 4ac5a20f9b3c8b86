"""`python -m proofs`: every proof, two at a time, and the table of their figures.

--short is the form that runs with the tests; --only names some of them; --json prints what each said.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

PROOFS = {
    "kills": "killed with -9 and given again: the same bits",
    "pipelines": "r1 and r1-zero, killed with -9 in each of their stages: the same bits",
    "cuts": "killed at every update and every micro-batch: the same bits",
    "crashes": "states that a power cut can leave: one whole checkpoint, never an older one",
    "faults": "failing disks and flipped bits: nothing lost, the right code, the older one found",
    "hostile_checkpoints": "hostile checkpoints: refused within 2 s, nothing executed",
    "hostile": "hostile model folders: refused within 2 s, nothing executed",
    "not_finite": "NaN and infinity injected: named, never saved",
    "same_seed": "repeats with other hash seeds, delays and readers: the same bits",
    "fuzz_recipes": "mutated recipes: no traceback, six lines, the right code",
    "fuzz_data": "mutated data files: the same, file and line named",
    "fuzz_tokenizers": "mutated tokenizers and templates: the same",
    "exit_truth": "scenarios: exit code 0 exactly when the work was done",
    "sandbox_soak": "programs in the sandbox, hostile ones among them: nothing is left behind",
    "grader_tampering": "programs that tamper with their grader: none is taken for a right one",
    "grader_honest": "right programs: all of their tests are passed",
    "judge_faults": "a judge's service fails in every way: no reward made up, deadlines kept",
    "judge_attacks": "answers that attack their judge: none passes; URLs: no forbidden connect",
    "reward_faults": "faulty reward functions: the same run, every count right, nothing left",
    "reward_failures": "rewards that fail at random: statistics of the scored alone, ended in time",
    "math_hostile": "hostile mathematics: a second, 512 MB, nothing executed",
    "math_agreement": "agreement with math-verify, and every difference explained",
    "reasoning_gym": "tasks of reasoning-gym: posed, posed again, their answers scored in the sandbox",
    "check_mistakes": "planted mistakes: cohort check names each, and nothing in a right recipe",
    "dpo_optimum": "DPO on pairs of a known preference: its closed-form optimum within 1e-3",
    "rejection_tuning": "sample, keep, imitate: more held-out answers right, with every seed",
    "critic_gradient": "a critic's true values: the gradient of every estimate is the exact one",
    "hybrid_identities": "Hybrid GRPO is the TD error, GRPO or Monte Carlo where it must be",
    "reward_model": "reward models: right about what is held out, the same with transformers alone",
    "iterative": "a reward model that is trained on with the policy, and one that is not: five seeds",
    "orchestrator": "a small orchestrator minds price, difficulty and preference: five seeds",
    "calculator": "a small model learns to use a calculator: three seeds",
    "teacher": "a small model learns without labels from what it reconciles: five seeds",
    "conversations": "conversations in six chat templates: the record is what was said and shown",
    "architectures": "architectures of transformers, tiny: packed rows, greedy tokens, saving, adapters",
    "lora": "LoRA: the base stays to the bit, peft loads what was saved, `chain` learns: three seeds",
    "precision": "200 small steps in bfloat16: kept by masters, lost to the nearest, right by chance",
    "plan": "the plan of the memory against the measured peak of twelve configurations",
    "agent": "an agent that knows a base URL, trained: what is recorded is what the trainer says",
    "episode_faults": "tools, environments and agents at fault: no run lost, no failure a reward",
    "watched": "a run and its readers killed with -9: every step whole, none held up, sealed beside them",
    "slow_tools": "a thousand episodes with slow tools: slots stay busy, nobody waits, the same bits",
    "waits": "a step waits for a checkpoint less than a tenth of a second",
}
"""What each proof shows."""

LONGEST_SECONDS = 2400.0


def main() -> int:
    """Run them, print the table; 0 where everything held."""
    parser = argparse.ArgumentParser(prog="python -m proofs", description=__doc__)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--only", nargs="*", choices=PROOFS, default=list(PROOFS))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    alone = [
        name for name in asked.only if name in ("waits", "judge_faults", "slow_tools")
    ]  # they measure time
    with ThreadPoolExecutor(asked.jobs) as pool:
        together = [name for name in asked.only if name not in alone]
        results = dict(
            zip(together, pool.map(lambda n: _prove(n, asked.short), together), strict=True)
        )
    results |= {name: _prove(name, asked.short) for name in alone}
    if asked.json:
        print(json.dumps(results, indent=1))
    else:
        print("\n".join(_table(results)))
    return 0 if all(result["held"] == result["asked"] for result in results.values()) else 1


def _prove(name: str, short: bool) -> dict[str, Any]:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", f"proofs.{name}", *(["--short"] if short else [])],
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    try:
        result: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        result = {"asked": 1, "held": 0, "failures": [done.stderr[-2000:]]}
    result["seconds"] = round(time.monotonic() - began, 1)
    print(f"{name}: {result['held']} of {result['asked']}", file=sys.stderr)
    for failure in result["failures"]:
        print(f"  {failure}", file=sys.stderr)
    return result


def _table(results: dict[str, dict[str, Any]]) -> list[str]:
    shown = ("name", "asked", "held", "failures", "seconds")
    lines = ["| what | cases | held | besides |", "| --- | --- | --- | --- |"]
    for name, result in results.items():
        rest = "; ".join(
            f"{key} {value}" for key, value in result.items() if key not in shown and value != {}
        )
        lines.append(f"| {PROOFS[name]} | {result['asked']} | {result['held']} | {rest} |")
    return lines


if __name__ == "__main__":
    raise SystemExit(main())
