"""Hopes that a new program begins with new limits. Contained: they are inherited."""

import os
import resource
import sys

sys.path.insert(0, ".")
from lever import escaped

mine = [resource.getrlimit(which)[1] for which in (resource.RLIMIT_AS, resource.RLIMIT_NOFILE)]
text = "import resource as r; print(*[r.getrlimit(w)[1] for w in (r.RLIMIT_AS, r.RLIMIT_NOFILE)])"
reading, writing = os.pipe()
words = [sys.executable, "-I", "-S", "-c", text]
os.posix_spawn(sys.executable, words, {}, file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1)])
os.close(writing)
if [int(word) for word in os.read(reading, 100).split()] != mine or -1 in mine:
    escaped("limits are not inherited")
