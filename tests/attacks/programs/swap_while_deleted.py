"""Swaps a folder for a link to the outside while it is deleted. Contained: nobody follows."""

import os
import sys
import time

sys.path.insert(0, ".")
from lever import AT, attempt

os.mkdir("swapped")
os.symlink(AT.outside, "link")
end = time.monotonic() + 20


def swap():
    while time.monotonic() < end:
        for one, other in (("swapped", "aside"), ("link", "swapped"), ("swapped", "link")):
            attempt(os.rename, one, other)
        attempt(os.rename, "aside", "swapped")


if os.fork() == 0:
    os.setsid()
    swap()
time.sleep(0.3)
