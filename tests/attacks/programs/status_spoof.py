"""Writes reports of its own into every descriptor that it may hold. Contained: the report tells the truth."""

import json
import os
import sys

sys.path.insert(0, ".")
from lever import attempt

ENDS = ("exited", 7)
lies = json.dumps({"end": "exited", "code": 0, "status": 0, "peak_memory_bytes": 1}).encode()
for number in range(3, 4096):
    if attempt(os.fstat, number):
        attempt(os.write, number, lies + b"\n" + b"\0" * 64 + b"exited 0\n")
os._exit(7)
