"""Has an alarm every microsecond. Contained: it harms nobody else and is ended at the limit."""

import signal
import time

signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 1e-6, 1e-6)
end = time.monotonic() + 20
while time.monotonic() < end:
    pass
