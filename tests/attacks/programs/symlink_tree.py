"""Fills its folder with links to folders outside, for whoever deletes it. Contained: nobody follows them."""

import os
import sys

sys.path.insert(0, ".")
from lever import AT

for number, path in enumerate((AT.outside, AT.home, AT.tmp, AT.script, AT.library)):
    os.symlink(path, f"link{number}")
    os.mkdir(f"folder{number}")
    os.symlink(path, f"folder{number}/link")
