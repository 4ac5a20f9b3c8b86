"""Two programs at once leave files for each other. Contained: they find none."""

import pathlib
import sys
import time

sys.path.insert(0, ".")
from lever import AT, FOLDERS, attempt, contents, escaped

TOGETHER = True
for _ in range(10):
    for folder in (*FOLDERS, AT.library):
        attempt(pathlib.Path(folder, f"{AT.mark}-{AT.turn}").write_text, "here")
        if contents(f"{folder}/{AT.mark}-{3 - AT.turn}"):
            escaped(f"they meet in {folder}")
    time.sleep(0.2)
