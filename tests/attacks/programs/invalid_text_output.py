"""Prints what is no text in any encoding, and half of a surrogate pair. Contained: bytes."""

import os

ENDS = ("exited", 0)
os.write(1, b"\xed\xa0\x80\xc0\xaf\xfe\xff\0\0" * 1000 + "\u202e\u2066\u200b".encode())
os.write(2, b'"\\ud800"\n')
