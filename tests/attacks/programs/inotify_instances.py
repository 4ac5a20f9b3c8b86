"""Takes watches of which a user has 128 for everything that he runs. Contained: it gets none or few."""

import contextlib
import sys

sys.path.insert(0, ".")
from lever import call, held

made = 0
with contextlib.suppress(OSError):
    while made < 200:
        call(294, 0)
        made += 1
held("watches", made, 8)
