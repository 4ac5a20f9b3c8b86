"""Sheds the signal at its parent's death by a program in a thread, then outlives its parent.

That signal belongs to a thread, and a program that a second thread becomes has none.
Contained: none left.
"""

import os
import sys
import threading
import time

text = """
import os, signal, time
signal.signal(signal.SIGPIPE, signal.SIG_IGN)
try:
    for _ in range(40):
        os.write(1, b"x" * 65536)
except OSError:
    pass
time.sleep(20)
"""
words = [sys.executable, "-I", "-S", "-c", text]
threading.Thread(target=os.execv, args=(sys.executable, words)).start()
time.sleep(20)
