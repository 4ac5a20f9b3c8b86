"""Gives one file 50,000 names, which need no further file. Contained: their number is limited."""

import contextlib
import os
import sys

sys.path.insert(0, ".")
from lever import AT, held

with open("one", "wb"):
    made = 0
with contextlib.suppress(OSError):
    while made < 50_000:
        os.link("one", f"name{made}")
        made += 1
held("names", made, 8 * AT.files)
