"""Reads the memory of others by their addresses. Contained: refused."""

import ctypes
import sys

sys.path.insert(0, ".")
from lever import AT, allowed, escaped, leaked


class Piece(ctypes.Structure):
    _fields_ = (("address", ctypes.c_void_p), ("length", ctypes.c_size_t))


for victim in AT.victims:
    mine = ctypes.create_string_buffer(64)
    here = Piece(ctypes.addressof(mine), 30)
    there = Piece(victim["address"], 30)
    for number in (310, 311):
        if allowed(number, victim["pid"], ctypes.byref(here), 1, ctypes.byref(there), 1, 0):
            escaped(f"memory of {victim['pid']} by call {number}")
            leaked(mine.raw, "memory")
