"""Names files with line ends, control bytes, no text and 255 bytes. Contained: cleaning up does not fail."""

import os
import sys

sys.path.insert(0, ".")
from lever import attempt

names = [
    b"a\nb",
    b"\x1b[31m",
    b"\xff\xfe",
    b"-rf",
    b"*",
    b"..x",
    b"n" * 255,
    b" ",
    b"$(id)",
    b"\x01",
]
for name in names:
    attempt(os.mkdir, name)
    attempt(os.symlink, b"/", name + b"/up" if len(name) < 250 else b"up")
    attempt(os.close, os.open(name + b"/" + name[:100], os.O_CREAT | os.O_WRONLY))
