"""A grandchild floods the output after the program has ended. Contained: cut, and nobody waits."""

import os
import time

if os.fork() == 0:
    os.setsid()
    end = time.monotonic() + 20
    while time.monotonic() < end:
        os.write(1, b"x" * 65536)
os._exit(0)
