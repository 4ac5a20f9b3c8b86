"""What the user's code may change in a process that has other things to do, put back as it was."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np
import torch


@contextmanager
def untouched() -> Iterator[None]:
    """After it, random generators, folder, environment, signal handlers, standard streams and torch's
    threads and default type are what they were before."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    folder, environment = os.getcwd(), dict(os.environ)
    streams = sys.stdin, sys.stdout, sys.stderr
    threads, default, grad = (
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
    )
    handlers = {number: signal.getsignal(number) for number in _signals()}
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        os.chdir(folder)
        if environment != dict(os.environ):
            os.environ.clear()
            os.environ.update(environment)
        sys.stdin, sys.stdout, sys.stderr = streams
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        torch.set_default_dtype(default)
        torch.set_grad_enabled(grad)
        for number, handler in handlers.items():
            if signal.getsignal(number) is not handler:
                with suppress(OSError, ValueError, TypeError):
                    signal.signal(number, handler)


def _signals() -> list[signal.Signals]:
    """Those whose handlers can be set here: none but in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        return []
    fixed = (signal.SIGKILL, signal.SIGSTOP)
    return [
        number
        for number in signal.valid_signals()
        if number not in fixed and isinstance(number, signal.Signals)
    ]
