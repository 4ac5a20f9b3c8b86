"""Prints control sequences, every byte and half a character. Contained: they are bytes."""

import os

ENDS = ("exited", 0)
os.write(1, bytes(range(256)) * 16 + b"\x1b]0;title\x07\x1b[2J\x1b[31m\x1bc" + b"\xf0\x9f\x98")
os.write(2, b"\x1b[?1049h\x9b2J" + b"\xff" * 100)
