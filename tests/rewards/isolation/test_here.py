"""Functions in the training process: they are named when they are late, and leave nothing changed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
import torch

from cohort.config.stages import Reward
from cohort.rewards.functions import RewardFunction
from cohort.rewards.isolation.runner import Runner
from cohort.rewards.score import score_groups
from tests.rewards.test_score import TEXT, group


def test_what_a_function_changes_in_the_process_is_put_back() -> None:
    def meddles(*, completions: list[str], **_: Any) -> list[float]:
        random.seed(1)
        np.random.seed(1)
        torch.manual_seed(1)
        torch.set_num_threads(3)
        torch.set_default_dtype(torch.float64)
        os.chdir("/")
        os.environ["MEDDLED"] = "1"
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        sys.stdout = None
        completions.append("more")
        return [1.0]

    before = state()
    (scored,) = score_groups([group(TEXT, "a")], [RewardFunction("meddles", 1.0, meddles)])
    assert scored.rewards == (1.0,)
    assert state() == before


def state() -> tuple[Any, ...]:
    return (
        random.getstate(),
        str(np.random.get_state()),
        torch.get_rng_state().tolist(),
        torch.get_num_threads(),
        torch.get_default_dtype(),
        os.getcwd(),
        dict(os.environ),
        signal.getsignal(signal.SIGUSR1),
        sys.stdout,
    )


def test_a_late_function_is_named_and_its_value_counts() -> None:
    def late(*, completions: list[str], **_: Any) -> list[float]:
        import time

        time.sleep(0.25)
        return [1.0 for _ in completions]

    said: list[str] = []
    runner = Runner()
    runner._say = said.append
    own = RewardFunction("late", 1.0, late, options=Reward(deadline_seconds=0.2))
    (scored,) = score_groups([group(TEXT, "a")], [own], runner)
    assert scored.rewards == (1.0,)
    assert len(said) == 1
    assert '"late" has not returned within its deadline of 0.2 s' in said[0]


def test_a_function_that_never_returns_ends_the_process_with_75() -> None:
    code = textwrap.dedent(
        """
        import time
        from cohort.config.stages import Reward
        from cohort.rewards.functions import RewardFunction
        from cohort.rewards.isolation.runner import Runner
        from cohort.rewards.score import score_groups
        from tests.rewards.test_score import TEXT, group
        own = RewardFunction("never", 1.0, lambda **_: time.sleep(60), options=Reward(deadline_seconds=0.2))
        score_groups([group(TEXT, "a")], [own], Runner())
        """
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 75
    assert 'error: reward "never" has not returned' in done.stderr
