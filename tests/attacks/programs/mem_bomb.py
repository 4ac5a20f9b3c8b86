"""Takes three times the memory at once. Contained: refused or killed."""

import sys

sys.path.insert(0, ".")
from lever import AT, held

taken = b"x" * (3 * AT.memory_bytes)
held("bytes of memory", len(taken), AT.memory_bytes)
