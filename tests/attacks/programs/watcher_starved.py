"""Keeps every processor busy and the scheduler full while it overstays. Contained: ended at the limit."""

import hashlib
import os
import threading
import time

end = time.monotonic() + 20


def burn():
    while time.monotonic() < end:
        hashlib.pbkdf2_hmac("sha256", b"a", b"b", 10_000)


for _ in range(10):
    threading.Thread(target=burn).start()
while time.monotonic() < end:
    os.sched_yield()
