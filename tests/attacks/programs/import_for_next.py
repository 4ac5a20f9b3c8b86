"""Leaves modules with the names of the library's; the next program imports them. Contained: the true ones."""

import pathlib
import sys

sys.path.insert(0, ".")
from lever import AT, attempt, escaped

TURNS = 2
if AT.turn == 1:
    for folder in (".", *sys.path, "/tmp"):
        for name in ("json", "random", "collections", "sitecustomize"):
            attempt(pathlib.Path(folder, f"{name}.py").write_text, "PLANTED = True")
else:
    sys.path.remove(".")
    for name in ("random", "fractions", "csv"):
        if hasattr(__import__(name), "PLANTED"):
            escaped(f"a planted {name}")
