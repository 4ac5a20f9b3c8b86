"""Climbs to the root by two dots. Contained: above the root there is only the root."""

import sys

sys.path.insert(0, ".")
from lever import AT, contents, leaked

for steps in range(1, 40, 3):
    leaked(contents("../" * steps + AT.secret), f"{steps} steps up")
    leaked(contents("/usr/" + "../" * steps + AT.public), f"{steps} steps up")
