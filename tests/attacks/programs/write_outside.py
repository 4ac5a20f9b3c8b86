"""Writes into every folder that it can name. Contained: what appears, appears in a private place."""

import pathlib
import sys

sys.path.insert(0, ".")
from lever import AT, FOLDERS, attempt

for folder in FOLDERS:
    attempt(pathlib.Path(folder, f"{AT.mark}-written").write_text, "written")
for path in (AT.public, AT.secret, AT.script):
    attempt(pathlib.Path(path).write_text, "overwritten")
