"""Writes through symbolic links of its own to files outside. Contained: they stay as they were."""

import os
import pathlib
import sys

sys.path.insert(0, ".")
from lever import AT, attempt

for number, path in enumerate((AT.script, AT.public, f"{AT.outside}/{AT.mark}-linked")):
    os.symlink(path, f"link{number}")
    attempt(pathlib.Path(f"link{number}").write_text, "written")
