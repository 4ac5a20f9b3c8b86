"""Recurses until the stack ends. Contained: a signal that is reported as one."""

import sys

sys.setrecursionlimit(10**8)


class Deep:
    def __repr__(self):
        return repr(self)


repr(Deep())
