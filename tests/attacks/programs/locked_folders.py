"""Takes every right from its own folders and files. Contained: cleaning up does not fail."""

import os
import pathlib
import sys

sys.path.insert(0, ".")
from lever import attempt

for number in range(3):
    folder = pathlib.Path(f"locked{number}/inner")
    folder.mkdir(parents=True)
    (folder / "file").write_text("x")
    for path in (folder / "file", folder, folder.parent):
        attempt(os.chmod, path, 0)
attempt(os.chmod, ".", 0)
