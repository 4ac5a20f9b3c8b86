"""Looks through modules, frames and objects for those of others. Contained: there are only its own."""

import gc
import inspect
import sys

sys.path.insert(0, ".")
from lever import escaped, leaked

for name in list(sys.modules):
    if name.split(".")[0] in ("cohort", "tests", "torch", "pytest", "pickle"):
        escaped(f"the module {name}")
if len(inspect.stack()) > 1:
    escaped("it is run within another program")
for thing in gc.get_objects():
    if type(thing) in (str, bytes, dict, list, tuple):
        leaked(repr(thing).encode(errors="replace"), "an object")
