"""Makes itself the last to be killed when memory ends. Contained: refused."""

import pathlib
import sys

sys.path.insert(0, ".")
from lever import attempt, contents, escaped

before = int(contents("/proc/self/oom_score_adj") or 0)
if attempt(pathlib.Path("/proc/self/oom_score_adj").write_text, str(before - 500)):
    escaped("it is protected")
