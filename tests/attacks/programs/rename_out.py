"""Moves a file of its own to folders outside. Contained: nothing appears there."""

import os
import pathlib
import sys

sys.path.insert(0, ".")
from lever import AT, FOLDERS, attempt

for number, folder in enumerate(FOLDERS[1:]):
    mine = pathlib.Path(f"mine{number}")
    mine.write_text("moved")
    attempt(os.rename, mine, f"{folder}/{AT.mark}-moved")
attempt(os.rename, AT.public, f"{AT.mark}-stolen")
