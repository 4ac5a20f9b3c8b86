"""Prints brackets 100,000 deep for whoever reads them as data. Contained: bytes."""

import os

ENDS = ("exited", 0)
os.write(1, b"[" * 100_000 + b"]" * 100_000 + b"\n")
