"""Ignores every signal that can be ignored, and sleeps. Contained: ended all the same."""

import contextlib
import signal
import time

for number in signal.valid_signals():
    with contextlib.suppress(OSError, ValueError):
        signal.signal(number, signal.SIG_IGN)
end = time.monotonic() + 30
while time.monotonic() < end:
    time.sleep(0.1)
