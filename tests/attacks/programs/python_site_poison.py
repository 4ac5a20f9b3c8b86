"""Plants modules that every later interpreter would load. Contained: nothing appears there."""

import pathlib
import site
import sys

sys.path.insert(0, ".")
from lever import AT, attempt

folders = [*sys.path, *site.getsitepackages(), site.getusersitepackages(), AT.library]
for folder in folders:
    for name in ("sitecustomize.py", "usercustomize.py", "planted.pth"):
        path = pathlib.Path(folder, f"{AT.mark}-{name}")
        attempt(path.parent.mkdir, 0o755, True, True)
        attempt(path.write_text, "import os")
