"""A folder that it may read is there, and can be imported from. Contained: it works."""

import pathlib
import sys

sys.path.insert(0, ".")
from lever import AT, worked

WORKS = True
sys.path.insert(0, AT.library)
library = __import__("library")
if library.VALUE == 42 and "VALUE" in pathlib.Path(AT.library, "library.py").read_text():
    worked()
