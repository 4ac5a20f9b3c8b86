"""Opens files relative to folders that it opened. Contained: no way leads up and out."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT, attempt, leaked

for start in ("/", ".", "/usr", "/proc/self/cwd", "/proc/self/fd"):
    folder = attempt(os.open, start, os.O_PATH | os.O_DIRECTORY)
    for path in (AT.secret, AT.public, AT.of_group):
        for steps in range(0, 12, 2):
            way = "../" * steps + path.lstrip("/")
            file = attempt(lambda way=way, folder=folder: os.open(way, os.O_RDONLY, dir_fd=folder))
            leaked(attempt(os.read, file, 64) or b"" if file else b"", f"from {start}")
