"""Ends its first thread alone and stays. Contained: it is no end; ended at the limit, none left."""

import sys
import threading
import time

sys.path.insert(0, ".")
from lever import libc

ENDS = ("wall", None)
threading.Thread(target=time.sleep, args=(20,)).start()
libc.syscall(60, 0)
