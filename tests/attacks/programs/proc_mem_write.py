"""Writes into the memory of others through their files. Contained: refused."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT, attempt, leaked

for victim in AT.victims:
    file = os.open(f"/proc/{victim['pid']}/mem", os.O_RDWR)
    leaked(attempt(os.pread, file, 64, victim["address"]) or b"", "memory")
    attempt(os.pwrite, file, b"overwritten", victim["address"])
