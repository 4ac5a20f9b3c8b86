"""Takes a name like a line of /proc about a small process. Contained: it is counted as before."""

import sys

sys.path.insert(0, ".")
from lever import AT, held, libc

libc.prctl(15, b"x) S 1 1 0 0 0", 0, 0, 0)
taken = b"x" * int(1.5 * AT.memory_bytes)
held("bytes under a false name", len(taken), AT.memory_bytes)
