"""Prints an integer of 900,000 digits and numbers that are none. Contained: bytes."""

import os

ENDS = ("exited", 0)
os.write(1, b"9" * 900_000 + b"\n" + b'{"a": NaN, "a": -Infinity, "a": 1e999}\n')
