"""Runs a program that is no file. Contained: refused."""

import os
import sys

sys.path.insert(0, ".")

file = os.memfd_create("x", 0)
with open(os.path.realpath(sys.executable), "rb") as program:
    while piece := program.read(2**20):
        os.write(file, piece)
words = ["python", "-I", "-S", "-c", "print('\\nESCAPED: a program out of memory')"]
os.execve(file, words, {"PYTHONHOME": sys.base_prefix})
