"""Starts an interpreter with a megabyte of arguments and variables. Contained: like any other program."""

import os
import sys

words = [sys.executable, "-I", "-S", "-c", "print('done')", *["x" * 100_000] * 9]
os.execve(sys.executable, words, {f"V{n}": "y" * 1000 for n in range(100)})
