"""Ends its first thread alone and computes in others. Contained: their time counts."""

import hashlib
import sys
import threading
import time

sys.path.insert(0, ".")
from lever import libc


def burn():
    end = time.monotonic() + 20
    while time.monotonic() < end:
        hashlib.pbkdf2_hmac("sha256", b"a", b"b", 100_000)


for _ in range(3):
    threading.Thread(target=burn).start()
libc.syscall(60, 0)
