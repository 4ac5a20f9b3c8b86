"""Gives the loader and the interpreter variables that make them load other things. Contained: as before."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT

variables = {
    "LD_PRELOAD": AT.public,
    "LD_AUDIT": AT.public,
    "LD_LIBRARY_PATH": ".",
    "PYTHONPATH": AT.home,
}
variables |= {
    "PYTHONSTARTUP": AT.public,
    "PYTHONINSPECT": "1",
    "LD_TRACE_LOADED_OBJECTS": "",
    "HOME": AT.home,
}
check = "import sys; sys.path.insert(0, '.'); import lever as l; l.leaked(l.contents(l.AT.public), 'preload')"
os.execve(sys.executable, [sys.executable, "-c", check], variables)
