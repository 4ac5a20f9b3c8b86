"""Wants its memory written to a file. Contained: the limit stays 0, no file appears."""

import os
import resource
import signal
import sys

sys.path.insert(0, ".")
from lever import escaped

if resource.getrlimit(resource.RLIMIT_CORE)[1] != 0:
    escaped("core files can be switched on")
    resource.setrlimit(resource.RLIMIT_CORE, (2**20, resource.getrlimit(resource.RLIMIT_CORE)[1]))
os.kill(os.getpid(), signal.SIGABRT)
