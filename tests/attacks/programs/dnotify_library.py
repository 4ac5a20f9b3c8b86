"""Has the kernel signal when others read in a folder. Contained: refused, or nothing is told."""

import fcntl
import os
import signal
import sys
import time

sys.path.insert(0, ".")
from lever import AT, escaped

told = []
signal.signal(signal.SIGIO, lambda *_: told.append(1))
folder = os.open(AT.library, os.O_RDONLY)
fcntl.fcntl(folder, fcntl.F_NOTIFY, fcntl.DN_ACCESS | fcntl.DN_MULTISHOT)
time.sleep(0.5)
if told:
    escaped("it is told when others read")
