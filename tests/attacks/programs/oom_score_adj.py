"""Offers others as the first to be killed when memory ends. Contained: their score stays."""

import pathlib
import sys

sys.path.insert(0, ".")
from lever import AT, attempt, escaped

for pid in AT.pids:
    if attempt(pathlib.Path(f"/proc/{pid}/oom_score_adj").write_text, "900"):
        escaped(f"score of {pid}")
