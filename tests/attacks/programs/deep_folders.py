"""Nests folders until no path reaches the innermost. Contained: cleaning up does not fail."""

import os

for _ in range(600):
    os.mkdir("d" * 100)
    os.chdir("d" * 100)
