"""Prints one line of 64 MB. Contained: cut at the limit."""

import sys

for _ in range(64):
    sys.stdout.write("y" * 2**20)
