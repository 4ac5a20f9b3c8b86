"""Types into the terminal of who runs it. Contained: there is none, or refused."""

import fcntl
import os
import sys
import termios

sys.path.insert(0, ".")
from lever import attempt, escaped

for path in ("/dev/tty", "/dev/console", "/dev/pts/0", "/dev/tty1"):
    file = attempt(os.open, path, os.O_RDWR | os.O_NOCTTY)
    if file and attempt(fcntl.ioctl, file, termios.TIOCSTI, b" "):
        escaped(f"typed into {path}")
for file in (0, 1, 2):
    if attempt(fcntl.ioctl, file, termios.TIOCSTI, b" "):
        escaped(f"typed into descriptor {file}")
