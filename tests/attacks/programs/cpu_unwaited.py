"""Computes in children that nobody waits for, whose time is added to nobody's. Contained: it counts."""

import hashlib
import os
import signal
import sys
import time

sys.path.insert(0, ".")
from lever import AT, escaped

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
reading, writing = os.pipe()
os.set_blocking(reading, False)
end = time.monotonic() + 3.7
spent, alive = 0.0, 0
while time.monotonic() < end:
    while alive < 6:
        if os.fork() == 0:
            while time.process_time() < 0.06:
                hashlib.pbkdf2_hmac("sha256", b"a", b"b", 5_000)
            os.write(writing, b".")
            os._exit(0)
        alive += 1
    try:
        ended = len(os.read(reading, 64))
    except BlockingIOError:
        time.sleep(0.005)
        continue
    alive -= ended
    spent += 0.06 * ended
    if spent > AT.cpu_seconds + 1.0:
        escaped(f"{spent:.1f} s of processor time")
        break
