"""Spreads its computing over children that live a moment each. Contained: their time is added up."""

import hashlib
import os
import time

end = time.monotonic() + 20
for _ in range(400):
    for _ in range(4):
        if os.fork() == 0:
            hashlib.pbkdf2_hmac("sha256", b"a", b"b", 100_000)
            os._exit(0)
    while time.monotonic() < end:
        try:
            os.wait()
        except ChildProcessError:
            break
