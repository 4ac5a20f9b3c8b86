"""Makes 10,000 empty files wherever that can be done. Contained: their number is limited."""

import contextlib
import sys

sys.path.insert(0, ".")
from lever import AT, FOLDERS, held

made = 0
for folder in FOLDERS:
    with contextlib.suppress(OSError):
        while made < 10_000:
            with open(f"{folder}/{AT.mark}-inode-{made}", "wb"):
                made += 1
held("files", made, 4 * AT.files)
