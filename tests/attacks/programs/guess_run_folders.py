"""Guesses where the work folders of others are. Contained: it sees none but its own."""

import glob
import os
import sys
import tempfile

sys.path.insert(0, ".")
from lever import AT, escaped

here = os.getcwd()
for folder in {
    "/tmp",
    "/var/tmp",
    "/dev/shm",
    "/run",
    AT.tmp,
    os.path.dirname(here),
    tempfile.gettempdir(),
}:
    for path in glob.glob(f"{folder}/*") + glob.glob(f"{folder}/*/surroundings.json"):
        if (
            not AT.library.startswith(path)
            and not here.startswith(path)
            and os.path.dirname(path) not in (here, "/")
        ):
            escaped(f"sees {path}")
