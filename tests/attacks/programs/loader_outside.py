"""Has the system's loader run a program that lies outside. Contained: it is not there, or refused."""

import glob
import os
import sys

sys.path.insert(0, ".")
from lever import AT

for loader in glob.glob("/lib64/ld-linux*") + glob.glob("/lib/*/ld-linux*"):
    os.execve(loader, [loader, AT.program_binary, "-c", "echo; echo ESCAPED: by the loader"], {})
