"""Leaves a note in every folder; the next program looks for it. Contained: it finds none."""

import pathlib
import sys

sys.path.insert(0, ".")
from lever import AT, FOLDERS, attempt, contents, escaped

TURNS = 2
for folder in (*FOLDERS, AT.library):
    note = pathlib.Path(folder, "left-for-the-next")
    if AT.turn == 1:
        attempt(note.write_text, "the answer is 42")
    elif contents(note):
        escaped(f"a note in {folder}")
