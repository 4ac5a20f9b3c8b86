"""Crashes within a destructor. Contained: reported as a signal."""

import ctypes

ENDS = ("signal", 11)


class Bomb:
    def __del__(self):
        ctypes.string_at(0)


bomb = Bomb()
del bomb
